// SPDX-License-Identifier: GPL-2.0

//! The family: its name, its commands, and what it keeps for a socket.

use super::{
    cgroupstats,
    listeners::Subscription,
    query,
    state::Taskstats,
    uapi, //
};
use crate::genetlink::{
    Operation,
    Operations, //
};

impl Operations for Taskstats {
    const NAME: &'static [u8] = uapi::TASKSTATS_GENL_NAME;
    const VERSION: u32 = uapi::TASKSTATS_GENL_VERSION;
    // Strict header checks begin behind the last command that C knows.
    const RESV_START_OP: u8 = uapi::CGROUPSTATS_CMD_GET as u8 + 1;
    const OPS: &'static [Operation<Self>] = &[
        Operation::new::<query::Get>(),
        Operation::new::<cgroupstats::Get>(),
    ];

    /// A subscription ends with its socket.
    type SocketPrivate = Subscription;
}
