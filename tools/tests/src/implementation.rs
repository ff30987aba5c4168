// SPDX-License-Identifier: GPL-2.0

//! Who answers: C's taskstats, built into the kernel, or Rust's, while its module is loaded.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, ensure};
pub use control::MODULE;
use nix::errno::Errno;

/// An implementation of taskstats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// The kernel's own.
    C,
    /// The module's.
    Rust,
}

impl Implementation {
    /// Who is in charge, by the kernel's list of modules.
    pub fn in_charge() -> anyhow::Result<Self> {
        let modules = procfs::modules().context("reading /proc/modules")?;
        Ok(if modules.contains_key(MODULE) {
            Self::Rust
        } else {
            Self::C
        })
    }
}

/// Changes the implementation.
#[derive(Debug)]
pub struct Switch {
    module: PathBuf,
    /// Leaves C in charge where Rust is wanted: for working on the tests themselves.
    oracle_only: bool,
}

impl Switch {
    /// A switch that loads this module file.
    pub fn new(module: PathBuf, oracle_only: bool) -> Self {
        Self {
            module,
            oracle_only,
        }
    }

    /// Whether Rust is never put in charge, so that nothing is proven.
    pub fn oracle_only(&self) -> bool {
        self.oracle_only
    }

    /// Puts an implementation in charge, if it is not yet.
    pub fn to(&self, wanted: Implementation) -> anyhow::Result<()> {
        if self.oracle_only || Implementation::in_charge()? == wanted {
            return Ok(());
        }
        match wanted {
            Implementation::Rust => self.load().context("loading the module")?,
            Implementation::C => unload().context("unloading the module")?,
        }
        ensure!(
            Implementation::in_charge()? == wanted,
            "{wanted:?} is not in charge after the change"
        );
        Ok(())
    }

    /// Puts an implementation in charge until the guard is dropped, which puts C in charge.
    pub fn hold(&self, wanted: Implementation) -> anyhow::Result<Held<'_>> {
        let held = Held { switch: self };
        self.to(wanted)?;
        Ok(held)
    }

    /// Loads the module file whoever is in charge: `rust-taskstats load`.
    pub fn load(&self) -> anyhow::Result<()> {
        Ok(load(&self.open()?)?)
    }

    /// Opens the module file.
    pub fn open(&self) -> anyhow::Result<File> {
        File::open(&self.module).with_context(|| format!("opening {}", self.module.display()))
    }
}

/// How many references there are to the loaded module while nobody uses it: livepatch's, if it takes
/// over by that.
pub fn references_unused() -> anyhow::Result<i32> {
    Ok(control::takes_over_by_livepatch()?.into())
}

/// Loads an open module file whoever is in charge: `rust-taskstats load`.
pub fn load(file: &File) -> Result<(), Errno> {
    control::load(file).map_err(errno_of)
}

/// Unloads the module whoever is in charge, without waiting for its users: `rust-taskstats unload`.
pub fn unload() -> Result<(), Errno> {
    control::unload().map_err(errno_of)
}

/// What the kernel said, or that it was waited for in vain.
fn errno_of(error: anyhow::Error) -> Errno {
    error.downcast_ref().copied().unwrap_or_else(|| {
        eprintln!("{error:#}");
        Errno::ETIMEDOUT
    })
}

/// An implementation in charge; C is, once this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    switch: &'a Switch,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.switch.to(Implementation::C) {
            // The next test finds the wrong one in charge and fails by itself.
            eprintln!("handing back to C: {error:#}");
        }
    }
}
