// SPDX-License-Identifier: GPL-2.0
//! Running a guest, from its parts to its outcome.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use kbuild::{Cache, Usage};

use crate::{
    copies, early, environment,
    guest::Guest,
    kvm,
    log::Log,
    logfile,
    outcome::{End, Outcome},
    parts::Parts,
    process::{self, Output},
    qemu::Accelerator,
    script::Script,
    virtme::Machine,
};

/// The program that loads and unloads the module.
const CONTROL: &str = "rust-taskstats";

/// Finds the folder that this program is in, with all others of the project.
fn built() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .find(|folder| folder.join(CONTROL).is_file())
        .with_context(|| format!("no {CONTROL} in PATH: run this in `make shell`"))
}

impl Guest {
    /// Boots the guest, runs the command in it, waits for its end, and judges the kernel's log.
    ///
    /// An error means that there was no guest: something to start it with is missing.
    pub fn run(self) -> Result<Outcome> {
        if self.command.is_empty() {
            bail!("no command was given");
        }
        let cache = Cache::open()?;
        let parts = Parts::of(&self)?;
        let log = match &self.log {
            Some(path) => std::path::absolute(path)?,
            None => logfile::new(&cache)?,
        };
        // A log of before must not be taken for this guest's.
        fs::write(&log, "")
            .with_context(|| format!("cannot write the kernel's log to {}", log.display()))?;
        let accelerator = if self.icount {
            Accelerator::Instructions
        } else if self.kvm && kvm::works(&cache, &parts)? {
            Accelerator::Kvm
        } else if parts.is_modular {
            // The module redirects that kernel's functions.
            Accelerator::Turns
        } else {
            Accelerator::Emulation
        };
        if self.output == Output::PassOn {
            let cpus = self.cpus;
            eprintln!(
                "guest: {cpus} CPU{}, {accelerator}",
                if cpus == 1 { "" } else { "s" }
            );
        }
        // Until it has ended, `make clean` leaves its kernel alone.
        let _usage = Usage::of(&parts.image)?;
        self.boot(&parts, &log, accelerator)
    }

    /// Boots the guest with its parts at hand.
    pub(crate) fn boot(
        &self,
        parts: &Parts,
        log: &Path,
        accelerator: Accelerator,
    ) -> Result<Outcome> {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => env::current_dir().context("cannot find the working directory")?,
        };
        // The guest sees this machine's files: the script needs no way of its own into it.
        let folder = tempfile::Builder::new()
            .prefix("guest-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let copies = folder.path().join("programs");
        copies::make(&built()?, &copies)?;
        let script = Script {
            module: parts.module.as_deref(),
            control: &copies.join(CONTROL),
            directory: &directory,
            environment: &environment::of(&copies, &self.environment),
            command: &self.command,
        };
        let file = folder.path().join("run");
        fs::write(&file, script.text()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let programs = folder.path().join("bin");
        early::write(&programs)?;
        let mut command = Machine {
            image: &parts.image,
            is_modular: parts.is_modular,
            log,
            script: &file,
            programs: &programs,
            cpus: self.cpus,
            memory: self.memory_size(),
            accelerator,
            append: &self.append,
            qemu: &self.qemu,
        }
        .command()?;
        let ended = process::run(&mut command, self.limit, self.output, self.end_at)?;
        let log = Log::read(log)?;
        let end = if ended.timed_out {
            End::TimeLimit(self.limit)
        } else {
            End::of(&log)
        };
        Ok(Outcome::new(end, ended.stdout, ended.stderr, log))
    }
}
