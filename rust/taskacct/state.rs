// SPDX-License-Identifier: GPL-2.0

//! What the commands of the family share.

use super::{
    exits::Exits,
    groups::ControlGroups,
    interest::COUNTS, //
};
#[cfg(CONFIG_CGROUPS)]
use crate::abstractions::cgroup_lifetime::Removals;
use crate::abstractions::{
    place::{
        Occupied,
        Place, //
    },
    time::monotonic_ns, //
};
use crate::genetlink::Refusal;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// What there is as long as the module is loaded.
pub(crate) struct Loaded {
    _exits: Occupied<Exits>,
    #[cfg(CONFIG_CGROUPS)]
    _removals: Pin<KBox<Removals<ControlGroups>>>,
    _groups: Occupied<ControlGroups>,
}

/// What the commands of the family share.
pub(crate) struct Taskacct {
    since: Atomic<u64>,
    /// Whether all tasks that exit are heard of.
    hears: Atomic<bool>,
    /// How often that has ended.
    gaps: Atomic<u64>,
    pub(super) exits: Place<Exits>,
    pub(super) groups: Place<ControlGroups>,
}

impl Taskacct {
    /// Returns it, for a module that is not loaded yet.
    pub(crate) const fn new() -> Self {
        Self {
            since: Atomic::new(0),
            hears: Atomic::new(false),
            gaps: Atomic::new(0),
            exits: Place::empty(),
            groups: Place::empty(),
        }
    }

    /// Prepares it for requests, from when the module is loaded until what is returned is dropped.
    pub(crate) fn begin(&'static self) -> Result<Loaded> {
        self.since.store(monotonic_ns(), Relaxed);
        let groups = Arc::pin_init(ControlGroups::new(), GFP_KERNEL)?;

        Ok(Loaded {
            _exits: self.exits.put(Arc::pin_init(Exits::new(), GFP_KERNEL)?)?,
            #[cfg(CONFIG_CGROUPS)]
            _removals: KBox::pin_init(Removals::observe(groups.clone()), GFP_KERNEL)?,
            _groups: self.groups.put(groups)?,
        })
    }

    /// Tells whether all tasks that exit are heard of from now on.
    pub(super) fn set_hears(&self, hears: bool) {
        if !hears {
            // Before a request could begin to count anew.
            if let Some(groups) = self.groups.get() {
                groups.end();
            }
            self.gaps.fetch_add(1, Relaxed);
        }
        self.hears.store(hears, Relaxed);
    }

    /// Returns whether all tasks that exit are heard of.
    pub(super) fn hears(&self) -> bool {
        self.hears.load(Relaxed)
    }

    /// Refuses what would miss tasks that exit.
    pub(super) fn must_hear<'a>(&self) -> Result<(), Refusal<'a>> {
        if self.hears() {
            Ok(())
        } else {
            Err(Refusal::new(
                EAGAIN,
                c"livepatch does not redirect the exits of all tasks, or not yet",
            ))
        }
    }

    /// Returns how often tasks have begun to exit unheard.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps.load(Relaxed)
    }

    /// Returns the control groups, if what exits is counted for them.
    #[inline]
    pub(super) fn groups_that_count(&self) -> Option<Arc<ControlGroups>> {
        if COUNTS.is_set() {
            self.groups.get()
        } else {
            None
        }
    }

    /// Returns when the module was loaded, in nanoseconds of the monotonic clock.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }
}
