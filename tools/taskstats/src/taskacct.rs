// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! The family taskacct: all tasks, processes and control groups in one dump, and what exits through a
//! filter.
//!
//! The module rust_taskstats has it; elsewhere [`Taskacct::connect`] fails with `ENOENT`.
//! `Documentation/netlink/specs/taskacct.yaml` describes each field.
//!
//! ```no_run
//! use taskstats::{Options, taskacct::{Fields, Filter, Taskacct}};
//!
//! let mut taskacct = Taskacct::connect(Options::default())?;
//! let fields = Fields::IDENTITY | Fields::CPU;
//! taskacct.processes(fields, &Filter::default(), |process| {
//!     if let (Some(identity), Some(cpu)) = (process.identity, process.cpu) {
//!         println!("{} {} {} ns", identity.pid, identity.name(), cpu.run_time);
//!     }
//! })?;
//! # Ok::<(), taskstats::Error>(())
//! ```

mod client;
mod filter;
mod parse;
mod records;
pub mod uapi;

pub use client::{Ended, Exits, Taskacct, Which};
pub use filter::{ExitFilter, Fields, Filter};
pub use records::{
    Cgroup, Cpu, Executable, ExitStats, Faults, Identity, Info, Io, Memory, Seam, Status, Switches,
    Task,
};
