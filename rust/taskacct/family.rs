// SPDX-License-Identifier: GPL-2.0

//! The family: its name, its commands and its group.

use super::{
    cgroup,
    exits::Subscription,
    info,
    interest::MEMBERS,
    process,
    state::Taskacct,
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
use crate::genetlink::{
    Membership,
    MulticastGroup,
    Operation,
    Operations, //
};

impl Operations for Taskacct {
    const NAME: &'static [u8] = TASKACCT_FAMILY_NAME;
    const VERSION: u32 = TASKACCT_FAMILY_VERSION;
    // All headers are checked strictly.
    const RESV_START_OP: u8 = 1;
    const OPS: &'static [Operation<Self>] = &[
        Operation::new::<task::Get>(),
        Operation::new::<process::Get>(),
        Operation::new::<info::Get>(),
        Operation::new::<cgroup::Get>(),
        Operation::new::<SetFilter>(),
        Operation::new::<GetStats>(),
    ];
    const GROUPS: &'static [MulticastGroup] =
        &[MulticastGroup::const_new(c"exits", Membership::NetAdmin)];

    /// A filter goes with its socket.
    type SocketPrivate = Subscription;

    fn joined(_group: usize) {
        MEMBERS.set(true);
    }
}
