// SPDX-License-Identifier: GPL-2.0

//! What the generic netlink family TASKSTATS does.

#![forbid(unsafe_code)]

pub(crate) mod attributes;
pub(crate) mod cgroupstats;
mod exit;
pub(crate) mod family;
mod listeners;
mod query;
mod state;
mod uapi;

pub(crate) use self::state::Taskstats;
