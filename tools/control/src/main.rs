// SPDX-License-Identifier: GPL-2.0
//! The command line: `rust-taskstats load|unload|status`.

use std::{fs::File, io::ErrorKind, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use control::{MODULE, Status};

/// Lets taskstats in Rust answer in the place of the kernel's own, or the kernel's own again.
#[derive(Debug, Parser)]
#[command(name = "rust-taskstats", version, max_term_width = 100)]
enum Command {
    /// Loads the module. When this returns, it answers.
    Load {
        /// The module's file, instead of the one that is installed for the running kernel.
        module: Option<PathBuf>,
    },
    /// Unloads the module. When this returns, it is gone, and C answers.
    Unload,
    /// Says who answers. Exits with 0 if it is Rust, with 3 if it is C.
    Status,
}

/// What `status` exits with where C answers, as init scripts do for what does not run.
const NOT_RUNNING: u8 = 3;

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Load { module } => {
            let path = match module {
                Some(path) => path,
                None => installed()?,
            };
            let file = File::open(&path).with_context(|| path.display().to_string())?;
            control::load(&file)?;
        }
        Command::Unload => control::unload()?,
        Command::Status => {
            let status = control::status()?;
            println!(
                "{}",
                match status {
                    Status::NotLoaded => "C answers: the module is not loaded",
                    Status::Answers => "Rust answers",
                    Status::InTransition => "C answers: livepatch is not done",
                    Status::Disabled => "C answers: the module is loaded and not in charge",
                }
            );
            if status != Status::Answers {
                return Ok(NOT_RUNNING.into());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The module that is installed for the running kernel.
fn installed() -> Result<PathBuf> {
    let release = nix::sys::utsname::uname()?.release().to_owned();
    let folder = PathBuf::from("/lib/modules").join(release);
    let places = ["updates", "updates/dkms", "extra"];
    let names = places.map(|place| folder.join(place).join(format!("{MODULE}.ko")));
    let found = names.iter().find(|path| match path.metadata() {
        Err(error) => error.kind() != ErrorKind::NotFound,
        Ok(_) => true,
    });
    ensure!(
        found.is_some(),
        "no module is installed for the running kernel: none in {}",
        folder.display()
    );
    Ok(found.cloned().unwrap_or_default())
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("rust-taskstats: {error:#}");
            ExitCode::FAILURE
        }
    }
}
