// SPDX-License-Identifier: GPL-2.0

//! A record: one `struct taskstats`.
//!
//! [`crate::layout`] says what its fields mean. Here is the order in which they are filled, that of
//! `kernel/taskstats.c`.

#[cfg(test_build)]
use crate::oracle;
use crate::{
    basic, delay, extended,
    mm::Memory,
    namespace::Namespaces,
    process,
    task::TaskView,
    uapi::{
        taskstats,
        AGROUP,
        TASKSTATS_VERSION, //
    },
};
use kernel::{
    prelude::*,
    static_assert, //
};

use zerocopy_derive::KnownLayout;

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
    /// Returns a record of zeroes.
    #[cfg(test_build)]
    pub(crate) fn zeroed() -> Self {
        Self([0; size_of::<taskstats>()])
    }

    /// Returns the bytes.
    #[cfg(test_build)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
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
    pub(crate) fn fill(&mut self, task: TaskView<'_>, namespaces: Namespaces<'_>) {
        #[cfg(test_build)]
        let check = oracle::Check::of_task(task, namespaces);

        let memory = Memory::of(task);
        let stats = self.stats();

        delay::add(stats, task);
        stats.version = TASKSTATS_VERSION as u16;
        (stats.nvcsw, stats.nivcsw) = task.context_switches();
        basic::fill(stats, task, namespaces);
        extended::fill(stats, task, memory.as_ref());
        if let Some(executable) = memory.and_then(|memory| memory.executable) {
            stats.ac_exe_dev = executable.device;
            stats.ac_exe_inode = executable.inode;
        }

        #[cfg(test_build)]
        check.compare(self);
    }

    /// Adds what is summed up over the threads of a process; see [`process::add_thread()`].
    pub(crate) fn add_thread(&mut self, task: TaskView<'_>, now_ns: u64) {
        #[cfg(test_build)]
        let check = oracle::Check::of_sum(self, task, now_ns);

        process::add_thread(self.stats(), task, now_ns);

        #[cfg(test_build)]
        check.compare(self);
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
