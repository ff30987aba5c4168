// SPDX-License-Identifier: GPL-2.0

//! Delay accounting, which the scheduler and memory management collect.
//!
//! C source: [`kernel/delayacct.c`](srctree/kernel/delayacct.c)

use crate::{
    task::TaskView,
    uapi::taskstats, //
};
use kernel::bindings;

/// Adds the delays of `task` to those in `stats`: counts and totals are summed up, a total that
/// would overflow becomes 0; of the longest and the shortest delay the more extreme one stays.
/// Mirrors `delayacct_add_tsk()`.
#[inline]
pub(crate) fn add(stats: &mut taskstats, task: TaskView<'_>) {
    // SAFETY: Record and task are valid. What is returned is always 0.
    unsafe { bindings::delayacct_add_tsk(stats, task.as_ptr()) };
}
