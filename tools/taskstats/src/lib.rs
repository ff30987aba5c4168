// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! What tasks cost and what they wait for, asked of the Linux kernel.
//!
//! Two generic-netlink families answer that:
//!
//! - `TASKSTATS`, which every kernel with `CONFIG_TASKSTATS` has: one task or process at a time, and
//!   a record of each task that exits, to who has `CAP_NET_ADMIN`. [`Client`] asks it, one by one
//!   or in batches, and [`ExitListener`] listens to what exits. Records are those of any version of
//!   `struct taskstats` from 8 on: [`Stats::has`] says what the kernel has sent.
//! - `taskacct`, which the module rust_taskstats has besides: all tasks, processes and control
//!   groups in one dump, and what exits through a filter. See [`taskacct`].
//!
//! Nothing here blocks but where a timeout says for how long. All sockets are [`AsFd`], so that
//! they can be waited for in an event loop: once they are readable, ask with a timeout of zero
//! until there is nothing more.
//!
//! A socket whose buffer overflows (`ENOBUFS`) keeps what it had. [`ExitListener::lost`] and
//! [`taskacct::Exits::stats`] say how much the kernel could not deliver.
//!
//! ```no_run
//! use taskstats::{Client, DelayKind, Options};
//!
//! let mut client = Client::connect(Options::default())?;
//! let stats = client.tgid(1)?;
//! if let Some(delay) = stats.delay(DelayKind::Cpu) {
//!     println!("init waited {} times for a CPU, {} ns in all", delay.count, delay.total);
//! }
//! # Ok::<(), taskstats::Error>(())
//! ```
//!
//! [`answer`], [`Stats`] and [`record`] take answers apart down to each byte of a `struct
//! taskstats` by its name in C, for who needs that. Netlink's own formats are netlink-packet-core's
//! and netlink-packet-generic's to know.
//!
//! [`AsFd`]: std::os::fd::AsFd

#![forbid(unsafe_code)]

pub mod answer;
mod client;
mod connection;
pub mod controller;
mod cpus;
mod delay;
mod listener;
pub mod record;
mod request;
mod socket;
mod stats;
pub mod taskacct;
pub mod uapi;

pub use client::Client;
pub use connection::Error;
pub use delay::{Delay, DelayKind};
pub use listener::{ExitListener, ExitRecord, Lost};
pub use request::{ATTRIBUTE_MAX, Attributes, Request};
pub use socket::{GenlSocket, Options};
pub use stats::{Cgroupstats, Stats, Subject};
