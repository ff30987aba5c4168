// SPDX-License-Identifier: GPL-2.0
//! The Rust compiler: rustup's or Debian's, whichever is first on the path.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use semver::Version;

use super::version_after;
use crate::{Cache, run};

/// The oldest that Linux 7.3 takes (its `scripts/min-tool-version.sh`).
const OLDEST: Version = Version::new(1, 85, 0);

/// A Rust compiler.
#[derive(Debug)]
pub(crate) struct Rustc {
    pub(crate) version: Version,
    /// The version of the LLVM in it.
    pub(crate) llvm: Version,
    /// Its directory, with `bin/rustc` and all that belongs to it.
    pub(crate) sysroot: PathBuf,
    /// What it says of itself.
    pub(crate) text: String,
}

impl Rustc {
    pub(crate) fn find() -> Result<Self> {
        let said = run::answer(&run::program("rustc", &["--version", "--verbose"])).context(
            "no Rust compiler answers: install Debian's packages `rustc cargo`, or rustup",
        )?;
        let (version, llvm) = parse(&said).context("rustc names no version")?;
        if version < OLDEST {
            bail!("rustc {version} is too old: the kernel needs {OLDEST} (`rustup update`)");
        }
        let sysroot = run::answer(&run::program("rustc", &["--print", "sysroot"]))?;
        Ok(Self {
            version,
            llvm,
            sysroot: sysroot.trim_end().into(),
            text: said.lines().next().unwrap_or_default().into(),
        })
    }

    /// Where its programs are.
    pub(crate) fn bin(&self) -> PathBuf {
        self.sysroot.join("bin")
    }

    /// Whether rustup manages it.
    pub(crate) fn is_rustups(&self) -> bool {
        // `~/.rustup/toolchains/NAME`, wherever RUSTUP_HOME is.
        let parent = self.sysroot.parent().and_then(Path::file_name);
        parent.is_some_and(|name| name == "toolchains") && run::which("rustup").is_some()
    }

    /// Lets rustup add a component to it.
    pub(crate) fn add_component(&self, cache: &Cache, component: &str) -> Result<()> {
        let name = self
            .sysroot
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let arguments = ["component", "add", "--toolchain", &name, component];
        let add = run::program("rustup", &arguments);
        let title = format!("adding {component} to rustc {}", self.version);
        run::logged(&title, &add, &cache.log("rustup"), |_| None)
    }
}

fn parse(verbose: &str) -> Option<(Version, Version)> {
    Some((
        version_after(verbose, "rustc ")?,
        version_after(verbose, "LLVM version: ")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_versions() {
        let said = "rustc 1.85.0 (4d91de4e4 2025-02-17) (from a tarball)\nbinary: rustc\n\
                    release: 1.85.0\nLLVM version: 19.1.7\n";
        assert_eq!(
            parse(said),
            Some((Version::new(1, 85, 0), Version::new(19, 1, 7)))
        );
        assert_eq!(parse("rustc 1.85.0\n"), None);
    }
}
