// SPDX-License-Identifier: GPL-2.0

//! The family: its name and its commands.

use super::{
    exits::{
        Exits,
        Subscription, //
    },
    info,
    process,
    subscribe::{
        GetStats,
        SetFilter, //
    },
    task,
    uapi::{
        TASKACCT_FAMILY_NAME,
        TASKACCT_FAMILY_VERSION, //
    }, //
};
use crate::{
    abstractions::{
        place::{
            Occupied,
            Place, //
        },
        time::monotonic_ns, //
    },
    genetlink::{
        Membership,
        MulticastGroup,
        Operation,
        Operations, //
    },
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

impl Operations for Taskacct {
    const NAME: &'static [u8] = TASKACCT_FAMILY_NAME;
    const VERSION: u32 = TASKACCT_FAMILY_VERSION;
    // All headers are checked strictly.
    const RESV_START_OP: u8 = 1;
    const OPS: &'static [Operation<Self>] = &[
        Operation::new::<task::Get>(),
        Operation::new::<process::Get>(),
        Operation::new::<info::Get>(),
        Operation::new::<SetFilter>(),
        Operation::new::<GetStats>(),
    ];
    const GROUPS: &'static [MulticastGroup] =
        &[MulticastGroup::const_new(c"exits", Membership::NetAdmin)];

    /// A filter goes with its socket.
    type SocketPrivate = Subscription;
}
