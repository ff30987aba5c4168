// SPDX-License-Identifier: GPL-2.0
//! The work tree that is built.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a work tree of this project is known by.
const MARK: &str = "tools/kbuild/lean.config";

/// A work tree of this project.
#[derive(Debug, Clone)]
pub struct Project {
    top: PathBuf,
}

impl Project {
    /// Finds the work tree around the current directory, or else the one that this program was
    /// built from.
    pub fn find() -> Result<Self> {
        let here = std::env::current_dir()?;
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors()
            .chain(ours.ancestors())
            .find(|directory| directory.join(MARK).is_file())
            .map(Self::at)
            .with_context(|| {
                format!(
                    "no directory above {} is a work tree of rust-taskstats",
                    here.display()
                )
            })
    }

    pub(crate) fn at(top: &Path) -> Self {
        Self {
            top: top.to_owned(),
        }
    }

    /// The top directory.
    pub fn top(&self) -> &Path {
        &self.top
    }

    pub(crate) fn patches(&self) -> PathBuf {
        self.top.join("patches/linux-7.3")
    }

    /// The folder with a fragment for each variant of the lean kernel.
    pub(crate) fn variants(&self) -> PathBuf {
        self.top.join("tools/kbuild/variants")
    }

    pub(crate) fn fragment(&self, name: &str) -> PathBuf {
        self.top.join("tools/kbuild").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_tree_that_it_was_built_from() {
        let project = Project::find().unwrap();
        assert!(project.fragment("lean.config").is_file());
    }
}
