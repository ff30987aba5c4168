// SPDX-License-Identifier: GPL-2.0

//! What the generic netlink family taskacct does.
//!
//! `Documentation/netlink/specs/taskacct.yaml` describes it.

#![forbid(unsafe_code)]

mod cgroup;
mod dump;
mod exit;
mod exits;
mod family;
mod fields;
mod filter;
mod groups;
mod info;
mod interest;
mod process;
mod record;
mod request;
mod state;
mod subscribe;
mod task;
mod uapi;
mod viewer;

pub(crate) use self::state::{
    Loaded,
    Taskacct, //
};
