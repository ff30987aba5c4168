// SPDX-License-Identifier: GPL-2.0

//! What was done, counted in memory that all processes of a soak share.

use std::{
    fmt,
    fs::File,
    num::NonZero,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use anyhow::Context;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident: $words:literal, $must:literal;)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Count {
            $($(#[$doc])* $name,)*
        }

        /// Each with what it is called, and whether a soak is to come to it at all.
        const COUNTS: &[(Count, &str, bool)] = &[$((Count::$name, $words, $must),)*];
    };
}

counts! {
    /// Of the implementation.
    Changes: "changes from one implementation to the other", true;
    /// Unloads that were refused, as somebody was listing the policies, or in a dump.
    InUse: "unloads refused while the module was in use", false;
    /// Started.
    Workers: "workers", true;
    /// Records of a task or a process that stands still, equal to the first.
    Queries: "records, equal to the first", true;
    /// Records of the worker itself.
    Own: "records of the worker itself", true;
    /// Requests for a task that does not exist.
    Refusals: "requests for an absent task, refused", true;
    /// Control groups.
    Groups: "records of a control group", true;
    /// The family, asked for by name.
    Resolved: "times that the family was asked for", true;
    /// The family's policies, listed.
    Policies: "times that the policies were listed", true;
    /// Where the kernel says that there is no such family.
    Going: "listings refused while the module was going", false;
    /// Of listeners.
    Registrations: "registrations", true;
    /// Of listeners.
    Deregistrations: "deregistrations", true;
    /// Listeners that were closed, or whose process ended, while registered.
    Left: "listeners that left without deregistering", true;
    /// Messages about exits.
    Heard: "messages about exits", true;
    /// Exits that had to be heard of, and were.
    Proven: "exits that had to be heard of, and were", true;
    /// Exits that need not be heard of, for the implementation changed meanwhile.
    Unproven: "exits during a change, heard of or not", false;
    /// By taskacct, of tasks and processes.
    Dumps: "answers of taskacct about tasks", true;
    /// By taskacct, of control groups.
    Sums: "dumps of control groups", true;
    /// Dumps of taskacct whose socket was closed before their end.
    Abandoned: "dumps that were given up", true;
    /// Messages about exits that a filter let through.
    Filtered: "exits that a filter let through", true;
    /// What taskacct says of a socket's messages.
    Told: "times that a socket was told what it got", true;
    /// Exits that a filter had to let through, and did.
    Through: "exits that had to come through a filter, and did", true;
    /// While C answers, and while the module begins or goes.
    Absent: "times that taskacct was absent", false;
    /// Workers that called exit.
    Exits: "workers that exited", true;
    /// Workers that were killed.
    Killed: "workers that were killed", true;
    /// Workers that did not end as they were meant to, or saw something wrong.
    Failures: "failures", false;
}

/// The memory. All zeroes at first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shared {
    stop: AtomicBool,
    /// Odd while the implementation is being changed.
    generation: AtomicU64,
    counts: [AtomicU64; COUNTS.len()],
}

impl Shared {
    /// Makes this file hold it.
    pub(super) fn create(file: &File) -> anyhow::Result<&'static Self> {
        file.set_len(size_of::<Self>() as u64)?;
        Self::open(file)
    }

    /// Maps the file that holds it.
    pub(super) fn open(file: &File) -> anyhow::Result<&'static Self> {
        let length = NonZero::new(size_of::<Self>()).context("no size")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping, which nobody else in this process has a use for.
        let memory = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, 0) }?;
        // SAFETY: The mapping is of that size and never undone, the file is as long; it is made of
        // atomics, of which zeroes and all that was stored through them are valid values.
        Ok(unsafe { memory.cast::<Self>().as_ref() })
    }

    /// Lets all workers end.
    pub(super) fn stop(&self) {
        self.stop.store(true, SeqCst);
    }

    /// Whether all are to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Adds to a count.
    pub(super) fn add(&self, count: Count, number: usize) {
        self.counts[count as usize].fetch_add(number as u64, SeqCst);
    }

    /// A count.
    pub(super) fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].load(SeqCst)
    }

    /// What a soak is to come to, and this one has not.
    pub(super) fn never(&self) -> Vec<&'static str> {
        let never = |(count, _, must): &&(Count, _, bool)| *must && self.get(*count) == 0;
        COUNTS.iter().filter(never).map(|(_, it, _)| *it).collect()
    }

    /// Changes the implementation.
    pub(super) fn during_change<T>(&self, change: impl FnOnce() -> T) -> T {
        self.generation.fetch_add(1, SeqCst);
        let result = change();
        self.generation.fetch_add(1, SeqCst);
        result
    }

    /// Runs this, and tells whether the implementation stayed the same meanwhile.
    pub(super) fn undisturbed<T>(&self, run: impl FnOnce() -> T) -> (T, bool) {
        let before = self.generation.load(SeqCst);
        let result = run();
        let after = self.generation.load(SeqCst);
        (result, before == after && before % 2 == 0)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, words, _) in COUNTS {
            writeln!(f, "{:>9}  {words}", self.get(*count))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shared_and_have_their_places() {
        let file = tempfile::tempfile().unwrap();
        let (one, other) = (Shared::create(&file).unwrap(), Shared::open(&file).unwrap());
        for (index, (count, _, _)) in COUNTS.iter().enumerate() {
            assert_eq!(*count as usize, index);
            one.add(*count, index);
            assert_eq!(other.get(*count), index as u64);
        }
        assert_eq!(
            other.never(),
            ["changes from one implementation to the other"]
        );
        other.stop();
        assert!(one.is_stopped());
    }

    #[test]
    fn a_change_is_seen() {
        let file = tempfile::tempfile().unwrap();
        let shared = Shared::create(&file).unwrap();
        assert!(shared.undisturbed(|| ()).1);
        assert!(!shared.undisturbed(|| shared.during_change(|| ())).1);
        assert!(!shared.during_change(|| shared.undisturbed(|| ()).1));
        assert!(shared.undisturbed(|| ()).1);
    }
}
