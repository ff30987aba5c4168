// SPDX-License-Identifier: GPL-2.0

//! A client of the kernel's TASKSTATS generic-netlink family.
//!
//! [`Client`] asks the everyday questions and gives typed answers. Beside it, [`Request`] describes
//! any request down to wrong lengths and flags, [`Client::exchange`] returns what the kernel
//! answers byte for byte, and [`answer`], [`Stats`] and [`record`] take that apart, down to each
//! byte of a `struct taskstats` by its name in C.
//!
//! Netlink's own formats are netlink-packet-core's and netlink-packet-generic's to know.

pub mod answer;
mod client;
pub mod controller;
pub mod record;
mod request;
mod socket;
mod stats;
pub mod uapi;

pub use client::{Client, Error};
pub use request::{RawAttribute, Request};
pub use socket::{GenlSocket, Options};
pub use stats::{Cgroupstats, Stats, Subject};
