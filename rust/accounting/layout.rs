// SPDX-License-Identifier: GPL-2.0

//! The layout of `struct taskstats`: what each field means, in what unit, and where it comes from.
//!
//! The offsets and sizes are those of version 17 and never change: user space was compiled with
//! them, and new versions only append. A kernel that has a field elsewhere does not get this
//! module.
//!
//! "Task" means one thread. In the record of a process (`TASKSTATS_TYPE_AGGR_TGID`) only the
//! delays, `ac_etime`, `ac_utime`, `ac_stime`, `nvcsw` and `nivcsw` are filled in. Counts, totals
//! and times are sums over the threads that live and have lived, see [`super::sum`]. The longest
//! and the shortest delays and their timestamps are not: they are those of one thread, the one that
//! was added last.
//!
//! C header: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h)

use crate::abstractions::delays;
use kernel::{
    prelude::*,
    static_assert, //
};
use taskstats_bindings as bindings;

use zerocopy_derive::KnownLayout;

use core::mem::offset_of;

/// The version of the struct that this is the layout of.
pub(crate) const VERSION: u16 = 17;

// Another version of the struct wants another look at the code, and at this file.
static_assert!(bindings::TASKSTATS_VERSION == VERSION as u32);

/// A field of `struct taskstats`.
#[cfg(test_build)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// In bytes, from the struct's beginning.
    pub(crate) offset: usize,
    /// In bytes.
    pub(crate) size: usize,
}

/// A point in time as user space has it, `struct __kernel_timespec`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct Timespec {
    seconds: u64,
    nanoseconds: u64,
}

impl From<Timespec> for delays::Timespec {
    #[inline]
    fn from(time: Timespec) -> Self {
        // CAST: As below.
        Self {
            seconds: time.seconds as i64,
            nanoseconds: time.nanoseconds as c_long,
        }
    }
}

impl From<delays::Timespec> for Timespec {
    #[inline]
    fn from(time: delays::Timespec) -> Self {
        // CAST: The bits are what counts; both are at most 64 bits wide.
        Self {
            seconds: time.seconds as u64,
            nanoseconds: time.nanoseconds as u64,
        }
    }
}

// rustc 1.85 does not count uses in constants that nothing names.
#[allow(dead_code)]
const fn size_of_field<T>(_field: fn(&bindings::taskstats) -> &T) -> usize {
    size_of::<T>()
}

