// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families that answer requests.
//!
//! The kernel crate's `kernel::net::netlink` sends multicast messages of a static family. This is
//! that, with its names where they mean the same, and with what it lacks: operations that answer
//! one request or dump, policies, replies, refusals with words, nests, groups with permissions, and
//! what a family keeps for a socket. Its own types cannot be extended from a module, so they are
//! here again until this moves there; nothing here knows what is sent.
//!
//! [`Socket`] and [`Request::socket_private`] need functions that C does not export:
//! `netlink_unicast_sock()` and `genl_sk_priv_get()`. Families that use neither do without.
//!
//! Not supported: headers of a family's own, operations in the split form, arrays of nests.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

// What one family does not use, another does.
#![allow(dead_code, unused_imports)]

mod attribute;
mod caller;
mod command;
mod dump;
mod family;
mod gfp;
mod group;
mod message;
mod operation;
mod payload;
mod policy;
mod refusal;
mod request;
mod socket;

#[cfg(test_build)]
pub(crate) use self::family::flags_are_as_bindgen_sets_them;
pub(crate) use self::{
    attribute::{
        Attribute,
        Attributes, //
    },
    caller::Caller,
    command::{
        Command,
        Permission,
        Validation, //
    },
    dump::Dump,
    family::{
        Family,
        Operations,
        Registration, //
    },
    group::{
        Membership,
        MulticastGroup, //
    },
    message::{
        GenlMsg,
        NetlinkSkBuff,
        Packet,
        Room, //
    },
    operation::{
        DoIt,
        Operation, //
    },
    payload::{
        AttributeHeader,
        AttributeI32,
        AttributeU32,
        AttributeU64,
        Payload,
        HEADER,
        PADS_64BIT, //
    },
    policy::{
        Policy,
        Range, //
    },
    refusal::Refusal,
    request::{
        Reply,
        Request, //
    },
    socket::Socket, //
};
