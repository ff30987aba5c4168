// SPDX-License-Identifier: GPL-2.0
//! clang, lld and the LLVM tools: the version that rustc has in it where there is one, else the
//! newest.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use semver::Version;

use super::{rustc::Rustc, version_after, version_text};
use crate::run;

/// The oldest that Linux 7.3 takes (its `scripts/min-tool-version.sh`).
pub(crate) const OLDEST: Version = Version::new(17, 0, 1);

/// The programs that the kernel's build calls.
const PROGRAMS: [&str; 9] = [
    "clang",
    "ld.lld",
    "llvm-ar",
    "llvm-link",
    "llvm-nm",
    "llvm-objcopy",
    "llvm-objdump",
    "llvm-readelf",
    "llvm-strip",
];

/// An LLVM installation.
#[derive(Debug, Clone)]
pub(crate) struct Llvm {
    pub(crate) version: Version,
    /// What its programs' names end with: `-22`, or nothing.
    suffix: String,
    /// Where its libclang is, if that is not where the linker looks.
    pub(crate) libclang: Option<PathBuf>,
    /// What clang says of itself.
    pub(crate) text: String,
}

impl Llvm {
    /// Finds the installation that suits a rustc best.
    pub(crate) fn find(rustc: &Rustc) -> Result<Self> {
        best(installed(), rustc.llvm.major).with_context(|| {
            format!(
                "no complete LLVM {} or newer is installed (clang, lld, llvm, libclang)",
                OLDEST.major
            )
        })
    }

    /// Finds the installation of one major version.
    pub(crate) fn of_major(major: u64) -> Result<Self> {
        installed()
            .into_iter()
            .find(|llvm| llvm.version.major == major)
            .with_context(|| format!("LLVM {major} is not installed (clang, lld, llvm, libclang)"))
    }

    /// Debian's packages of one LLVM version.
    pub(crate) fn packages(major: u64) -> Vec<String> {
        [
            format!("clang-{major}"),
            format!("lld-{major}"),
            format!("llvm-{major}"),
            format!("libclang-{major}-dev"),
        ]
        .into()
    }

    /// The name of one of its programs.
    pub(crate) fn program(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// The value of the kernel's make variable `LLVM`.
    pub(crate) fn make_value(&self) -> &str {
        if self.suffix.is_empty() {
            "1"
        } else {
            &self.suffix
        }
    }
}

/// All complete installations: Debian's, each in a directory of its own, and the one on the path.
fn installed() -> Vec<Llvm> {
    let debian = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major: u64 = entry
                .file_name()
                .to_str()?
                .strip_prefix("llvm-")?
                .parse()
                .ok()?;
            Some((format!("-{major}"), Some(entry.path().join("lib"))))
        });
    debian
        .chain([(String::new(), None)])
        .filter_map(|(suffix, libclang)| examine(suffix, libclang))
        .collect()
}

fn examine(suffix: String, libclang: Option<PathBuf>) -> Option<Llvm> {
    if !PROGRAMS
        .iter()
        .all(|name| run::which(&format!("{name}{suffix}")).is_some())
    {
        return None;
    }
    if libclang
        .as_deref()
        .is_some_and(|directory| !has_libclang(directory))
    {
        return None;
    }
    let text = version_text(format!("clang{suffix}")).ok()?;
    let version = version_after(&text, "clang version ")?;
    Some(Llvm {
        version,
        suffix,
        libclang,
        text,
    })
}

fn has_libclang(directory: &Path) -> bool {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|file| {
            file.file_name()
                .to_str()
                .is_some_and(|name| name.starts_with("libclang") && name.contains(".so"))
        })
}

/// Of those that the kernel takes: the one with the wanted major version, else the newest.
fn best(installed: Vec<Llvm>, major: u64) -> Option<Llvm> {
    installed
        .into_iter()
        .filter(|llvm| llvm.version >= OLDEST)
        .max_by_key(|llvm| (llvm.version.major == major, llvm.version.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn llvm(major: u64) -> Llvm {
        Llvm {
            version: Version::new(major, 1, 0),
            suffix: format!("-{major}"),
            libclang: None,
            text: String::new(),
        }
    }

    fn best_of(majors: &[u64], wanted: u64) -> Option<u64> {
        best(majors.iter().map(|&major| llvm(major)).collect(), wanted)
            .map(|llvm| llvm.version.major)
    }

    #[test]
    fn prefers_the_version_in_rustc_then_the_newest() {
        assert_eq!(best_of(&[19, 22, 20], 20), Some(20));
        assert_eq!(best_of(&[19, 22, 20], 21), Some(22));
        assert_eq!(best_of(&[14, 16], 16), None);
        assert_eq!(best_of(&[], 22), None);
    }

    #[test]
    fn names_for_make() {
        assert_eq!(llvm(22).make_value(), "-22");
        assert_eq!(llvm(22).program("clang"), "clang-22");
        let plain = Llvm {
            suffix: String::new(),
            ..llvm(22)
        };
        assert_eq!(
            (plain.make_value(), plain.program("clang").as_str()),
            ("1", "clang")
        );
    }
}
