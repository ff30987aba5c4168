// SPDX-License-Identifier: GPL-2.0
//! A built kernel tree, and with which compilers modules for it have to be built.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{config::Options, toolchain::Toolchain};

/// The patches' export by which the module takes over.
const SEAM: &str = "taskstats_attach";

/// The kernel's types, by which a module for livepatch knows the kernel.
const TYPES: &str = "vmlinux.btf";

/// How the module gets its place in a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seam {
    /// Through the slot that the project's patches make.
    Slot,
    /// By livepatch, as the kernel is.
    Livepatch,
}

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

    /// How the module gets its place, as its Kbuild decides it. Fails where there is no way.
    pub(super) fn seam(&self) -> Result<Seam> {
        let symbols = self.directory.join("Module.symvers");
        // Without the symbols, it is not known yet, and nothing is linked.
        let has_slot = !symbols.is_file()
            || fs::read_to_string(symbols)?
                .lines()
                .any(|line| line.split('\t').nth(1) == Some(SEAM));
        if has_slot {
            return Ok(Seam::Slot);
        }
        if self.options.get("CONFIG_LIVEPATCH") == "y" {
            ensure!(
                self.directory.join(TYPES).is_file(),
                "{TYPES} is missing in {}: make it from the kernel's vmlinux with \
                 `objcopy -O binary -j .BTF vmlinux {TYPES}`",
                self.directory.display()
            );
            return Ok(Seam::Livepatch);
        }
        bail!(
            "the kernel in {} is built without the patches in patches/linux-7.3, its \
             Module.symvers has no {SEAM}, and without CONFIG_LIVEPATCH, which would do as well",
            self.directory.display()
        );
    }

    /// Whether it was compiled with clang, not gcc. Fails where the environment's compilers are
    /// others than the kernel's.
    pub(super) fn is_clangs(&self, ours: &Toolchain) -> Result<bool> {
        let option = |name| self.options.get(name).trim_matches('"');
        let rustc = option("CONFIG_RUSTC_VERSION_TEXT");
        let cc = option("CONFIG_CC_VERSION_TEXT");
        if rustc != ours.rustc || !ours.has_c_compiler(cc) {
            bail!(
                "the kernel in {} was built with {rustc} and {cc}, the environment has {}: a module \
                 in Rust needs the very same. Build the kernel in the environment (make shell), or \
                 the module where its compilers are: make -C {0} M=$PWD modules",
                self.directory.display(),
                ours.rustc
            );
        }
        Ok(option("CONFIG_CC_IS_CLANG") == "y")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "CONFIG_MODULES=y\nCONFIG_RUST=y\nCONFIG_TASKSTATS=y\n\n";

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
    fn wants_the_compilers_of_the_kernel() {
        let ours = Toolchain::find().unwrap();
        let config = format!(
            "{CONFIG}CONFIG_RUSTC_VERSION_TEXT=\"{}\"\nCONFIG_CC_VERSION_TEXT=\"{}\"\n",
            ours.rustc, ours.clang
        );
        let built = ["Module.symvers", "rust/libkernel.rmeta"];
        let with = |config: &str| tree(config, &built).1.unwrap().is_clangs(&ours);
        assert!(!with(&config).unwrap());
        assert!(with(&format!("{config}CONFIG_CC_IS_CLANG=y\n")).unwrap());
        for (part, other) in [(&ours.rustc, "rustc 1.2.3 (y)"), (&ours.clang, "tcc 0.9")] {
            let error = with(&config.replace(part, other)).unwrap_err().to_string();
            assert!(error.contains(other), "{error}");
        }
    }

    #[test]
    fn wants_the_patches_or_livepatch() {
        let files = ["Module.symvers", "rust/libkernel.rmeta"];
        let (temp, plain) = tree(CONFIG, &files);
        let plain = plain.unwrap();
        let error = plain.seam().unwrap_err().to_string();
        assert!(error.contains("without the patches"), "{error}");
        let symbols = format!("0x1\tother\tvmlinux\tEXPORT_SYMBOL\n0x2\t{SEAM}\tvmlinux\tE\n");
        fs::write(temp.path().join("Module.symvers"), symbols).unwrap();
        assert_eq!(plain.seam().unwrap(), Seam::Slot);
        let (temp, stock) = tree(&format!("{CONFIG}CONFIG_LIVEPATCH=y\n"), &files);
        let stock = stock.unwrap();
        let error = stock.seam().unwrap_err().to_string();
        assert!(error.contains(TYPES), "{error}");
        fs::write(temp.path().join(TYPES), "").unwrap();
        assert_eq!(stock.seam().unwrap(), Seam::Livepatch);
    }
}
