// SPDX-License-Identifier: GPL-2.0

//! Shows a task's delays by the stock `getdelays`, and which implementation it had them from.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use tests::{
    implementation::{Implementation, MODULE},
    kernel_log::{KernelLog, PROVIDER},
    stock::StockClients,
    workload::{self, Kind, Task},
};

/// Lets a task work for a moment, and the kernel's own getdelays show its delays.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The folder with the stock client `getdelays`.
    #[arg(value_name = "FOLDER", required = true)]
    clients: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Becomes a task that can be asked for.
    #[command(hide = true)]
    Task {
        /// What it does before it stands still.
        kind: Kind,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Task { kind }) = arguments.command {
        return workload::act(kind);
    }
    let clients = StockClients::new(&arguments.clients.context("no folder of clients")?);
    let task = Task::spawn(Kind::Worked)?;
    let in_charge = Implementation::in_charge()?;
    println!("$ getdelays -d -p {}", task.pid());
    print!("{}", clients.getdelays(&["-d"], task.pid())?.stdout);
    println!("\n{}", evidence(in_charge)?);
    Ok(())
}

/// Who answered, and what shows it: the list of modules and the kernel's log, which must agree.
fn evidence(in_charge: Implementation) -> anyhow::Result<String> {
    let lines = KernelLog::whole()?.lines()?;
    let last = lines.iter().rev().find(|line| line.contains(PROVIDER));
    let attached = last.is_some_and(|line| line.ends_with(" attached"));
    ensure!(
        attached == (in_charge == Implementation::Rust),
        "/proc/modules says {in_charge:?}, the kernel's log says {last:?}"
    );
    let log = last.map_or_else(|| "of no provider".to_owned(), |line| format!("{line:?}"));
    Ok(match in_charge {
        Implementation::Rust => format!(
            "Answered by {MODULE}, the Rust module: it is in /proc/modules, and the kernel's log \
             says {log}."
        ),
        Implementation::C => format!(
            "Answered by the kernel's own C: {MODULE} is not in /proc/modules, and the kernel's \
             log says {log}."
        ),
    })
}
