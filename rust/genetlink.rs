// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families that answer requests.
//!
//! The kernel crate's `kernel::net::netlink` sends multicast messages; what it lacks is here until
//! it has it: operations with their policies, requests, replies, refusals, sockets and what a family keeps for each of them.
//! Nothing in this module knows what is sent, so that it can move to the kernel crate as it stands.
//!
//! Not supported: dumps, multicast groups, split operations.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

mod attribute;
mod family;
mod message;
mod operation;
mod refusal;
mod request;
mod socket;

pub(crate) use self::{
    attribute::{
        Attribute,
        Policy, //
    },
    family::{
        Family,
        Operations, //
    },
    message::{
        AttributeHeader,
        Message,
        Packet,
        Room,
        HEADERS, //
    },
    operation::{
        Command,
        Operation,
        Permission, //
    },
    refusal::Refusal,
    request::Request,
    socket::Socket, //
};
