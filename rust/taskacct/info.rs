// SPDX-License-Identifier: GPL-2.0

//! `TASKACCT_CMD_INFO_GET`: what this kernel can count, and how the module works in it.

use super::{
    fields::Fields,
    state::Taskacct,
    uapi::{
        TASKACCT_A_INFO_DELAYS_ON,
        TASKACCT_A_INFO_EXITS_ON,
        TASKACCT_A_INFO_FIELDS,
        TASKACCT_A_INFO_SEAM,
        TASKACCT_A_INFO_SINCE,
        TASKACCT_CMD_INFO_GET,
        TASKACCT_SEAM_LIVEPATCH,
        TASKACCT_SEAM_SLOT, //
    },
};
use crate::{
    abstractions::delays,
    genetlink::{
        AttributeU32,
        AttributeU64,
        Command,
        Permission,
        Policy,
        Refusal,
        Request,
        Room,
        Validation, //
    },
    seam,
};
use kernel::prelude::*;

/// `TASKACCT_CMD_INFO_GET`.
pub(super) struct Get;

/// The answer.
#[derive(IntoBytes)]
#[repr(C)]
struct Info {
    seam: AttributeU32,
    delays_on: AttributeU32,
    fields: AttributeU32,
    since: AttributeU64,
    exits_on: AttributeU32,
}

#[vtable]
impl Command for Get {
    type Family = Taskacct;
    type Cursor = ();

    // CAST: Commands fit a byte.
    const CMD: u8 = TASKACCT_CMD_INFO_GET as u8;
    const POLICY: &'static [Policy] = &[Policy::STRICT];
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::Any;

    fn doit<'a>(family: &Taskacct, request: Request<'a, Taskacct>) -> Result<(), Refusal<'a>> {
        let mut reply = request.reply(Self::CMD, Room::of::<Info>(), GFP_KERNEL)?;
        reply.push(Info {
            seam: AttributeU32::of::<TASKACCT_A_INFO_SEAM>(if seam::IS_LIVEPATCH {
                TASKACCT_SEAM_LIVEPATCH
            } else {
                TASKACCT_SEAM_SLOT
            }),
            delays_on: AttributeU32::of::<TASKACCT_A_INFO_DELAYS_ON>(
                delays::are_collected().into(),
            ),
            fields: AttributeU32::of::<TASKACCT_A_INFO_FIELDS>(Fields::COUNTED.bits()),
            since: AttributeU64::of::<TASKACCT_A_INFO_SINCE>(family.since()),
            exits_on: AttributeU32::of::<TASKACCT_A_INFO_EXITS_ON>(family.hears().into()),
        })?;
        Ok(reply.send_to_socket()?)
    }
}
