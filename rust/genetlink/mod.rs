// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families that answer requests.
//!
//! The kernel crate's `kernel::net::netlink` sends multicast messages; what it lacks is here until
//! it has it: operations with their policies, requests, replies, refusals, sockets and what a
//! family keeps for each of them.
//! Nothing in this module knows what is sent, so that it can move to the kernel crate as it stands.
//!
//! Not supported: dumps, multicast groups, split operations.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

// What one family does not use, another does.
#![allow(dead_code, unused_imports)]

mod attribute;
mod command;
mod family;
mod gfp;
mod message;
mod operation;
mod payload;
mod refusal;
mod request;
mod socket;

pub(crate) use self::{
    attribute::{
        Attribute,
        Policy, //
    },
    command::{
        Command,
        Permission, //
    },
    family::{
        Family,
        Operations, //
    },
    message::{
        GenlMsg,
        NetlinkSkBuff,
        Packet,
        Room, //
    },
    operation::Operation,
    payload::{
        AttributeHeader,
        Payload,
        HEADER,
        PADS_64BIT, //
    },
    refusal::Refusal,
    request::Request,
    socket::Socket, //
};
