// SPDX-License-Identifier: GPL-2.0
//! Programs that belong to one rustc and are not always installed with it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::rustc::Rustc;
use crate::{Cache, apt};

/// Formats.
pub(crate) const RUSTFMT: Companion = Companion {
    program: "rustfmt",
    component: "rustfmt",
    packages: [("rustc", "rustfmt"), ("rustc-web", "rustfmt-web")],
};

/// Compiles with more lints.
pub(crate) const CLIPPY: Companion = Companion {
    program: "clippy-driver",
    component: "clippy",
    packages: [("rustc", "rust-clippy"), ("rustc-web", "rust-web-clippy")],
};

/// Makes documentation.
pub(crate) const RUSTDOC: Companion = Companion {
    program: "rustdoc",
    component: "rustc",
    packages: [("rustc", "rustc"), ("rustc-web", "rustc-web")],
};

/// A program beside rustc.
#[derive(Debug)]
pub(crate) struct Companion {
    program: &'static str,
    /// rustup's name for it.
    component: &'static str,
    /// Debian's package of it, for each package of rustc.
    packages: [(&'static str, &'static str); 2],
}

impl Companion {
    /// Finds it, or installs it.
    pub(crate) fn get(&self, cache: &Cache, rustc: &Rustc) -> Result<PathBuf> {
        let program = rustc.bin().join(self.program);
        if !program.is_file() {
            self.install(cache, rustc).with_context(|| {
                format!("{} of rustc {} is missing", self.program, rustc.version)
            })?;
        }
        if !program.is_file() {
            bail!("{} is still missing", program.display());
        }
        Ok(program)
    }

    fn install(&self, cache: &Cache, rustc: &Rustc) -> Result<()> {
        if rustc.is_rustups() {
            return rustc.add_component(cache, self.component);
        }
        let compiler = rustc.bin().join("rustc");
        let owner = apt::owner(&compiler)?;
        let package = self
            .packages
            .iter()
            .find(|(of, _)| owner.as_deref() == Some(of));
        let (_, package) = package.with_context(|| {
            format!(
                "{} is neither rustup's nor Debian's: add it to yours",
                compiler.display()
            )
        })?;
        apt::install(cache, &[(*package).to_owned()])
    }
}
