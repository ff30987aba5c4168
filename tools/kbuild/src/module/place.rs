// SPDX-License-Identifier: GPL-2.0
//! Where a module is that has been built, or will be.

use std::path::{Path, PathBuf};

use crate::{Cache, Project, key::Inputs};

/// The module's name.
pub(crate) const NAME: &str = "rust_taskstats";

/// What the module is built to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Used.
    #[default]
    Use,
    /// Tested: it compares each record that it fills with C's, and brings KUnit tests. The
    /// module that it gets C's from is in the same directory.
    Test,
}

impl Purpose {
    pub(super) const TEST_DIRECTORY: &str = "test";

    /// What Kbuild is told.
    pub(crate) fn arguments(self) -> Vec<String> {
        match self {
            Self::Use => vec![],
            Self::Test => vec!["TASKSTATS_TEST_BUILD=1".into()],
        }
    }
}

/// Where the module of a work tree is, built for a kernel's build directory.
pub(crate) fn file(cache: &Cache, project: &Project, build: &Path, purpose: Purpose) -> PathBuf {
    let output = output(cache, project.top(), build);
    match purpose {
        Purpose::Use => output,
        Purpose::Test => aside(output, Purpose::TEST_DIRECTORY),
    }
    .join(file_name())
}

/// One directory for each source, mostly a work tree, and kernel.
pub(super) fn output(cache: &Cache, source: &Path, kdir: &Path) -> PathBuf {
    let mut inputs = Inputs::default();
    inputs.add("work tree", source.display());
    inputs.add("kernel", kdir.display());
    cache.modules().join(inputs.key())
}

pub(super) fn aside(output: PathBuf, name: &str) -> PathBuf {
    let mut output = output.into_os_string();
    output.push(format!("-{name}"));
    output.into()
}

pub(super) fn file_name() -> String {
    format!("{NAME}.ko")
}
