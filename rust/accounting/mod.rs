// SPDX-License-Identifier: GPL-2.0

//! What is counted of a task and of a process: one `struct taskstats`. How it is sent is not known
//! here.

#![forbid(unsafe_code)]

pub(crate) mod basic;
pub(crate) mod extended;
pub(crate) mod layout;
pub(crate) mod record;
pub(crate) mod sum;