/// Defines the struct, its padding included, and checks each field against the kernel's own.
macro_rules! layout {
    (@check pad $field:ident: $type:ty = $offset:literal) => {
        assert!(offset_of!(Stats, $field) == $offset);
    };
    (@check $field:ident: $type:ty = $offset:literal) => {
        assert!(
            offset_of!(bindings::taskstats, $field) == $offset,
            concat!("struct taskstats: ", stringify!($field), " is not at ", $offset),
        );
        assert!(
            size_of_field(|stats| &stats.$field) == size_of::<$type>(),
            concat!("struct taskstats: ", stringify!($field), " is not of this size"),
        );
        assert!(offset_of!(Stats, $field) == $offset);
    };
    (@field pad $field:ident: $type:ty = $offset:literal) => { None };
    (@field $field:ident: $type:ty = $offset:literal) => {
        Some(Field {
            name: stringify!($field),
            offset: $offset,
            size: size_of::<$type>(),
        })
    };
    ($($(#[$doc:meta])* $($name:ident)+: $type:ty = $offset:literal;)*) => {
        layout! { @struct [] $({ $(#[$doc])* [$($name)+] $type })* }

        $(
            const _: () = { layout!(@check $($name)+: $type = $offset); };
        )*

        /// The fields in the order in which they are in memory.
        #[cfg(test_build)]
        pub(crate) fn fields() -> impl Iterator<Item = Field> {
            [$(layout!(@field $($name)+: $type = $offset)),*].into_iter().flatten()
        }
    };
    (@struct [$($done:tt)*] { $(#[$doc:meta])* [pad $field:ident] $type:ty } $($rest:tt)*) => {
        layout! { @struct [$($done)* $field: $type,] $($rest)* }
    };
    (@struct [$($done:tt)*] { $(#[$doc:meta])* [$field:ident] $type:ty } $($rest:tt)*) => {
        layout! { @struct [$($done)* $(#[$doc])* pub(crate) $field: $type,] $($rest)* }
    };
    (@struct [$($done:tt)*]) => {
        /// A `struct taskstats` whose padding consists of fields as well: a copy takes all bytes
        /// along, and all that leave the kernel have been written.
        #[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout)]
        #[repr(C, align(8))]
        pub(crate) struct Stats {
            $($done)*
        }
    };
}

layout! {
    /// The version of the struct, `TASKSTATS_VERSION`.
    version: u16 = 0;
    pad _pad_2: [u8; 2] = 2;
    /// What `wait()` gives the parent, 0 before the task exits; `task_struct::exit_code`.
    ac_exitcode: u32 = 4;
    /// Flags of `<linux/acct.h>`, from the task's own (`task_struct::flags`): AFORK, a process that
    /// has not executed a program; ASU, has used a privilege; ACORE, dumped core; AXSIG, killed by
    /// a signal. At exit AGROUP as well: the last task of its process.
    ac_flag: u8 = 8;
    /// The nice value, -20 to 19; `task_nice()`.
    ac_nice: u8 = 9;
    pad _pad_10: [u8; 6] = 10;

    /// How often the task waited for a CPU while runnable; `sched_info::pcount`. The delays of the
    /// CPU are counted by the scheduler, whether or not `kernel.task_delayacct` is on.
    cpu_count: u64 = 16;
    /// For how long, in nanoseconds; `sched_info::run_delay`.
    cpu_delay_total: u64 = 24;
    /// How often it waited for block I/O that it had asked for. This and all other delays but the
    /// CPU's are counted by `kernel/delayacct.c`, and are 0 for a task that was started while
    /// `kernel.task_delayacct` was off.
    blkio_count: u64 = 32;
    /// For how long, in nanoseconds.
    blkio_delay_total: u64 = 40;
    /// How often it waited for a page to be swapped in.
    swapin_count: u64 = 48;
    /// For how long, in nanoseconds.
    swapin_delay_total: u64 = 56;
    /// User and system CPU time, in nanoseconds; `task_cputime()`.
    cpu_run_real_total: u64 = 64;
    /// CPU time as the scheduler measures it, in nanoseconds; `sched_entity::sum_exec_runtime`.
    cpu_run_virtual_total: u64 = 72;

    /// The name, ended and padded with NULs; `task_struct::comm`.
    ac_comm: [u8; 32] = 80;
    /// The scheduling policy, `SCHED_*`; `task_struct::policy`.
    ac_sched: u8 = 112;
    /// Reserved, zero.
    ac_pad: [u8; 3] = 113;
    pad _pad_116: [u8; 4] = 116;
    /// The real user id in the reader's user namespace; `cred::uid`.
    ac_uid: u32 = 120;
    /// The real group id in the reader's user namespace; `cred::gid`.
    ac_gid: u32 = 124;
    /// The task's id in the reader's pid namespace.
    ac_pid: u32 = 128;
    /// The id of the parent's process in the reader's pid namespace, 0 without one.
    ac_ppid: u32 = 132;
    /// When the task began, in seconds since 1970, at most what 32 bits hold: the time of day less
    /// `ac_etime`.
    ac_btime: u32 = 136;
    pad _pad_140: [u8; 4] = 140;
    /// The time since the task began, in microseconds; `task_struct::start_time`.
    ac_etime: u64 = 144;
    /// User CPU time, in microseconds; `task_cputime()`.
    ac_utime: u64 = 152;
    /// System CPU time, in microseconds; `task_cputime()`.
    ac_stime: u64 = 160;
    /// Page faults without I/O; `task_struct::min_flt`.
    ac_minflt: u64 = 168;
    /// Page faults with I/O; `task_struct::maj_flt`.
    ac_majflt: u64 = 176;

    /// Resident memory integrated over CPU time, in megabyte-microseconds;
    /// `task_struct::acct_rss_mem1`. This and all that follow up to `cancelled_write_bytes` are 0
    /// without `CONFIG_TASK_XACCT`.
    coremem: u64 = 184;
    /// Virtual memory integrated over CPU time, in megabyte-microseconds;
    /// `task_struct::acct_vm_mem1`.
    virtmem: u64 = 192;
    /// The most resident memory so far, in kilobytes, 0 for a task without memory of its own;
    /// `get_mm_hiwater_rss()`.
    hiwater_rss: u64 = 200;
    /// The most virtual memory so far, in kilobytes, 0 for a task without memory of its own;
    /// `get_mm_hiwater_vm()`.
    hiwater_vm: u64 = 208;
    /// Bytes read by system calls, in bytes, rounded down to 1024; `task_io_accounting::rchar`.
    read_char: u64 = 216;
    /// Bytes written by system calls, in bytes, rounded down to 1024; `task_io_accounting::wchar`.
    write_char: u64 = 224;
    /// System calls that read, rounded down to 1024 as if they were bytes;
    /// `task_io_accounting::syscr`.
    read_syscalls: u64 = 232;
    /// System calls that write, rounded down to 1024 as if they were bytes;
    /// `task_io_accounting::syscw`.
    write_syscalls: u64 = 240;
    /// Bytes fetched from storage, in bytes, rounded down to 1024;
    /// `task_io_accounting::read_bytes`. This and the two that follow are 0 without
    /// `CONFIG_TASK_IO_ACCOUNTING`.
    read_bytes: u64 = 248;
    /// Bytes sent to storage, or to be sent, in bytes, rounded down to 1024;
    /// `task_io_accounting::write_bytes`.
    write_bytes: u64 = 256;
    /// Bytes not sent after all, as the file was truncated, in bytes, rounded down to 1024;
    /// `task_io_accounting::cancelled_write_bytes`.
    cancelled_write_bytes: u64 = 264;

    /// Context switches because the task waited; `task_struct::nvcsw`.
    nvcsw: u64 = 272;
    /// Context switches because another task took the CPU; `task_struct::nivcsw`.
    nivcsw: u64 = 280;
    /// User CPU time scaled by the CPU's speed, in microseconds; unscaled where the architecture
    /// does not count it; `task_cputime_scaled()`.
    ac_utimescaled: u64 = 288;
    /// System CPU time scaled by the CPU's speed, in microseconds.
    ac_stimescaled: u64 = 296;
    /// CPU time scaled by the CPU's speed, in nanoseconds.
    cpu_scaled_run_real_total: u64 = 304;

    /// How often the task waited for memory to be reclaimed.
    freepages_count: u64 = 312;
    /// For how long, in nanoseconds.
    freepages_delay_total: u64 = 320;
    /// How often it waited for a page that had been evicted not long ago.
    thrashing_count: u64 = 328;
    /// For how long, in nanoseconds.
    thrashing_delay_total: u64 = 336;
    /// As `ac_btime`, signed, and not limited.
    ac_btime64: u64 = 344;
    /// How often it waited for memory to be compacted.
    compact_count: u64 = 352;
    /// For how long, in nanoseconds.
    compact_delay_total: u64 = 360;
    /// The id of the task's process in the reader's pid namespace.
    ac_tgid: u32 = 368;
    pad _pad_372: [u8; 4] = 372;
    /// The time since the leader of the task's process began, in microseconds.
    ac_tgetime: u64 = 376;
    /// The device of the executable as `stat()` encodes it, 0 for a task without memory of its own;
    /// `mm_struct::exe_file`.
    ac_exe_dev: u64 = 384;
    /// The inode of the executable, 0 for a task without memory of its own.
    ac_exe_inode: u64 = 392;
    /// How often it waited for a page to be copied because it was written to.
    wpcopy_count: u64 = 400;
    /// For how long, in nanoseconds.
    wpcopy_delay_total: u64 = 408;
    /// How often interrupts took the CPU from it.
    irq_count: u64 = 416;
    /// For how long, in nanoseconds.
    irq_delay_total: u64 = 424;

    /// The longest of the delays that `cpu_delay_total` sums up, in nanoseconds.
    cpu_delay_max: u64 = 432;
    /// The shortest, in nanoseconds, 0 if there was none.
    cpu_delay_min: u64 = 440;
    /// As `cpu_delay_max`, of `blkio_delay_total`.
    blkio_delay_max: u64 = 448;
    /// As `cpu_delay_min`, of `blkio_delay_total`.
    blkio_delay_min: u64 = 456;
    /// As `cpu_delay_max`, of `swapin_delay_total`.
    swapin_delay_max: u64 = 464;
    /// As `cpu_delay_min`, of `swapin_delay_total`.
    swapin_delay_min: u64 = 472;
    /// As `cpu_delay_max`, of `freepages_delay_total`.
    freepages_delay_max: u64 = 480;
    /// As `cpu_delay_min`, of `freepages_delay_total`.
    freepages_delay_min: u64 = 488;
    /// As `cpu_delay_max`, of `thrashing_delay_total`.
    thrashing_delay_max: u64 = 496;
    /// As `cpu_delay_min`, of `thrashing_delay_total`.
    thrashing_delay_min: u64 = 504;
    /// As `cpu_delay_max`, of `compact_delay_total`.
    compact_delay_max: u64 = 512;
    /// As `cpu_delay_min`, of `compact_delay_total`.
    compact_delay_min: u64 = 520;
    /// As `cpu_delay_max`, of `wpcopy_delay_total`.
    wpcopy_delay_max: u64 = 528;
    /// As `cpu_delay_min`, of `wpcopy_delay_total`.
    wpcopy_delay_min: u64 = 536;
    /// As `cpu_delay_max`, of `irq_delay_total`.
    irq_delay_max: u64 = 544;
    /// As `cpu_delay_min`, of `irq_delay_total`.
    irq_delay_min: u64 = 552;
    /// When the longest CPU delay ended: time of day, in seconds and nanoseconds.
    cpu_delay_max_ts: Timespec = 560;
    /// As `cpu_delay_max_ts`, of `blkio_delay_max`.
    blkio_delay_max_ts: Timespec = 576;
    /// As `cpu_delay_max_ts`, of `swapin_delay_max`.
    swapin_delay_max_ts: Timespec = 592;
    /// As `cpu_delay_max_ts`, of `freepages_delay_max`.
    freepages_delay_max_ts: Timespec = 608;
    /// As `cpu_delay_max_ts`, of `thrashing_delay_max`.
    thrashing_delay_max_ts: Timespec = 624;
    /// As `cpu_delay_max_ts`, of `compact_delay_max`.
    compact_delay_max_ts: Timespec = 640;
    /// As `cpu_delay_max_ts`, of `wpcopy_delay_max`.
    wpcopy_delay_max_ts: Timespec = 656;
    /// As `cpu_delay_max_ts`, of `irq_delay_max`.
    irq_delay_max_ts: Timespec = 672;
}

static_assert!(size_of::<Stats>() == size_of::<bindings::taskstats>());
static_assert!(align_of::<Stats>() == align_of::<bindings::taskstats>());
