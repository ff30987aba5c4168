// SPDX-License-Identifier: GPL-2.0
//! A guest: how it is to be, and running it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use kernel::{Cache, Config};

use crate::{
    early, kvm,
    log::Log,
    logfile,
    outcome::{End, Outcome},
    process::{self, Output},
    qemu::{self, Accelerator},
    script::Script,
    virtme::Machine,
};

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

/// The caller's environment variables that the command gets as well.
const PASSED_ON: &[&str] = &["NO_COLOR", "RUST_BACKTRACE", "RUST_LOG"];
/// Directories that the guest does not share with this machine: virtme-ng mounts others over them.
const NOT_SHARED: &[&str] = &[
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/var/cache",
    "/var/lib/apt",
    "/var/log",
    "/var/tmp",
];
/// Where root's programs are, which a user's `PATH` may lack.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A guest that runs one command as root and powers off.
///
/// Its root is this machine's own, read-only with overlays in memory.
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
    config: Config,
    image: Option<PathBuf>,
    module: Option<PathBuf>,
    vng: Option<PathBuf>,
    implementation: Implementation,
    cpus: u32,
    memory: String,
    icount: bool,
    kvm: bool,
    threads: bool,
    limit: Duration,
    log: Option<PathBuf>,
    append: Vec<String>,
    environment: Vec<(String, String)>,
    directory: Option<PathBuf>,
    command: Vec<String>,
    output: Output,
    end_at: Option<&'static str>,
}

/// Fails if the guest cannot see a file.
fn check_shared(path: &Path) -> Result<()> {
    match NOT_SHARED
        .iter()
        .find(|directory| path.starts_with(directory))
    {
        Some(directory) => bail!(
            "{} cannot be seen in the guest, which has its own {directory}",
            path.display()
        ),
        None => Ok(()),
    }
}

/// The files that a guest is made of.
pub(crate) struct Parts {
    pub(crate) image: PathBuf,
    pub(crate) module: Option<PathBuf>,
    pub(crate) vng: PathBuf,
}

impl Guest {
    /// Two CPUs, 1 GiB, the lean kernel with the module, a time limit of 300 seconds, and no
    /// command yet.
    pub fn builder() -> Self {
        Self {
            config: Config::default(),
            image: None,
            module: None,
            vng: None,
            implementation: Implementation::default(),
            cpus: 2,
            memory: "1G".into(),
            icount: false,
            kvm: true,
            threads: false,
            limit: Duration::from_secs(300),
            log: None,
            append: Vec::new(),
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

    /// A program `vng` other than the one that belongs to the built kernel.
    pub fn vng(mut self, vng: impl Into<PathBuf>) -> Self {
        self.vng = Some(vng.into());
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

    /// The size of the memory, as `512M` or `1G`.
    pub fn memory(mut self, memory: impl Into<String>) -> Self {
        self.memory = memory.into();
        self
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

    /// Whether an emulated machine has a thread for each CPU even with a QEMU before 8.1. With such
    /// a QEMU the CPUs take turns by default, as the guest else crashes now and then: for
    /// measurements of what runs at the same time only.
    pub fn threads(mut self, threads: bool) -> Self {
        self.threads = threads;
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
    /// the [`Outcome`].
    pub fn pass_output_on(mut self) -> Self {
        self.output = Output::PassOn;
        self
    }

    /// Ends the guest as soon as the virtual machine writes this to its standard error.
    pub(crate) fn end_at(mut self, text: &'static str) -> Self {
        self.end_at = Some(text);
        self
    }

    /// Boots the guest, runs the command in it, waits for its end, and judges the kernel's log.
    ///
    /// An error means that there was no guest: something to start it with is missing.
    pub fn run(self) -> Result<Outcome> {
        if self.command.is_empty() {
            bail!("no command was given");
        }
        let cache = Cache::open()?;
        let parts = self.parts()?;
        let log = match &self.log {
            Some(path) => std::path::absolute(path)?,
            None => logfile::new(&cache)?,
        };
        // A log of before must not be taken for this guest's.
        fs::write(&log, "")
            .with_context(|| format!("cannot write the kernel's log to {}", log.display()))?;
        let accelerator = if self.icount {
            Accelerator::Instructions
        } else if self.kvm && kvm::works(&cache, &parts.vng, &parts.image)? {
            Accelerator::Kvm
        } else {
            Accelerator::Emulation {
                threads: self.threads || qemu::emulates_in_threads(),
            }
        };
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
        let script = Script {
            module: parts.module.as_deref(),
            directory: &directory,
            environment: &self.environment(),
            command: &self.command,
        };
        // The guest sees this machine's files: the script needs no way of its own into it.
        let folder = tempfile::Builder::new()
            .prefix("guest-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        check_shared(folder.path()).context("TMPDIR has to be elsewhere")?;
        parts.module.as_deref().map_or(Ok(()), check_shared)?;
        let file = folder.path().join("run");
        fs::write(&file, script.text()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        let programs = folder.path().join("bin");
        early::write(&programs)?;
        let mut command = Machine {
            vng: &parts.vng,
            image: &parts.image,
            log,
            script: &file,
            programs: &programs,
            cpus: self.cpus,
            memory: &self.memory,
            accelerator,
            append: &self.append,
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

    /// Finds what the guest is made of: what was named, and the rest with the built kernel.
    fn parts(&self) -> Result<Parts> {
        let wants_module = self.implementation == Implementation::Rust;
        let built = if self.image.is_some()
            && self.vng.is_some()
            && (self.module.is_some() || !wants_module)
        {
            None
        } else {
            Some(kernel::built(self.config)?)
        };
        let part = |named: &Option<PathBuf>, built: Option<PathBuf>| -> Result<PathBuf> {
            let path = named
                .clone()
                .or(built)
                .context("a part of the guest is not named")?;
            let path = std::path::absolute(path)?;
            if !path.is_file() {
                bail!("{} is not there", path.display());
            }
            Ok(path)
        };
        Ok(Parts {
            image: part(&self.image, built.as_ref().map(|built| built.image.clone()))?,
            vng: part(&self.vng, built.as_ref().map(|built| built.vng.clone()))?,
            module: match wants_module {
                true => Some(part(&self.module, built.map(|built| built.module))?),
                false => None,
            },
        })
    }

    /// The command's whole environment.
    fn environment(&self) -> Vec<(String, String)> {
        let path = match env::var("PATH") {
            Ok(path) if !path.is_empty() => format!("{path}:{ROOT_PATH}"),
            _ => ROOT_PATH.to_owned(),
        };
        let fixed = [
            ("PATH", path.as_str()),
            ("HOME", "/root"),
            ("USER", "root"),
            ("LANG", "C.UTF-8"),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let passed_on = PASSED_ON
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
        fixed
            .into_iter()
            .chain(passed_on)
            .chain(self.environment.iter().cloned())
            .collect()
    }
}
