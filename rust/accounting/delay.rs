// SPDX-License-Identifier: GPL-2.0

//! Delays, and CPU time in nanoseconds.
//!
//! C source: [`kernel/delayacct.c`](srctree/kernel/delayacct.c), `delayacct_add_tsk()`, whose
//! halves are here apart: a process needs the second one once and not for each of its threads.

use super::layout::Stats;
use crate::abstractions::{
    delays::{
        self,
        Delay,
        Delays, //
    },
    task::{
        CpuTime,
        TaskView, //
    },
};

/// Adds the counts and the totals of `task`, whose CPU time is `time`. A total that would overflow
/// becomes 0. Returns whether delays other than the CPU's are collected for the task.
#[inline(always)]
pub(crate) fn add_totals(stats: &mut Stats, task: TaskView<'_>, time: CpuTime) -> bool {
    add_cpu(stats, task, time, delays::of_cpu(task));
    let Some(delays) = Delays::lock(task) else {
        return false;
    };
    add_others(stats, &delays);
    true
}

/// Overwrites the longest and the shortest delays, and when they were, by those of `task`; those
/// that are not collected for it are left alone.
#[inline(always)]
pub(crate) fn set_extremes(stats: &mut Stats, task: TaskView<'_>) {
    set_cpu_extremes(stats, delays::of_cpu(task));
    if let Some(delays) = Delays::lock(task) {
        set_other_extremes(stats, &delays);
    }
}

/// Does both of the above to a record that is zeroed.
#[inline(always)]
pub(crate) fn fill(stats: &mut Stats, task: TaskView<'_>, time: CpuTime) {
    let scaled = task.scaled_cpu_time(time);
    let delay = delays::of_cpu(task);
    stats.cpu_run_real_total = signed_sum(0, time.user_ns.wrapping_add(time.system_ns));
    stats.cpu_scaled_run_real_total = signed_sum(0, scaled.user_ns.wrapping_add(scaled.system_ns));
    stats.cpu_run_virtual_total = signed_sum(0, task.run_time_ns());
    stats.cpu_count = delay.count;
    stats.cpu_delay_total = signed_sum(0, delay.total_ns);
    set_cpu_extremes(stats, delay);
    if let Some(delays) = Delays::lock(task) {
        set_others(stats, &delays);
    }
}

#[inline(always)]
fn add_cpu(stats: &mut Stats, task: TaskView<'_>, time: CpuTime, delay: Delay) {
    let scaled = task.scaled_cpu_time(time);
    let real = &mut stats.cpu_run_real_total;
    *real = signed_sum(*real, time.user_ns.wrapping_add(time.system_ns));
    let scaled_real = &mut stats.cpu_scaled_run_real_total;
    *scaled_real = signed_sum(*scaled_real, scaled.user_ns.wrapping_add(scaled.system_ns));
    let run = &mut stats.cpu_run_virtual_total;
    *run = signed_sum(*run, task.run_time_ns());
    stats.cpu_count = stats.cpu_count.wrapping_add(delay.count);
    stats.cpu_delay_total = signed_sum(stats.cpu_delay_total, delay.total_ns);
}

#[inline(always)]
fn set_cpu_extremes(stats: &mut Stats, delay: Delay) {
    stats.cpu_delay_max = delay.longest_ns;
    stats.cpu_delay_min = delay.shortest_ns;
    stats.cpu_delay_max_ts = delay.longest_end.into();
}

/// Does something for each kind but the CPU's: with the names of its fields, and of its accessor.
macro_rules! each_kind {
    ($do:ident!($($args:tt)*)) => {
        $do!($($args)*, blkio_count, blkio_delay_total, blkio_delay_max, blkio_delay_min,
            blkio_delay_max_ts, block_io);
        $do!($($args)*, swapin_count, swapin_delay_total, swapin_delay_max, swapin_delay_min,
            swapin_delay_max_ts, swap_in);
        $do!($($args)*, freepages_count, freepages_delay_total, freepages_delay_max,
            freepages_delay_min, freepages_delay_max_ts, reclaim);
        $do!($($args)*, thrashing_count, thrashing_delay_total, thrashing_delay_max,
            thrashing_delay_min, thrashing_delay_max_ts, thrashing);
        $do!($($args)*, compact_count, compact_delay_total, compact_delay_max, compact_delay_min,
            compact_delay_max_ts, compaction);
        $do!($($args)*, wpcopy_count, wpcopy_delay_total, wpcopy_delay_max, wpcopy_delay_min,
            wpcopy_delay_max_ts, write_copy);
        $do!($($args)*, irq_count, irq_delay_total, irq_delay_max, irq_delay_min,
            irq_delay_max_ts, irq);
    };
}

