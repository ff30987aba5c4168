// SPDX-License-Identifier: GPL-2.0

//! The sum over the threads of a process.
//!
//! C source: [`kernel/taskstats.c`](srctree/kernel/taskstats.c), `tgid_stats_add_task()`

#![forbid(unsafe_code)]

use crate::{
    delay,
    task::TaskView,
    time::usecs,
    uapi::taskstats, //
};

/// Adds what a thread has used to the sum over its process: delays, the time since it began (`now_ns`
/// is the monotonic clock's), CPU time and context switches. Mirrors `tgid_stats_add_task()`.
pub(crate) fn add_thread(stats: &mut taskstats, task: TaskView<'_>, now_ns: u64) {
    delay::add(stats, task);

    let time = task.cpu_time();
    let (voluntary, involuntary) = task.context_switches();

    // Each thread is rounded on its own, and a sum wraps, as in C.
    for (sum, value) in [
        (
            &mut stats.ac_etime,
            usecs(now_ns.wrapping_sub(task.start_time_ns())),
        ),
        (&mut stats.ac_utime, usecs(time.user_ns)),
        (&mut stats.ac_stime, usecs(time.system_ns)),
        (&mut stats.nvcsw, voluntary),
        (&mut stats.nivcsw, involuntary),
    ] {
        *sum = sum.wrapping_add(value);
    }
}
