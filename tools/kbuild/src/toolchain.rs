// SPDX-License-Identifier: GPL-2.0
//! The compilers, and what Rust in the kernel needs beside them.

pub(crate) mod bindgen;
pub(crate) mod companion;
pub(crate) mod core_source;
pub(crate) mod llvm;
pub(crate) mod rustc;
pub(crate) mod vng;

use std::path::PathBuf;

use anyhow::{Context, Result};
use semver::Version;

use crate::{Cache, key::Inputs, run};
use bindgen::Bindgen;
use llvm::Llvm;
use rustc::Rustc;

/// The compilers that a kernel is built with.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) rustc: Rustc,
    pub(crate) llvm: Llvm,
    pub(crate) bindgen: Bindgen,
    /// The `library` directory of the source of this rustc's standard library.
    pub(crate) core_source: PathBuf,
}

impl Toolchain {
    /// Finds them on the machine and in the cache. Installs nothing.
    pub(crate) fn find(cache: &Cache) -> Result<Self> {
        let rustc = Rustc::find()?;
        let llvm = Llvm::find(&rustc)?;
        let bindgen = Bindgen::find(cache, &llvm)?;
        let core_source = core_source::find(cache, &rustc).with_context(|| {
            format!(
                "the source of the core library of rustc {} is missing",
                rustc.version
            )
        })?;
        Ok(Self {
            rustc,
            llvm,
            bindgen,
            core_source,
        })
    }

    /// Whether C helpers can be inlined into Rust: both compilers have one LLVM version.
    pub(crate) fn can_inline_helpers(&self) -> bool {
        self.llvm.version.major == self.rustc.llvm.major
    }

    pub(crate) fn describe(&self, inputs: &mut Inputs) {
        inputs.add("rustc", &self.rustc.text);
        inputs.add("clang", &self.llvm.text);
        inputs.add("bindgen", &self.bindgen.version);
    }
}

/// The first `x.y.z` after `before` in what a program says of itself.
fn version_after(text: &str, before: &str) -> Option<Version> {
    let rest = &text[text.find(before)? + before.len()..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    Version::parse(&rest[..end]).ok()
}

/// What a program says of its version, in one line.
fn version_text(program: impl duct::IntoExecutablePath) -> Result<String> {
    let text = run::answer(&run::program(program, &["--version"]))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_versions_in_what_programs_say() {
        let clang = "Debian clang version 22.1.8 (1~deb12u1)";
        assert_eq!(
            version_after(clang, "clang version "),
            Some(Version::new(22, 1, 8))
        );
        assert_eq!(
            version_after("bindgen 0.72.1", "bindgen "),
            Some(Version::new(0, 72, 1))
        );
        assert_eq!(
            version_after("rustc 1.97.0-nightly (x)", "rustc "),
            Some(Version::new(1, 97, 0))
        );
        assert_eq!(version_after("gcc 12", "clang version "), None);
    }
}
