// SPDX-License-Identifier: GPL-2.0

//! Basic accounting: who a task is, how long it has run, and how it ended.
//!
//! C source: [`kernel/tsacct.c`](srctree/kernel/tsacct.c), `bacct_add_tsk()`

use super::layout::Stats;
use crate::abstractions::{
    credentials::real_ids_in,
    namespace::Namespaces,
    task::{
        Comm,
        CpuTime,
        TaskView, //
    },
    time::{
        monotonic_ns,
        real_seconds,
        usecs,
        USEC_PER_SEC, //
    },
};
use kernel::{
    sync::rcu, //
};
use taskstats_bindings::{
    ACORE,
    AFORK,
    ASU,
    AXSIG, //
};

/// Fills in the fields from `ac_exitcode` to `ac_majflt`, and those of the same kind that later
/// versions appended. The record must be zeroed; `time` is the task's. Mirrors `bacct_add_tsk()`.
pub(crate) fn fill(
    stats: &mut Stats,
    task: TaskView<'_>,
    time: CpuTime,
    namespaces: Namespaces<'_>,
    rcu: &rcu::Guard,
) {
    let now_ns = monotonic_ns();
    let start_ns = task.start_time_ns();
    let leader_start_ns = match task.group_leader(rcu) {
        Some(leader) => leader.start_time_ns(),
        // The task has been released, and the leader may be gone.
        None => start_ns,
    };

    stats.ac_tgetime = usecs(now_ns.wrapping_sub(leader_start_ns));
    stats.ac_etime = usecs(now_ns.wrapping_sub(start_ns));
    (stats.ac_btime, stats.ac_btime64) = begin(real_seconds(), stats.ac_etime);

    let flags = task.flags();
    if flags.exiting() {
        // CAST: The bits are what counts.
        stats.ac_exitcode = task.exit_code() as u32;
    }
    if flags.fork_no_exec() && task.is_group_leader() {
        stats.ac_flag |= AFORK as u8;
    }
    if flags.super_priv() {
        stats.ac_flag |= ASU as u8;
    }
    if flags.dump_core() {
        stats.ac_flag |= ACORE as u8;
    }
    if flags.signaled() {
        stats.ac_flag |= AXSIG as u8;
    }

    // CAST: Nice values are from -20 to 19, policies are small; the bits are what counts.
    stats.ac_nice = task.nice() as u8;
    stats.ac_sched = task.policy() as u8;

    // CAST: Ids of tasks are not negative.
    stats.ac_pid = task.pid_nr_ns(namespaces.pid, rcu) as u32;
    stats.ac_tgid = task.tgid_nr_ns(namespaces.pid, rcu) as u32;
    stats.ac_ppid = match task.real_parent(rcu) {
        Some(parent) => parent.tgid_nr_ns(namespaces.pid, rcu) as u32,
        None => 0,
    };
    (stats.ac_uid, stats.ac_gid) = real_ids_in(task.credentials(rcu), namespaces.user);

    stats.ac_utime = usecs(time.user_ns);
    stats.ac_stime = usecs(time.system_ns);
    let scaled = task.scaled_cpu_time(time);
    stats.ac_utimescaled = usecs(scaled.user_ns);
    stats.ac_stimescaled = usecs(scaled.system_ns);

    (stats.ac_minflt, stats.ac_majflt) = task.page_faults();
    stats.ac_comm = padded(task.comm());
}

/// Returns when a task began, in seconds since 1970, limited to what 32 bits hold, and as it is:
/// the time of day less what has elapsed.
pub(crate) fn begin(real_seconds: i64, elapsed_us: u64) -> (u32, u64) {
    // CAST: Microseconds in 64 bits are less than 2^45 seconds.
    let begin = real_seconds.wrapping_sub((elapsed_us / USEC_PER_SEC) as i64);

    // CAST: Within the limits of `u32`; and the bits are what counts.
    (begin.clamp(0, i64::from(u32::MAX)) as u32, begin as u64)
}

/// Returns a name with NULs instead of what is behind its end. Mirrors `strscpy_pad()`.
pub(crate) fn padded<const N: usize>(comm: Comm) -> [u8; N] {
    const { assert!(N >= size_of::<Comm>()) };
    const ONES: u128 = u128::from_ne_bytes([1; size_of::<Comm>()]);

    // The first byte is the lowest; the last one is a NUL in any case.
    let name = u128::from_le_bytes(comm) << 8 >> 8;
    // The top bit of each NUL, and perhaps of bytes behind the first one.
    let nuls = name.wrapping_sub(ONES) & !name & (ONES << 7);
    // All that is below the first of these bits: what is kept of the NUL itself is 0.
    let kept = name & (nuls & nuls.wrapping_neg()).wrapping_sub(1);

    let mut padded = [0; N];
    padded[..size_of::<Comm>()].copy_from_slice(&kept.to_le_bytes());
    padded
}
