// SPDX-License-Identifier: GPL-2.0

//! What the commands of the family share.

use super::exits::Exits;
use crate::abstractions::{
    place::{
        Occupied,
        Place, //
    },
    time::monotonic_ns, //
};
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

/// What the commands of the family share.
pub(crate) struct Taskacct {
    since: Atomic<u64>,
    pub(super) exits: Place<Exits>,
}

impl Taskacct {
    /// Returns it, for a module that is not loaded yet.
    pub(crate) const fn new() -> Self {
        Self {
            since: Atomic::new(0),
            exits: Place::empty(),
        }
    }

    /// Prepares it for requests, from when the module is loaded until what is returned is dropped.
    pub(crate) fn begin(&'static self) -> Result<Occupied<Exits>> {
        self.since.store(monotonic_ns(), Relaxed);
        self.exits.put(Arc::pin_init(Exits::new(), GFP_KERNEL)?)
    }

    /// Returns when the module was loaded, in nanoseconds of the monotonic clock.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Relaxed)
    }
}
