// SPDX-License-Identifier: GPL-2.0
//! A built kernel tree, and with which compilers modules for it have to be built.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    config::Options,
    toolchain::{llvm::Llvm, rustc::Rustc},
};

/// A kernel's build directory.
#[derive(Debug)]
pub(super) struct Tree {
    directory: PathBuf,
    options: Options,
}

impl Tree {
    /// Reads a build directory, and makes sure that Rust modules can be built against it.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let tree = Self::read_prepared(directory)?;
        tree.has("Module.symvers")?;
        Ok(tree)
    }

    /// The same, but that modules can only be compiled, not linked.
    pub(super) fn read_prepared(directory: &Path) -> Result<Self> {
        let name = directory.display();
        let config = directory.join("include/config/auto.conf");
        let text = fs::read_to_string(&config).with_context(|| {
            format!("{name} is no built kernel tree: it has no include/config/auto.conf")
        })?;
        let tree = Self {
            directory: directory.to_owned(),
            options: Options::parse(&text)?,
        };
        for option in ["CONFIG_MODULES", "CONFIG_RUST", "CONFIG_TASKSTATS"] {
            if tree.options.get(option) != "y" {
                bail!(
                    "the kernel in {name} is configured without {option}, which the module needs"
                );
            }
        }
        tree.has("rust/libkernel.rmeta")?;
        Ok(tree)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn has(&self, file: &str) -> Result<()> {
        if !self.directory.join(file).is_file() {
            bail!(
                "the kernel in {} is not built to its end: {file} is missing",
                self.directory.display()
            );
        }
        Ok(())
    }

    /// The LLVM that it was compiled with, if not gcc. Fails where rustc is another than the
    /// kernel's.
    pub(super) fn compiler(&self, rustc: &Rustc) -> Result<Option<Llvm>> {
        let theirs = self
            .options
            .get("CONFIG_RUSTC_VERSION_TEXT")
            .trim_matches('"');
        if theirs != rustc.text {
            bail!(
                "the kernel in {} was built with {theirs}, this is {}: Rust modules need the same \
                 compiler",
                self.directory.display(),
                rustc.text
            );
        }
        if self.options.get("CONFIG_CC_IS_CLANG") != "y" {
            return Ok(None);
        }
        let major = clang_major(self.options.get("CONFIG_CLANG_VERSION"))
            .context("the kernel names no clang version")?;
        Llvm::of_major(major).map(Some)
    }
}

/// The major version in a number such as 220108.
fn clang_major(version: &str) -> Option<u64> {
    Some(version.parse::<u64>().ok()? / 10_000)
}

#[cfg(test)]
mod tests {
    use semver::Version;

    use super::*;

    const CONFIG: &str = "CONFIG_MODULES=y\nCONFIG_RUST=y\nCONFIG_TASKSTATS=y\nCONFIG_CC_IS_GCC=y\n\
                          CONFIG_RUSTC_VERSION_TEXT=\"rustc 1.95.0 (x)\"\n";

    fn tree(config: &str, files: &[&str]) -> (tempfile::TempDir, Result<Tree>) {
        let temp = tempfile::tempdir().unwrap();
        for (file, text) in files
            .iter()
            .map(|file| (*file, ""))
            .chain([("include/config/auto.conf", config)])
        {
            let path = temp.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::read(temp.path());
        (temp, tree)
    }

    fn rustc(text: &str) -> Rustc {
        let version = Version::new(1, 95, 0);
        Rustc {
            llvm: version.clone(),
            version,
            sysroot: PathBuf::new(),
            text: text.into(),
        }
    }

    #[test]
    fn says_what_a_tree_lacks() {
        let built = ["Module.symvers", "rust/libkernel.rmeta"];
        assert!(tree(CONFIG, &built).1.is_ok());
        let error = tree(CONFIG, &built[..1]).1.unwrap_err().to_string();
        assert!(error.contains("libkernel.rmeta"), "{error}");
        let (temp, unlinked) = tree(CONFIG, &built[1..]);
        let error = unlinked.unwrap_err().to_string();
        assert!(error.contains("Module.symvers"), "{error}");
        assert!(Tree::read_prepared(temp.path()).is_ok());
        let error = tree(&CONFIG.replace("CONFIG_RUST=y", ""), &built)
            .1
            .unwrap_err()
            .to_string();
        assert!(error.contains("without CONFIG_RUST"), "{error}");
        let error = Tree::read(Path::new("/nonexistent"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("no built kernel tree"), "{error}");
    }

    #[test]
    fn wants_the_compiler_of_the_kernel() {
        let (_temp, tree) = tree(CONFIG, &["Module.symvers", "rust/libkernel.rmeta"]);
        let tree = tree.unwrap();
        assert!(tree.compiler(&rustc("rustc 1.95.0 (x)")).unwrap().is_none());
        let error = tree
            .compiler(&rustc("rustc 1.96.0 (y)"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("rustc 1.95.0 (x)") && error.contains("rustc 1.96.0 (y)"),
            "{error}"
        );
    }

    #[test]
    fn reads_clang_versions() {
        assert_eq!(clang_major("220108"), Some(22));
        assert_eq!(clang_major("n"), None);
    }
}
