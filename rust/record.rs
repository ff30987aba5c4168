// SPDX-License-Identifier: GPL-2.0

//! A record: one `struct taskstats`.
//!
//! Each part of it is filled by the subsystem that counts: delays by `kernel/delayacct.c`, basic and
//! extended accounting by `kernel/tsacct.c`. Here are the order in which C does it, and what
//! `kernel/taskstats.c` adds.

use crate::{
    namespace::Namespaces,
    task::TaskExt,
    uapi::{
        taskstats,
        AGROUP,
        TASKSTATS_VERSION, //
    },
};
use kernel::{
    bindings,
    prelude::*,
    static_assert,
    task::Task, //
};

use zerocopy_derive::KnownLayout;

const NSEC_PER_USEC: u64 = 1000;

/// The bytes of one `struct taskstats`.
///
/// It is kept as bytes, all of them written, so that a copy takes the padding along: what leaves the
/// kernel is what was put there, zero where nothing was.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout)]
#[repr(C, align(8))]
pub(crate) struct Record([u8; size_of::<taskstats>()]);

static_assert!(size_of::<Record>() == size_of::<taskstats>());
static_assert!(align_of::<Record>() == align_of::<taskstats>());

impl Record {
    /// Takes `bytes`, zeroes, for a record. None if they are not of its size, or not aligned.
    #[inline]
    pub(crate) fn from_zeroes(bytes: &mut [u8]) -> Option<&mut Self> {
        Self::mut_from_bytes(bytes).ok()
    }

    #[inline]
    fn stats(&mut self) -> &mut taskstats {
        // SAFETY: Size and alignment are those of the struct, all bytes are written, and any bytes
        // make a valid struct, which consists of numbers. What the reference is used for are
        // writes to fields, which leave the padding as it is.
        unsafe { &mut *self.0.as_mut_ptr().cast::<taskstats>() }
    }

    /// Fills in all that is counted of `task`, as seen from `namespaces`. The record must be
    /// zeroed. Mirrors `fill_stats()`.
    pub(crate) fn fill(&mut self, task: &Task, namespaces: Namespaces<'_>) {
        self.add_delays(task);

        let stats = self.stats();
        stats.version = TASKSTATS_VERSION as u16;
        (stats.nvcsw, stats.nivcsw) = task.context_switches();

        // SAFETY: Namespaces, record and task are valid.
        unsafe {
            bindings::bacct_add_tsk(
                namespaces.user.as_ptr(),
                namespaces.pid.as_ptr(),
                stats,
                task.as_ptr(),
            )
        };
        // SAFETY: Record and task are valid.
        unsafe { bindings::xacct_add_tsk(stats, task.as_ptr()) };

        let executable = task.executable().unwrap_or_default();
        stats.ac_exe_dev = executable.device;
        stats.ac_exe_inode = executable.inode;
    }

    /// Adds what is summed up over the threads of a process: delays, elapsed time (`now` and the
    /// task's start are in nanoseconds of the monotonic clock), CPU time and context switches.
    /// Mirrors `tgid_stats_add_task()`.
    pub(crate) fn add_thread(&mut self, task: &Task, now: u64) {
        self.add_delays(task);

        let time = task.cpu_time();
        let (voluntary, involuntary) = task.context_switches();
        let elapsed = now.wrapping_sub(task.start_time());
        let stats = self.stats();

        // Each thread is rounded on its own, as in C.
        stats.ac_etime = stats.ac_etime.wrapping_add(elapsed / NSEC_PER_USEC);
        stats.ac_utime = stats.ac_utime.wrapping_add(time.user / NSEC_PER_USEC);
        stats.ac_stime = stats.ac_stime.wrapping_add(time.system / NSEC_PER_USEC);
        stats.nvcsw = stats.nvcsw.wrapping_add(voluntary);
        stats.nivcsw = stats.nivcsw.wrapping_add(involuntary);
    }

    fn add_delays(&mut self, task: &Task) {
        // SAFETY: Record and task are valid. What is returned is always 0.
        unsafe { bindings::delayacct_add_tsk(self.stats(), task.as_ptr()) };
    }

    /// Marks the record with the version of the struct, as the last step for one that is a sum.
    #[inline]
    pub(crate) fn set_version(&mut self) {
        self.stats().version = TASKSTATS_VERSION as u16;
    }

    /// Marks the record as the one of the task that leaves its process dead.
    #[inline]
    pub(crate) fn set_last_of_group(&mut self) {
        self.stats().ac_flag |= AGROUP as u8;
    }
}

/// Returns the time that elapsed times are counted to, in nanoseconds. Mirrors `ktime_get_ns()`.
#[inline]
pub(crate) fn now() -> u64 {
    // SAFETY: There are no requirements. CAST: The monotonic clock is not negative.
    unsafe { bindings::ktime_get() as u64 }
}
