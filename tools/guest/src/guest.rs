// SPDX-License-Identifier: GPL-2.0
//! A guest: how it is to be.

use std::{path::PathBuf, time::Duration};

use kbuild::Config;

use crate::process::Output;

/// Which taskstats answers in the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Implementation {
    /// The module's: it is loaded before the command.
    #[default]
    Rust,
    /// The kernel's own, written in C: nothing is loaded.
    C,
    /// Whatever the kernel has, if anything: nothing is loaded.
    None,
}

/// The time limit of a guest that is given none: longer than any takes that makes progress, on a
/// busy machine that emulates. It is there for what hangs; no test measures time by it.
pub const HUNG: Duration = Duration::from_secs(3600);

/// A guest that runs one command as root and powers off.
///
/// Its root is the environment's, read-only with overlays in memory. It has its own `/dev`,
/// `/proc`, `/run`, `/sys`, `/var/cache`, `/var/log` and `/var/tmp`: what the environment has there
/// it cannot see. What changes in the environment while the guest runs, it may or may not see.
///
/// ```no_run
/// use guest::{Guest, Implementation};
///
/// let outcome = Guest::builder().implementation(Implementation::C).command(["uname", "-r"]).run()?;
/// assert!(outcome.success(), "{:?}", outcome.report());
/// println!("{}", String::from_utf8_lossy(&outcome.stdout));
/// # anyhow::Ok(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Guest {
    pub(crate) config: Config,
    pub(crate) image: Option<PathBuf>,
    pub(crate) module: Option<PathBuf>,
    pub(crate) implementation: Implementation,
    pub(crate) cpus: u32,
    memory: Option<String>,
    pub(crate) icount: bool,
    pub(crate) kvm: bool,
    pub(crate) limit: Duration,
    pub(crate) log: Option<PathBuf>,
    pub(crate) append: Vec<String>,
    pub(crate) qemu: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) command: Vec<String>,
    pub(crate) output: Output,
    pub(crate) end_at: Option<&'static str>,
}

impl Guest {
    /// Two CPUs, as much memory as the kernel needs, the lean kernel with the module, [`HUNG`] as
    /// the time limit, and no command yet.
    pub fn builder() -> Self {
        Self {
            config: Config::default(),
            image: None,
            module: None,
            implementation: Implementation::default(),
            cpus: 2,
            memory: None,
            icount: false,
            kvm: true,
            limit: HUNG,
            log: None,
            append: Vec::new(),
            qemu: Vec::new(),
            environment: Vec::new(),
            directory: None,
            command: Vec::new(),
            output: Output::Capture,
            end_at: None,
        }
    }

    /// The kernel's configuration.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// A kernel image other than the built one.
    pub fn image(mut self, image: impl Into<PathBuf>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// A module other than the built one.
    pub fn module(mut self, module: impl Into<PathBuf>) -> Self {
        self.module = Some(module.into());
        self
    }

    /// Which taskstats answers.
    pub fn implementation(mut self, implementation: Implementation) -> Self {
        self.implementation = implementation;
        self
    }

    /// The number of CPUs.
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// The size of the memory, as `512M` or `1G`, instead of 1 GiB, or 2 GiB for the debug kernel.
    pub fn memory(mut self, memory: impl Into<String>) -> Self {
        self.memory = Some(memory.into());
        self
    }

    pub(crate) fn memory_size(&self) -> &str {
        let usual = match self.config {
            Config::Lean | Config::Pristine | Config::Debian => "1G",
            // A byte in eight is KASAN's, and each object is larger.
            Config::Debug => "2G",
        };
        self.memory.as_deref().unwrap_or(usual)
    }

    /// Whether virtual time counts instructions: one nanosecond each, so that the guest's clock is
    /// an instruction counter. Implies emulation.
    pub fn icount(mut self, icount: bool) -> Self {
        self.icount = icount;
        self
    }

    /// Whether KVM is used where a probe shows that it works. Otherwise the machine is emulated.
    pub fn kvm(mut self, kvm: bool) -> Self {
        self.kvm = kvm;
        self
    }

    /// The time after which the guest is ended.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The file for the kernel's log, instead of one in the cache.
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// A further argument for the kernel's command line.
    pub fn append(mut self, argument: impl Into<String>) -> Self {
        self.append.push(argument.into());
        self
    }

    /// A further argument for QEMU.
    pub fn qemu(mut self, argument: impl Into<String>) -> Self {
        self.qemu.push(argument.into());
        self
    }

    /// A further environment variable for the command. The caller's own environment does not reach
    /// it, but for `PATH` and what programs in Rust take note of.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The command's working directory, instead of the caller's.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The command and its arguments.
    pub fn command<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    /// A shell's command line as the command.
    pub fn shell(self, line: impl Into<String>) -> Self {
        self.command(["/bin/sh".to_owned(), "-c".to_owned(), line.into()])
    }

    /// Passes the command's output on to this program's own as it comes, instead of keeping it for
    /// the [`Outcome`](crate::Outcome).
    pub fn pass_output_on(mut self) -> Self {
        self.output = Output::PassOn;
        self
    }

    /// Ends the guest as soon as the virtual machine writes this to its standard error.
    pub(crate) fn end_at(mut self, text: &'static str) -> Self {
        self.end_at = Some(text);
        self
    }
}
