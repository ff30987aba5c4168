// SPDX-License-Identifier: GPL-2.0

//! The test build of the module lets C fill each record as well, by way of a module of its own,
//! which counts.

use std::{
    fmt,
    fs::{self, File},
    path::Path,
};

use anyhow::Context;
use nix::kmod::{ModuleInitFlags, finit_module};

const MODULE: &str = "rust_taskstats_oracle";

/// The module that brings C's records. It stays until the guest ends.
#[derive(Debug)]
pub struct Oracle(());

impl Oracle {
    /// Loads it from the directory that the test build of `module` is in.
    pub fn load_beside(module: &Path) -> anyhow::Result<Self> {
        let path = module.with_file_name(format!("{MODULE}.ko"));
        let file = File::open(&path)
            .with_context(|| format!("{}: is this the test build?", path.display()))?;
        finit_module(&file, c"", ModuleInitFlags::empty())
            .with_context(|| format!("loading {}", path.display()))?;
        Ok(Self(()))
    }

    /// What has been compared so far.
    pub fn count(&self) -> anyhow::Result<Count> {
        Ok(Count {
            records: parameter("records")?,
            differences: parameter("differences")?,
        })
    }
}

fn parameter(name: &str) -> anyhow::Result<u64> {
    let path = format!("/sys/module/{MODULE}/parameters/{name}");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    text.trim().parse().with_context(|| path)
}

/// What the module has compared with C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Records that it filled, and sums that it added a thread to.
    pub records: u64,
    /// Fields that were not what C made of them.
    pub differences: u64,
}

impl Count {
    /// Whether there were records, and all of them C's.
    pub fn is_agreement(&self) -> bool {
        self.records > 0 && self.differences == 0
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records were compared with C's as they were filled: {} fields differed.",
            self.records, self.differences
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_compared_is_no_agreement() {
        let count = |records, differences| Count {
            records,
            differences,
        };
        assert!(count(1, 0).is_agreement());
        assert!(!count(0, 0).is_agreement());
        assert!(!count(2, 1).is_agreement());
    }
}
