// SPDX-License-Identifier: GPL-2.0

//! The sum over the threads of a process.
//!
//! C source: [`kernel/taskstats.c`](srctree/kernel/taskstats.c), `tgid_stats_add_task()`

use super::{
    delay,
    layout::Stats, //
};
use crate::abstractions::{
    task::TaskView,
    time::usecs, //
};

/// Adds what a thread has used to the sum over its process: delays, the time since it was started,
/// CPU time and context switches. `now_ns` is the time of the monotonic clock. Mirrors
/// `tgid_stats_add_task()`, but for the longest and the shortest delays
/// ([`delay::set_extremes()`]). Returns whether delays other than the CPU's are collected for the
/// task.
#[inline(always)]
pub(crate) fn add_thread(stats: &mut Stats, task: TaskView<'_>, now_ns: u64) -> bool {
    let time = task.cpu_time();
    let has_delays = delay::add_totals(stats, task, time);
    let (voluntary, involuntary) = task.context_switches();

    // Each thread is rounded on its own, and a sum wraps, as in C.
    let elapsed_us = usecs(now_ns.wrapping_sub(task.start_time_ns()));
    stats.ac_etime = stats.ac_etime.wrapping_add(elapsed_us);
    stats.ac_utime = stats.ac_utime.wrapping_add(usecs(time.user_ns));
    stats.ac_stime = stats.ac_stime.wrapping_add(usecs(time.system_ns));
    stats.nvcsw = stats.nvcsw.wrapping_add(voluntary);
    stats.nivcsw = stats.nivcsw.wrapping_add(involuntary);
    has_delays
}
