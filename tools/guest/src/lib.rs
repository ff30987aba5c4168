// SPDX-License-Identifier: GPL-2.0
//! Guests: virtual machines that boot the built kernel, bring one implementation of taskstats up,
//! run one command as root, and power off. The kernel's log is kept and scanned: a complaint in it
//! fails the run, whatever the command said.
//!
//! virtme-ng makes the machine out of this one: its root is this machine's own. [`Guest`] describes
//! a guest and runs it; the [`Outcome`] has the command's output and exit status, the [`Log`], and
//! the kernel's [`Complaint`]s.

mod boot;
pub mod complaints;
mod copies;
mod early;
mod environment;
mod guest;
mod interrupt;
mod kvm;
mod log;
mod logfile;
mod outcome;
mod parts;
mod process;
mod qemu;
mod script;
mod tsc;
mod virtme;

pub use complaints::Complaint;
pub use guest::{Guest, HUNG, Implementation};
pub use interrupt::{end_if_interrupted, kill_guests_on_signals};
pub use log::Log;
pub use outcome::{COMPLAINT, CRASH, End, Outcome, TIME_LIMIT};