macro_rules! add_total {
    ($stats:ident, $delays:ident, $count:ident, $total:ident, $max:ident, $min:ident, $ts:ident,
     $kind:ident) => {
        let delay = $delays.$kind();
        $stats.$count = $stats.$count.wrapping_add(delay.count);
        $stats.$total = unsigned_sum($stats.$total, delay.total_ns);
    };
}

macro_rules! set_extreme {
    ($stats:ident, $delays:ident, $count:ident, $total:ident, $max:ident, $min:ident, $ts:ident,
     $kind:ident) => {
        let delay = $delays.$kind();
        $stats.$max = delay.longest_ns;
        $stats.$min = delay.shortest_ns;
        $stats.$ts = delay.longest_end.into();
    };
}

macro_rules! set {
    ($stats:ident, $delays:ident, $count:ident, $total:ident, $max:ident, $min:ident, $ts:ident,
     $kind:ident) => {
        let delay = $delays.$kind();
        $stats.$count = delay.count;
        $stats.$total = delay.total_ns;
        $stats.$max = delay.longest_ns;
        $stats.$min = delay.shortest_ns;
        $stats.$ts = delay.longest_end.into();
    };
}

#[inline(always)]
fn set_others(stats: &mut Stats, delays: &Delays<'_>) {
    each_kind!(set!(stats, delays));
}

#[inline(always)]
fn add_others(stats: &mut Stats, delays: &Delays<'_>) {
    each_kind!(add_total!(stats, delays));
}

#[inline(always)]
fn set_other_extremes(stats: &mut Stats, delays: &Delays<'_>) {
    each_kind!(set_extreme!(stats, delays));
}

/// Returns the counts and totals in `stats`, a sum over threads that have exited, as the fields of
/// [`super::usage::Delays`]. The longest and the shortest are those of the thread that exited last.
pub(crate) fn of_stats(stats: &Stats) -> [Delay; 8] {
    macro_rules! delay {
        ($count:ident, $total:ident, $max:ident, $min:ident, $ts:ident) => {
            Delay {
                count: stats.$count,
                total_ns: stats.$total,
                longest_ns: stats.$max,
                shortest_ns: stats.$min,
                longest_end: stats.$ts.into(),
            }
        };
    }
    [
        delay!(
            cpu_count,
            cpu_delay_total,
            cpu_delay_max,
            cpu_delay_min,
            cpu_delay_max_ts
        ),
        delay!(
            blkio_count,
            blkio_delay_total,
            blkio_delay_max,
            blkio_delay_min,
            blkio_delay_max_ts
        ),
        delay!(
            swapin_count,
            swapin_delay_total,
            swapin_delay_max,
            swapin_delay_min,
            swapin_delay_max_ts
        ),
        delay!(
            freepages_count,
            freepages_delay_total,
            freepages_delay_max,
            freepages_delay_min,
            freepages_delay_max_ts
        ),
        delay!(
            thrashing_count,
            thrashing_delay_total,
            thrashing_delay_max,
            thrashing_delay_min,
            thrashing_delay_max_ts
        ),
        delay!(
            compact_count,
            compact_delay_total,
            compact_delay_max,
            compact_delay_min,
            compact_delay_max_ts
        ),
        delay!(
            wpcopy_count,
            wpcopy_delay_total,
            wpcopy_delay_max,
            wpcopy_delay_min,
            wpcopy_delay_max_ts
        ),
        delay!(
            irq_count,
            irq_delay_total,
            irq_delay_max,
            irq_delay_min,
            irq_delay_max_ts
        ),
    ]
}

/// Returns the sum, or 0 if it is less than `total`: C takes both as signed here.
#[inline(always)]
pub(crate) const fn signed_sum(total: u64, more: u64) -> u64 {
    let sum = total.wrapping_add(more);
    // CAST: The bits are what counts.
    if (sum as i64) < (total as i64) {
        0
    } else {
        sum
    }
}

/// Returns the sum, or 0 if it is less than `total`.
#[inline(always)]
pub(crate) const fn unsigned_sum(total: u64, more: u64) -> u64 {
    let sum = total.wrapping_add(more);
    if sum < total {
        0
    } else {
        sum
    }
}
