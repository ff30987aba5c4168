// SPDX-License-Identifier: GPL-2.0

//! The family: its name and its commands.

use super::{
    info,
    process,
    task,
    uapi::{
        TASKACCT_FAMILY_NAME,
        TASKACCT_FAMILY_VERSION, //
    }, //
};
use crate::{
    abstractions::time::monotonic_ns,
    genetlink::{
        Operation,
        Operations, //
    },
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// What the commands of the family share.
pub(crate) struct Taskacct {
    since: Atomic<u64>,
}

impl Taskacct {
    /// Returns it, for a module that is not loaded yet.
    pub(crate) const fn new() -> Self {
        Self {
            since: Atomic::new(0),
        }
    }

    /// Notes that the module is being loaded.
    pub(crate) fn begin(&self) {
        self.since.store(monotonic_ns(), Relaxed);
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
    ];

    type SocketPrivate = ();
}
