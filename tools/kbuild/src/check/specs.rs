// SPDX-License-Identifier: GPL-2.0
//! That the header of the family taskacct is what the kernel's own generator makes of its
//! description, and that each description is one, by the kernel's own schemas.
//!
//! Rust's constants are made of the header when the module is built, so they follow it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{Built, Project, run};

/// The kernel's generator, in its source.
const GENERATOR: &str = "tools/net/ynl/pyynl/ynl_gen_c.py";

/// Where descriptions are, in the kernel's source as in this tree.
const SPECS: &str = "Documentation/netlink/specs";

/// The description that a header is made of, and the header.
const MADE: (&str, &str) = ("taskacct.yaml", "include/uapi/linux/taskacct.h");

pub(super) fn check(project: &Project, built: &Built) -> Result<()> {
    let tree = Tree::new(&project.top().join(SPECS), &built.source)?;
    let header = project.top().join(MADE.1);
    let committed = fs::read_to_string(&header).with_context(|| header.display().to_string())?;
    for spec in tree.specs()? {
        // Reading it is what proves it right.
        let made = tree.header(&spec)?;
        if spec.ends_with(MADE.0) {
            if let Some(difference) = difference(&committed, &made) {
                bail!(
                    "{} is not what {} makes of {}: {difference}",
                    MADE.1,
                    GENERATOR,
                    MADE.0
                );
            }
        }
    }
    Ok(())
}

/// The first line that differs.
fn difference(committed: &str, made: &str) -> Option<String> {
    let count = committed.lines().count().max(made.lines().count());
    let line = |text: &str, at| text.lines().nth(at).unwrap_or("nothing").to_owned();
    (0..count)
        .find(|&at| line(committed, at) != line(made, at))
        .map(|at| format!("line {} is `{}`", at + 1, line(made, at)))
}

/// What the generator takes for the kernel's source: it looks for the schemas beside the
/// descriptions, and names these as seen from where `MAINTAINERS` is.
struct Tree {
    top: TempDir,
    source: PathBuf,
}

impl Tree {
    fn new(specs: &Path, source: &Path) -> Result<Self> {
        let top = tempfile::tempdir()?;
        let copies = top.path().join(SPECS);
        fs::create_dir_all(&copies)?;
        fs::write(top.path().join("MAINTAINERS"), "")?;
        for entry in fs::read_dir(specs)? {
            let entry = entry?;
            fs::copy(entry.path(), copies.join(entry.file_name()))?;
        }
        let schemas = copies.parent().context("no folder of schemas")?;
        for entry in fs::read_dir(source.join("Documentation/netlink"))? {
            let entry = entry?;
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                symlink(entry.path(), schemas.join(entry.file_name()))?;
            }
        }
        Ok(Self {
            top,
            source: source.to_owned(),
        })
    }

    fn specs(&self) -> Result<Vec<PathBuf>> {
        let mut specs: Vec<_> = fs::read_dir(self.top.path().join(SPECS))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        // The sample's is not for C.
        specs.retain(|spec| !spec.ends_with("rust-items.yaml"));
        specs.sort();
        ensure!(!specs.is_empty(), "there are no descriptions");
        Ok(specs)
    }

    /// The header that the generator makes of a description.
    fn header(&self, spec: &Path) -> Result<String> {
        let generator = self.source.join(GENERATOR);
        let arguments = [
            // The kernel's source stays as it is.
            "-B",
            generator.to_str().context("no UTF-8")?,
            "--spec",
            spec.to_str().context("no UTF-8")?,
            "--mode",
            "uapi",
            "--header",
        ];
        run::answer(&run::program("python3", &arguments))
            .with_context(|| format!("{} is not right", spec.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\n", "a\nc\n").unwrap(), "line 2 is `c`");
        assert_eq!(difference("a\nb\n", "a\n").unwrap(), "line 2 is `nothing`");
        assert_eq!(difference("a\n", "a\nb\n").unwrap(), "line 2 is `b`");
    }
}
