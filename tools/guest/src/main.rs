// SPDX-License-Identifier: GPL-2.0
//! The command line: `guest run`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, Parser, value_parser};
use guest::{CRASH, Guest, HUNG, Implementation};
use kbuild::Config;

/// Boots guests on the built kernel.
#[derive(Parser)]
#[command(name = "guest")]
enum Command {
    /// Boots a guest, runs CMD in it as root, and exits with CMD's exit status.
    ///
    /// The guest's root is the environment's, read-only with overlays in memory. The kernel's log
    /// is kept in a file of its own and scanned.
    #[command(after_help = STATUSES)]
    Run(Box<Run>),
}

const STATUSES: &str = "\
Exit status:
  CMD's own, unless
  124  the guest was still running after the time limit
  125  the kernel complained: the log has a warning, a bug, a stack dump or the like
  126  the guest crashed, did not come up, or could not be started
  2    the command line is wrong";

#[derive(Args)]
struct Run {
    /// Which taskstats answers: the module's, the kernel's own, or whatever the kernel has.
    #[arg(long = "impl", value_name = "IMPL", value_enum, default_value = "rust")]
    implementation: Implementation,
    /// Which of the project's kernels boots.
    #[arg(long, value_enum, default_value_t)]
    config: Config,
    /// Number of CPUs.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u32).range(1..))]
    cpus: u32,
    /// Size of the memory [default: 1G, or 2G for the debug kernel]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Let the guest's clock count instructions: one nanosecond each. Implies emulation.
    #[arg(long)]
    icount: bool,
    /// Emulate the machine even where KVM works.
    #[arg(long)]
    no_kvm: bool,
    /// End the guest after this time.
    #[arg(long, value_name = "SECONDS", default_value_t = HUNG.as_secs(),
        value_parser = value_parser!(u64).range(1..))]
    timeout: u64,
    /// File for the kernel's log, instead of one in the cache.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Further arguments for the kernel's command line.
    #[arg(long, value_name = "KERNEL_ARGS", allow_hyphen_values = true)]
    append: Vec<String>,
    /// Further arguments for QEMU.
    #[arg(long, value_name = "QEMU_ARGS", allow_hyphen_values = true)]
    qemu: Vec<String>,
    /// Environment variable for CMD.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Kernel image other than the built one.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Module other than the built one.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Run this command line in a shell.
    #[arg(
        long,
        value_name = "CMD",
        conflicts_with = "command",
        allow_hyphen_values = true
    )]
    shell: Option<String>,
    /// Command and its arguments.
    #[arg(value_name = "CMD", last = true, required_unless_present = "shell")]
    command: Vec<String>,
}

impl Run {
    fn guest(self) -> Result<Guest> {
        let mut guest = Guest::builder()
            .implementation(self.implementation)
            .config(self.config)
            .cpus(self.cpus)
            .icount(self.icount)
            .kvm(!self.no_kvm)
            .time_limit(Duration::from_secs(self.timeout))
            .pass_output_on();
        for line in self.append {
            let words = shell_words::split(&line).with_context(|| format!("--append {line:?}"))?;
            guest = words.into_iter().fold(guest, Guest::append);
        }
        for line in self.qemu {
            let words = shell_words::split(&line).with_context(|| format!("--qemu {line:?}"))?;
            guest = words.into_iter().fold(guest, Guest::qemu);
        }
        for variable in self.env {
            let (name, value) = variable
                .split_once('=')
                .with_context(|| format!("--env {variable:?} has no `=`"))?;
            guest = guest.env(name, value);
        }
        if let Some(memory) = self.memory {
            guest = guest.memory(memory);
        }
        if let Some(log) = self.log {
            guest = guest.log(log);
        }
        if let Some(image) = self.image {
            guest = guest.image(image);
        }
        if let Some(module) = self.module {
            guest = guest.module(module);
        }
        Ok(match self.shell {
            Some(line) => guest.shell(line),
            None => guest.command(self.command),
        })
    }
}

fn run(run: Run) -> Result<u8> {
    guest::kill_guests_on_signals()?;
    let outcome = run.guest()?.run()?;
    if let Some(report) = outcome.report() {
        eprint!("guest: {report}");
    }
    Ok(outcome.status())
}

fn main() -> ExitCode {
    let Command::Run(options) = Command::parse();
    match run(*options) {
        Ok(status) => status.into(),
        Err(error) => {
            guest::end_if_interrupted();
            eprintln!("guest: {error:#}");
            CRASH.into()
        }
    }
}
