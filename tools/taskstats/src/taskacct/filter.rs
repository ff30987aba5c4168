// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! What is asked for: groups of fields, and whose.

use std::ops::{BitOr, BitOrAssign};

use super::uapi;
use crate::request::Attributes;

/// Groups of fields. Those that are not asked for are neither sent nor computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fields(pub u32);

impl Fields {
    /// Ids and name.
    pub const IDENTITY: Self = Self(uapi::FIELD_IDENTITY);
    /// Flags, scheduling, when it began, control group, exit code.
    pub const STATUS: Self = Self(uapi::FIELD_STATUS);
    /// CPU time.
    pub const CPU: Self = Self(uapi::FIELD_CPU);
    /// Delays.
    pub const DELAYS: Self = Self(uapi::FIELD_DELAYS);
    /// The longest and the shortest of the delays; implies delays.
    pub const DELAY_EXTREMES: Self = Self(uapi::FIELD_DELAY_EXTREMES);
    /// Memory over time, and the most at a time.
    pub const MEMORY: Self = Self(uapi::FIELD_MEMORY);
    /// What was read and written.
    pub const IO: Self = Self(uapi::FIELD_IO);
    /// Page faults.
    pub const FAULTS: Self = Self(uapi::FIELD_FAULTS);
    /// Context switches.
    pub const SWITCHES: Self = Self(uapi::FIELD_SWITCHES);
    /// The file that is executed.
    pub const EXECUTABLE: Self = Self(uapi::FIELD_EXECUTABLE);
    /// All of them.
    pub const ALL: Self = Self(1023);

    /// Whether these have all of those.
    pub fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Fields {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Fields {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Which tasks or processes a dump has: those for which all of it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Threads of this process alone.
    pub tgid: Option<u32>,
    /// Tasks in this control group of version 2, by its id, and in its descendants.
    pub cgroup_id: Option<u64>,
    /// Not in its descendants.
    pub cgroup_alone: bool,
    /// Tasks of this real user alone.
    pub uid: Option<u32>,
    /// No threads of the kernel.
    pub no_kernel_threads: bool,
}

impl Filter {
    pub(super) fn attributes(&self) -> Attributes {
        let mut it = Attributes::new();
        if let Some(tgid) = self.tgid {
            it = it.u32(uapi::A_FILTER_TGID, tgid);
        }
        if let Some(id) = self.cgroup_id {
            it = it.u64(uapi::A_FILTER_CGROUP_ID, id);
        }
        if self.cgroup_alone {
            it = it.flag(uapi::A_FILTER_CGROUP_ALONE);
        }
        if let Some(uid) = self.uid {
            it = it.u32(uapi::A_FILTER_UID, uid);
        }
        if self.no_kernel_threads {
            it = it.flag(uapi::A_FILTER_NO_KERNEL_THREADS);
        }
        it
    }
}

/// Of which ends a socket hears: those for which all of it holds. Ids are those of the initial
/// namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitFilter {
    /// The ends of threads.
    pub threads: bool,
    /// The ends of processes, each with the sum over its threads.
    pub processes: bool,
    /// Which groups of fields.
    pub fields: Fields,
    /// Those with an exit code other than 0 alone, those that a signal killed included.
    pub failed: bool,
    /// Those of this real user alone.
    pub uid: Option<u32>,
    /// Those in this control group of version 2, by its id, and in its descendants.
    pub cgroup_id: Option<u64>,
    /// Not in its descendants.
    pub cgroup_alone: bool,
    /// Those of processes that the process with this id has started, or that one of these has, as
    /// far as the processes in between live.
    pub ancestor: Option<u32>,
}

impl Default for ExitFilter {
    /// All processes, with all fields.
    fn default() -> Self {
        Self {
            threads: false,
            processes: true,
            fields: Fields::ALL,
            failed: false,
            uid: None,
            cgroup_id: None,
            cgroup_alone: false,
            ancestor: None,
        }
    }
}

impl ExitFilter {
    pub(super) fn attributes(&self, mut it: Attributes) -> Attributes {
        for (wanted, kind) in [
            (self.threads, uapi::A_EXIT_FILTER_THREADS),
            (self.processes, uapi::A_EXIT_FILTER_PROCESSES),
            (self.failed, uapi::A_EXIT_FILTER_FAILED),
            (self.cgroup_alone, uapi::A_EXIT_FILTER_CGROUP_ALONE),
        ] {
            if wanted {
                it = it.flag(kind);
            }
        }
        it = it.u32(uapi::A_EXIT_FILTER_FIELDS, self.fields.0);
        if let Some(uid) = self.uid {
            it = it.u32(uapi::A_EXIT_FILTER_UID, uid);
        }
        if let Some(id) = self.cgroup_id {
            it = it.u64(uapi::A_EXIT_FILTER_CGROUP_ID, id);
        }
        if let Some(tgid) = self.ancestor {
            it = it.u32(uapi::A_EXIT_FILTER_ANCESTOR, tgid);
        }
        it
    }
}
