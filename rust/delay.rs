// SPDX-License-Identifier: GPL-2.0

//! Delay accounting, which the scheduler and memory management collect.
//!
//! C source: [`kernel/delayacct.c`](srctree/kernel/delayacct.c)

use crate::{
    task::TaskView,
    uapi::taskstats, //
};
use kernel::bindings;

/// Adds the delays of `task` to those in `stats`. Counts and totals are summed up; a total that would
/// overflow becomes 0. The longest and the shortest delays and their timestamps are overwritten by
/// those of `task`. Calls `delayacct_add_tsk()`.
#[inline]
pub(crate) fn add(stats: &mut taskstats, task: TaskView<'_>) {
    // SAFETY: Record and task are valid. What is returned is always 0.
    unsafe { bindings::delayacct_add_tsk(stats, task.as_ptr()) };
}
