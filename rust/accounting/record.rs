// SPDX-License-Identifier: GPL-2.0

//! A record: one `struct taskstats`, and the order in which it is filled in, that of
//! `kernel/taskstats.c`.
//!
//! [`super::layout`] says what the fields mean.

use super::{
    basic,
    delay,
    extended,
    layout::{
        Stats,
        VERSION, //
    },
    sum, //
};
use crate::abstractions::{
    delays::Delay,
    mm::Memory,
    namespace::Namespaces,
    task::TaskView, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};
use taskstats_bindings::AGROUP;

#[cfg(test_build)]
use kernel::sync::SetOnce;
use zerocopy_derive::KnownLayout;

/// One `struct taskstats`.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub(crate) struct Record(Stats);

impl Record {
    /// Fills in all that is counted of `task`, as seen from `namespaces`. The record must be
    /// zeroed. Mirrors `fill_stats()`.
    pub(crate) fn fill(&mut self, task: TaskView<'_>, namespaces: Namespaces<'_>) {
        #[cfg(test_build)]
        let before = ORACLE.as_ref().map(|oracle| oracle.fill(task, namespaces));

        // Once: each time costs as much as reading a dozen fields.
        let rcu = rcu::read_lock();
        let memory = Memory::of(task, &rcu);
        let stats = &mut self.0;

        let time = task.cpu_time();
        delay::fill(stats, task, time);
        stats.version = VERSION;
        (stats.nvcsw, stats.nivcsw) = task.context_switches();
        basic::fill(stats, task, time, namespaces, &rcu);
        extended::fill(stats, task, memory.as_ref());
        if let Some(executable) = memory.and_then(|memory| memory.executable) {
            stats.ac_exe_dev = executable.device;
            stats.ac_exe_inode = executable.inode;
        }
        drop(rcu);

        #[cfg(test_build)]
        if let (Some(oracle), Some(before)) = (ORACLE.as_ref(), before) {
            oracle.compare(&before, self, &oracle.fill(task, namespaces));
        }
    }

    /// Adds what is summed up over the threads of a process; see [`sum::add_thread()`].
    #[inline(always)]
    pub(crate) fn add_thread(&mut self, task: TaskView<'_>, now_ns: u64) -> bool {
        #[cfg(test_build)]
        let (sum, oracle) = (self.clone(), ORACLE.as_ref());
        #[cfg(test_build)]
        let before = oracle.map(|oracle| oracle.add(&sum, task, now_ns).with_extremes_of(&sum));

        let has_delays = sum::add_thread(&mut self.0, task, now_ns);

        #[cfg(test_build)]
        if let (Some(oracle), Some(before)) = (oracle, before) {
            let after = oracle.add(&sum, task, now_ns).with_extremes_of(&sum);
            oracle.compare(&before, self, &after);
        }
        has_delays
    }

    /// Overwrites the longest and the shortest delays by those of `task`, as the last one that was
    /// added; see [`delay::set_extremes()`].
    pub(crate) fn set_extremes(&mut self, task: TaskView<'_>) {
        #[cfg(test_build)]
        let (sum, oracle) = (self.clone(), ORACLE.as_ref());
        #[cfg(test_build)]
        let in_c = |oracle: &&'static (dyn Oracle + Send)| {
            sum.clone().with_extremes_of(&oracle.add(&sum, task, 0))
        };
        #[cfg(test_build)]
        let before = oracle.map(in_c);

        delay::set_extremes(&mut self.0, task);

        #[cfg(test_build)]
        if let (Some(oracle), Some(before)) = (oracle, before) {
            oracle.compare(&before, self, &in_c(oracle));
        }
    }

    /// Returns the record with the longest and the shortest delays of `other`.
    #[cfg(test_build)]
    fn with_extremes_of(mut self, other: &Self) -> Self {
        const EXTREMES: usize = core::mem::offset_of!(Stats, cpu_delay_max);
        let mut other = other.clone();
        self.as_mut_bytes()[EXTREMES..].copy_from_slice(&other.as_mut_bytes()[EXTREMES..]);
        self
    }

    /// Returns the delays of a record that is a sum; see [`delay::of_stats()`].
    pub(crate) fn delays(&self) -> [Delay; 8] {
        delay::of_stats(&self.0)
    }

    /// Marks the record with the version of the struct, as the last step for one that is a sum.
    #[inline]
    pub(crate) fn set_version(&mut self) {
        self.0.version = VERSION;
    }

    /// Marks the record as the one of the task that leaves its process dead.
    #[inline]
    pub(crate) fn set_last_of_group(&mut self) {
        self.0.ac_flag |= AGROUP as u8;
    }
}

/// Another implementation that fills in records of the same tasks.
#[cfg(test_build)]
pub(crate) trait Oracle: Sync {
    /// Returns the record of a task.
    fn fill(&self, task: TaskView<'_>, namespaces: Namespaces<'_>) -> Record;

    /// Returns `sum` with a thread added.
    fn add(&self, sum: &Record, task: TaskView<'_>, now_ns: u64) -> Record;

    /// Compares a record with what the oracle had before and after.
    fn compare(&self, before: &Record, record: &Record, after: &Record);
}

/// What records are compared with.
#[cfg(test_build)]
pub(crate) static ORACLE: SetOnce<&'static (dyn Oracle + Send)> = SetOnce::new();
