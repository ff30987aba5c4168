// SPDX-License-Identifier: GPL-2.0

//! A generic netlink family: ten thousand items that can be asked for one by one, dumped, and
//! announced to a multicast group.
//!
//! `Documentation/netlink/specs/rust-items.yaml` describes it for YNL.

use kernel::{
    module::this_module,
    prelude::*, //
};

#[path = "../rust/genetlink/mod.rs"]
mod genetlink;

use genetlink::*;

module! {
    type: Sample,
    name: "rust_genetlink_sample",
    authors: ["The rust-taskstats developers"],
    description: "A generic netlink family in Rust",
    license: "GPL",
}

const ITEMS: u32 = 10_000;

const CMD_GET: u8 = 1;
const CMD_ANNOUNCE: u8 = 2;
const CMD_EVENT: u8 = 3;

const INDEX: u16 = 1;
const VALUE: u16 = 2;
const NAME: u16 = 3;
const TAGS: u16 = 4;

const TAG_COLOUR: u16 = 1;
const TAG_ROUND: u16 = 2;

const INDICES: Range = Range::new(0, ITEMS as u64 - 1);
const COLOURS: Range = Range::new(0, 7);

const TAG_POLICY: &[Policy] = &[
    Policy::STRICT,
    Policy::U8.in_range(&COLOURS), // TAG_COLOUR
    Policy::FLAG,                  // TAG_ROUND
];
const POLICY: &[Policy] = &[
    Policy::STRICT,
    Policy::U32.in_range(&INDICES), // INDEX
    Policy::REJECT,                 // VALUE
    Policy::nul_string(15),         // NAME
    Policy::nested(TAG_POLICY),     // TAGS
];

/// The family. There is nothing that its commands share.
struct Items;

impl Operations for Items {
    const NAME: &'static [u8] = b"rust-items\0";
    const VERSION: u32 = 1;
    const RESV_START_OP: u8 = 1;
    const OPS: &'static [Operation<Self>] =
        &[Operation::new::<Get>(), Operation::new::<Announce>()];
    const GROUPS: &'static [MulticastGroup] =
        &[MulticastGroup::const_new(c"events", Membership::Any)];
    type SocketPrivate = ();
}

static FAMILY: Family<Items> = Family::const_new(this_module::<Sample>(), Items);

fn item(payload: &mut Payload, index: u32) -> Result {
    payload.put_u32(INDEX, index)?;
    payload.put_uint(VALUE, u64::from(index).wrapping_mul(1_000_000))?;
    payload.put_string(NAME, c"item")?;
    payload.nest(TAGS, |tags| {
        tags.put_u8(TAG_COLOUR, (index % 8) as u8)?;
        if index % 2 == 0 {
            tags.put_flag(TAG_ROUND)?;
        }
        Ok(())
    })
}

/// The item that a request asks for.
fn wanted<'a>(request: &Request<'a, Items>) -> Result<u32, Refusal<'a>> {
    match request.attribute(INDEX.into()) {
        Some(index) => Ok(index.u32()?),
        None => Err(Refusal::new(EINVAL, c"which item?")),
    }
}

struct Get;

#[vtable]
impl Command for Get {
    type Family = Items;
    /// The next index.
    type Cursor = u32;
    const CMD: u8 = CMD_GET;
    const POLICY: &'static [Policy] = POLICY;
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::Any;

    fn doit<'a>(_: &Items, request: Request<'a, Items>) -> Result<(), Refusal<'a>> {
        let index = wanted(&request)?;
        let mut reply = request.reply(CMD_GET, Room::of::<[u8; 128]>(), GFP_KERNEL)?;
        item(&mut reply, index)?;
        Ok(reply.send()?)
    }

    fn start<'a>(_: &Items, attributes: Attributes<'a>, _: Caller<'a>) -> Result<u32, Refusal<'a>> {
        match attributes.get(INDEX.into()) {
            Some(index) => Ok(index.u32()?),
            None => Ok(0),
        }
    }

    fn dumpit(_: &Items, dump: &mut Dump<'_, Items>, next: &mut u32) -> Result {
        while *next < ITEMS {
            dump.message(CMD_GET, |payload| item(payload, *next))?;
            *next += 1;
        }
        Ok(())
    }
}

struct Announce;

#[vtable]
impl Command for Announce {
    type Family = Items;
    type Cursor = ();
    const CMD: u8 = CMD_ANNOUNCE;
    const POLICY: &'static [Policy] = POLICY;
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::NamespaceNetAdmin;

    fn doit<'a>(_: &Items, request: Request<'a, Items>) -> Result<(), Refusal<'a>> {
        let index = wanted(&request)?;
        let skb = NetlinkSkBuff::new(Room::of::<[u8; 128]>(), GFP_KERNEL).map_err(Error::from)?;
        let mut event = skb.genlmsg_put(0, 0, &FAMILY, CMD_EVENT)?;
        item(&mut event, index)?;
        match event.end().multicast(&FAMILY, 0, GFP_KERNEL) {
            Err(ESRCH) => Err(Refusal::new(ESRCH, c"nobody listens")),
            sent => Ok(sent?),
        }
    }
}

/// The module. The family is registered as long as it exists.
struct Sample {
    _registration: Registration<Items>,
}

impl kernel::Module for Sample {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _registration: FAMILY.register()?,
        })
    }
}
