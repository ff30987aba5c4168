// SPDX-License-Identifier: GPL-2.0

//! Delay accounting, which the scheduler and memory management collect.
//!
//! C source: [`kernel/delayacct.c`](srctree/kernel/delayacct.c)

use super::task::TaskView;
use kernel::{
    prelude::*, //
};
use taskstats_bindings as bindings;

/// Adds the delays of `task` to those in `stats`, which is laid out as a `struct taskstats`. Counts
/// and totals are summed up; a total that would overflow becomes 0. The longest and the shortest
/// delays and their timestamps are overwritten by those of `task`. Calls `delayacct_add_tsk()`.
#[inline]
pub(crate) fn add<T: FromBytes + IntoBytes>(stats: &mut T, task: TaskView<'_>) {
    const {
        assert!(size_of::<T>() == size_of::<bindings::taskstats>());
        assert!(align_of::<T>() >= align_of::<bindings::taskstats>());
    }

    // SAFETY: The task is valid. Size and alignment are those of the struct, whose fields are
    // numbers; all bytes of a `T` are initialized, and any bytes make one. What is returned is
    // always 0.
    unsafe { bindings::delayacct_add_tsk(core::ptr::from_mut(stats).cast(), task.as_ptr()) };
}
