// SPDX-License-Identifier: GPL-2.0

//! The layout of `struct taskstats`: what each field means, in what unit, and where it comes from.
//!
//! The offsets and sizes are those of version 17 and never change: user space was compiled with
//! them, and new versions only append. A kernel that has a field elsewhere does not get this module.
//!
//! "Task" means one thread. In the record of a process (`TASKSTATS_TYPE_AGGR_TGID`) only the delays,
//! `ac_etime`, `ac_utime`, `ac_stime`, `nvcsw` and `nivcsw` are filled in. Counts, totals and times are
//! sums over the threads that live and have lived, see [`crate::process`]. The longest and the
//! shortest delays and their timestamps are not: they are those of one thread, the one that was
//! added last.
//!
//! C header: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h)

use crate::uapi::taskstats;

use core::mem::offset_of;

/// A field of `struct taskstats`.
#[cfg_attr(not(test_build), expect(dead_code))]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// In bytes, from the struct's beginning.
    pub(crate) offset: usize,
    /// In bytes.
    pub(crate) size: usize,
}

const fn size_of_field<T>(_field: fn(&taskstats) -> &T) -> usize {
    size_of::<T>()
}

macro_rules! layout {
    ($($(#[$doc:meta])* $field:ident: $offset:literal, $size:literal;)*) => {
        /// The fields in the order in which they are in memory.
        ///
        $(
            #[doc = concat!("- `", stringify!($field), "` at ", $offset, ":")]
            $(#[$doc])*
        )*
        pub(crate) const FIELDS: &[Field] = &[$(Field {
            name: stringify!($field),
            offset: $offset,
            size: $size,
        }),*];

        $(
            const _: () = {
                assert!(
                    offset_of!(taskstats, $field) == $offset,
                    concat!("struct taskstats: ", stringify!($field), " is not at ", $offset),
                );
                assert!(
                    size_of_field(|stats| &stats.$field) == $size,
                    concat!("struct taskstats: ", stringify!($field), " is not of size ", $size),
                );
            };
        )*
    };
}

layout! {
    /// The version of the struct, `TASKSTATS_VERSION`.
    version: 0, 2;
    /// What `wait()` gives the parent, 0 before the task exits; `task_struct::exit_code`.
    ac_exitcode: 4, 4;
    /// Flags of `<linux/acct.h>`, from the task's own (`task_struct::flags`): AFORK, a process that
    /// has not executed a program; ASU, has used a privilege; ACORE, dumped core; AXSIG, killed by
    /// a signal. At exit AGROUP as well: the last task of its process.
    ac_flag: 8, 1;
    /// The nice value, -20 to 19; `task_nice()`.
    ac_nice: 9, 1;

    /// How often the task waited for a CPU while runnable; `sched_info::pcount`. The delays of the
    /// CPU are counted by the scheduler, whether or not `kernel.task_delayacct` is on.
    cpu_count: 16, 8;
    /// For how long, in nanoseconds; `sched_info::run_delay`.
    cpu_delay_total: 24, 8;
    /// How often it waited for block I/O that it had asked for. This and all other delays but the
    /// CPU's are counted by `kernel/delayacct.c`, and are 0 for a task that was started while
    /// `kernel.task_delayacct` was off.
    blkio_count: 32, 8;
    /// For how long, in nanoseconds.
    blkio_delay_total: 40, 8;
    /// How often it waited for a page to be swapped in.
    swapin_count: 48, 8;
    /// For how long, in nanoseconds.
    swapin_delay_total: 56, 8;
    /// User and system CPU time, in nanoseconds; `task_cputime()`.
    cpu_run_real_total: 64, 8;
    /// CPU time as the scheduler measures it, in nanoseconds; `sched_entity::sum_exec_runtime`.
    cpu_run_virtual_total: 72, 8;

    /// The name, ended and padded with NULs; `task_struct::comm`.
    ac_comm: 80, 32;
    /// The scheduling policy, `SCHED_*`; `task_struct::policy`.
    ac_sched: 112, 1;
    /// Reserved, zero.
    ac_pad: 113, 3;
    /// The real user id in the reader's user namespace; `cred::uid`.
    ac_uid: 120, 4;
    /// The real group id in the reader's user namespace; `cred::gid`.
    ac_gid: 124, 4;
    /// The task's id in the reader's pid namespace.
    ac_pid: 128, 4;
    /// The id of the parent's process in the reader's pid namespace, 0 without one.
    ac_ppid: 132, 4;
    /// When the task began, in seconds since 1970, at most what 32 bits hold: the time of day less
    /// `ac_etime`.
    ac_btime: 136, 4;
    /// The time since the task began, in microseconds; `task_struct::start_time`.
    ac_etime: 144, 8;
    /// User CPU time, in microseconds; `task_cputime()`.
    ac_utime: 152, 8;
    /// System CPU time, in microseconds; `task_cputime()`.
    ac_stime: 160, 8;
    /// Page faults without I/O; `task_struct::min_flt`.
    ac_minflt: 168, 8;
    /// Page faults with I/O; `task_struct::maj_flt`.
    ac_majflt: 176, 8;

    /// Resident memory integrated over CPU time, in megabyte-microseconds;
    /// `task_struct::acct_rss_mem1`. This and all that follow up to `cancelled_write_bytes` are 0
    /// without `CONFIG_TASK_XACCT`.
    coremem: 184, 8;
    /// Virtual memory integrated over CPU time, in megabyte-microseconds;
    /// `task_struct::acct_vm_mem1`.
    virtmem: 192, 8;
    /// The most resident memory so far, in kilobytes, 0 for a task without memory of its own;
    /// `get_mm_hiwater_rss()`.
    hiwater_rss: 200, 8;
    /// The most virtual memory so far, in kilobytes, 0 for a task without memory of its own;
    /// `get_mm_hiwater_vm()`.
    hiwater_vm: 208, 8;
    /// Bytes read by system calls, in bytes, rounded down to 1024; `task_io_accounting::rchar`.
    read_char: 216, 8;
    /// Bytes written by system calls, in bytes, rounded down to 1024; `task_io_accounting::wchar`.
    write_char: 224, 8;
    /// System calls that read, rounded down to 1024 as if they were bytes;
    /// `task_io_accounting::syscr`.
    read_syscalls: 232, 8;
    /// System calls that write, rounded down to 1024 as if they were bytes;
    /// `task_io_accounting::syscw`.
    write_syscalls: 240, 8;
    /// Bytes fetched from storage, in bytes, rounded down to 1024;
    /// `task_io_accounting::read_bytes`. This and the two that follow are 0 without
    /// `CONFIG_TASK_IO_ACCOUNTING`.
    read_bytes: 248, 8;
    /// Bytes sent to storage, or to be sent, in bytes, rounded down to 1024;
    /// `task_io_accounting::write_bytes`.
    write_bytes: 256, 8;
    /// Bytes not sent after all, as the file was truncated, in bytes, rounded down to 1024;
    /// `task_io_accounting::cancelled_write_bytes`.
    cancelled_write_bytes: 264, 8;

    /// Context switches because the task waited; `task_struct::nvcsw`.
    nvcsw: 272, 8;
    /// Context switches because another task took the CPU; `task_struct::nivcsw`.
    nivcsw: 280, 8;
    /// User CPU time scaled by the CPU's speed, in microseconds; unscaled where the architecture does
    /// not count it; `task_cputime_scaled()`.
    ac_utimescaled: 288, 8;
    /// System CPU time scaled by the CPU's speed, in microseconds.
    ac_stimescaled: 296, 8;
    /// CPU time scaled by the CPU's speed, in nanoseconds.
    cpu_scaled_run_real_total: 304, 8;

    /// How often the task waited for memory to be reclaimed.
    freepages_count: 312, 8;
    /// For how long, in nanoseconds.
    freepages_delay_total: 320, 8;
    /// How often it waited for a page that had been evicted not long ago.
    thrashing_count: 328, 8;
    /// For how long, in nanoseconds.
    thrashing_delay_total: 336, 8;
    /// As `ac_btime`, signed, and not limited.
    ac_btime64: 344, 8;
    /// How often it waited for memory to be compacted.
    compact_count: 352, 8;
    /// For how long, in nanoseconds.
    compact_delay_total: 360, 8;
    /// The id of the task's process in the reader's pid namespace.
    ac_tgid: 368, 4;
    /// The time since the leader of the task's process began, in microseconds.
    ac_tgetime: 376, 8;
    /// The device of the executable as `stat()` encodes it, 0 for a task without memory of its own;
    /// `mm_struct::exe_file`.
    ac_exe_dev: 384, 8;
    /// The inode of the executable, 0 for a task without memory of its own.
    ac_exe_inode: 392, 8;
    /// How often it waited for a page to be copied because it was written to.
    wpcopy_count: 400, 8;
    /// For how long, in nanoseconds.
    wpcopy_delay_total: 408, 8;
    /// How often interrupts took the CPU from it.
    irq_count: 416, 8;
    /// For how long, in nanoseconds.
    irq_delay_total: 424, 8;

    /// The longest of the delays that `cpu_delay_total` sums up, in nanoseconds.
    cpu_delay_max: 432, 8;
    /// The shortest, in nanoseconds, 0 if there was none.
    cpu_delay_min: 440, 8;
    /// As `cpu_delay_max`, of `blkio_delay_total`.
    blkio_delay_max: 448, 8;
    /// As `cpu_delay_min`, of `blkio_delay_total`.
    blkio_delay_min: 456, 8;
    /// As `cpu_delay_max`, of `swapin_delay_total`.
    swapin_delay_max: 464, 8;
    /// As `cpu_delay_min`, of `swapin_delay_total`.
    swapin_delay_min: 472, 8;
    /// As `cpu_delay_max`, of `freepages_delay_total`.
    freepages_delay_max: 480, 8;
    /// As `cpu_delay_min`, of `freepages_delay_total`.
    freepages_delay_min: 488, 8;
    /// As `cpu_delay_max`, of `thrashing_delay_total`.
    thrashing_delay_max: 496, 8;
    /// As `cpu_delay_min`, of `thrashing_delay_total`.
    thrashing_delay_min: 504, 8;
    /// As `cpu_delay_max`, of `compact_delay_total`.
    compact_delay_max: 512, 8;
    /// As `cpu_delay_min`, of `compact_delay_total`.
    compact_delay_min: 520, 8;
    /// As `cpu_delay_max`, of `wpcopy_delay_total`.
    wpcopy_delay_max: 528, 8;
    /// As `cpu_delay_min`, of `wpcopy_delay_total`.
    wpcopy_delay_min: 536, 8;
    /// As `cpu_delay_max`, of `irq_delay_total`.
    irq_delay_max: 544, 8;
    /// As `cpu_delay_min`, of `irq_delay_total`.
    irq_delay_min: 552, 8;
    /// When the longest CPU delay ended: time of day, in seconds and nanoseconds.
    cpu_delay_max_ts: 560, 16;
    /// As `cpu_delay_max_ts`, of `blkio_delay_max`.
    blkio_delay_max_ts: 576, 16;
    /// As `cpu_delay_max_ts`, of `swapin_delay_max`.
    swapin_delay_max_ts: 592, 16;
    /// As `cpu_delay_max_ts`, of `freepages_delay_max`.
    freepages_delay_max_ts: 608, 16;
    /// As `cpu_delay_max_ts`, of `thrashing_delay_max`.
    thrashing_delay_max_ts: 624, 16;
    /// As `cpu_delay_max_ts`, of `compact_delay_max`.
    compact_delay_max_ts: 640, 16;
    /// As `cpu_delay_max_ts`, of `wpcopy_delay_max`.
    wpcopy_delay_max_ts: 656, 16;
    /// As `cpu_delay_max_ts`, of `irq_delay_max`.
    irq_delay_max_ts: 672, 16;
}

// No field is missing in the table: each begins where the one before ends, but for padding.
const _: () = {
    let (mut end, mut i) = (0, 0);
    while i < FIELDS.len() {
        assert!(FIELDS[i].offset >= end && FIELDS[i].offset - end < align_of::<taskstats>());
        end = FIELDS[i].offset + FIELDS[i].size;
        i += 1;
    }
    assert!(
        end == size_of::<taskstats>(),
        "struct taskstats: version 17 ends here"
    );
};
