// SPDX-License-Identifier: GPL-2.0

//! What taskstats costs: C beside Rust, in one boot. See `Documentation/benchmarks.rst`.
//!
//! On the machine itself, [`host`] boots the guests and shows what they found. In a guest,
//! [`count`] counts instructions and [`throughput`] lets clients ask at once.

mod count;
mod dumps;
mod exits;
mod figures;
mod guard;
mod host;
mod iterator;
mod listeners;
mod marks;
mod netlink;
mod operation;
mod procfiles;
mod profile;
mod requests;
mod scaling;
mod sizes;
mod statistics;
mod table;
mod throughput;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use ::tests::{guest_only, implementation::Switch, workload};
use anyhow::Result;
use clap::{Parser, Subcommand};

/// What taskstats costs, C beside Rust.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures in guests, shows the tables, and compares with the figures that are kept.
    ///
    /// Fails if a figure got worse by more than 2 %, or did not settle.
    Run(host::Run),
    /// Shows where the instructions of one figure go, by the functions of the kernel.
    Profile(profile::Profile),
    /// Counts instructions: in a guest whose clock counts them.
    #[command(hide = true)]
    Count {
        #[command(flatten)]
        module: Module,
        /// An iterator of BPF's to measure dumps against.
        #[arg(long, value_name = "FILE")]
        iterator: Option<PathBuf>,
    },
    /// Counts answers to clients that ask at once: in a guest with two CPUs.
    #[command(hide = true)]
    Throughput(Module),
    /// Does one thing under C and under Rust, between marks for the plugin that counts.
    #[command(hide = true)]
    Marked {
        #[command(flatten)]
        module: Module,
        /// The figure whose operation it is.
        figure: String,
    },
    /// Becomes a process with threads that can be asked for.
    #[command(hide = true)]
    Process {
        /// How many threads it has.
        threads: usize,
        /// Milliseconds of CPU time that each of them uses.
        work: u64,
    },
}

#[derive(clap::Args)]
struct Module {
    /// The module's file, `rust_taskstats.ko`.
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
}

impl Module {
    fn switch(self) -> Switch {
        Switch::new(self.module, false)
    }
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(run) => return run.run(),
        Command::Profile(profile) => profile.run()?,
        Command::Count { module, iterator } => {
            guest_only::require()?;
            let counted = count::all(&module.switch(), iterator.as_deref())?;
            println!("{}", serde_json::to_string(&counted)?);
        }
        Command::Throughput(module) => {
            guest_only::require()?;
            let found = throughput::all(&module.switch())?;
            println!("{}", serde_json::to_string(&found)?);
        }
        Command::Marked { module, figure } => {
            guest_only::require()?;
            count::marked(&module.switch(), &figure)?;
        }
        Command::Process { threads, work } => {
            workload::process::act(threads, Duration::from_millis(work), workload::compute)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
