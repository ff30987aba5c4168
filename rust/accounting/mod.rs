// SPDX-License-Identifier: GPL-2.0

//! What is counted of a task and of a process: one `struct taskstats`, or what a process has used.
//! How it is sent is not known here.

#![forbid(unsafe_code)]

pub(crate) mod basic;
pub(crate) mod delay;
pub(crate) mod extended;
pub(crate) mod layout;
pub(crate) mod record;
pub(crate) mod sum;
pub(crate) mod usage;
