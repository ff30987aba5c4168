// SPDX-License-Identifier: GPL-2.0
//! The project's patches to the kernel: which, in which order, and applying them.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    key::{self, Inputs},
    run,
};

/// A series of patches, in order.
#[derive(Debug, Default)]
pub(crate) struct Series {
    patches: Vec<Patch>,
}

/// One patch.
#[derive(Debug)]
struct Patch {
    path: PathBuf,
    diff: String,
}

impl Series {
    /// Reads the series in a directory. Where there is no file `series` there are no patches.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let list = directory.join("series");
        let text = match fs::read_to_string(&list) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            other => other.with_context(|| format!("cannot read {}", list.display()))?,
        };
        let patches = names(&text)
            .map(|name| Patch::read(directory.join(name)))
            .collect::<Result<_>>()?;
        Ok(Self { patches })
    }

    /// The files, in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.patches.iter().map(|patch| patch.path.as_path())
    }

    /// The object files of what the series changes in C, but for what Rust's own build has in it.
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        let files = self.patches.iter().flat_map(|patch| changed(&patch.diff));
        files
            .filter(|file| !file.starts_with("rust/"))
            .filter_map(|file| Some(format!("{}.o", file.strip_suffix(".c")?)))
            .collect()
    }

    pub(crate) fn describe(&self, inputs: &mut Inputs) {
        for patch in &self.patches {
            inputs.add("patch", key::of_bytes(patch.diff.as_bytes()));
        }
    }

    /// Applies all to a source tree.
    pub(crate) fn apply(&self, source: &Path) -> Result<()> {
        self.patches
            .iter()
            .try_for_each(|patch| patch.apply(source))
    }
}

impl Patch {
    fn read(path: PathBuf) -> Result<Self> {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let diff = diff_of(&text)
            .with_context(|| format!("{} holds no `diff --git`", path.display()))?
            .to_owned();
        Ok(Self { path, diff })
    }

    fn apply(&self, source: &Path) -> Result<()> {
        let arguments = [
            "-p1",
            "--batch",
            "--forward",
            "--no-backup-if-mismatch",
            "--reject-file=-",
        ];
        let output = run::program("patch", &arguments)
            .dir(source)
            .stdin_bytes(self.diff.as_bytes())
            .stderr_to_stdout()
            .stdout_capture()
            .unchecked()
            .run()
            .context("cannot run patch")?;
        if !output.status.success() {
            bail!(
                "{} does not apply to this kernel:\n{}",
                self.path.display(),
                String::from_utf8_lossy(&output.stdout)
            );
        }
        Ok(())
    }
}

/// The names in a `series` file, as quilt reads it: comments and what follows a name are not for
/// us.
fn names(series: &str) -> impl Iterator<Item = &str> {
    series
        .lines()
        .filter_map(|line| line.split('#').next())
        .filter_map(|line| line.split_whitespace().next())
}

/// The files that a patch changes or makes.
fn changed(diff: &str) -> impl Iterator<Item = &str> {
    diff.lines()
        .filter_map(|line| line.strip_prefix("+++ b/"))
        .map(str::trim_end)
}

/// What of a patch changes the kernel: a new commit message alone builds nothing again.
fn diff_of(patch: &str) -> Option<&str> {
    const START: &str = "diff --git ";
    let start = if patch.starts_with(START) {
        0
    } else {
        patch.find(&format!("\n{START}"))? + 1
    };
    let diff = &patch[start..];
    // `git format-patch` ends with its version, which says nothing of the change either.
    let end = diff.rfind("\n-- \n").map_or(diff.len(), |at| at + 1);
    Some(&diff[..end])
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;
    use crate::Project;

    const DIFF: &str =
        "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n";

    fn patch(message: &str, version: &str) -> String {
        format!(
            "From 0 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] {message}\n---\n file | 2 +-\n\n\
             {DIFF}-- \n{version}\n"
        )
    }

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        files
            .iter()
            .for_each(|(name, text)| fs::write(temp.path().join(name), text).unwrap());
        temp
    }

    fn key(directory: &Path) -> String {
        let mut inputs = Inputs::default();
        Series::read(directory).unwrap().describe(&mut inputs);
        inputs.key()
    }

    #[test]
    fn series_names_are_in_order_without_comments() {
        let text = "# The seam.\n0001-a.patch\n\n0002-b.patch -p1 # why\n  0003-c.patch\n";
        assert_eq!(
            names(text).collect::<Vec<_>>(),
            ["0001-a.patch", "0002-b.patch", "0003-c.patch"]
        );
    }

    #[test]
    fn no_series_is_no_patches() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(
            Series::read(&temp.path().join("absent"))
                .unwrap()
                .paths()
                .count(),
            0
        );
    }

    #[test]
    fn a_named_patch_that_is_missing_is_an_error() {
        let temp = directory(&[("series", "0001-a.patch\n")]);
        assert!(
            Series::read(temp.path())
                .unwrap_err()
                .to_string()
                .contains("0001-a.patch")
        );
    }

    #[test]
    fn the_diff_is_what_counts() {
        assert_eq!(diff_of(&patch("one", "2.39")), Some(DIFF));
        assert_eq!(diff_of(DIFF), Some(DIFF));
        assert_eq!(diff_of("Subject: no diff\n"), None);
        let (one, two) = (patch("one", "2.39"), patch("two", "2.47"));
        let changed = one.replace("+new", "+newer");
        let with = |text: &str| key(directory(&[("series", "p\n"), ("p", text)]).path());
        assert_eq!(with(&one), with(&two));
        assert_ne!(with(&one), with(&changed));
    }

    #[test]
    fn objects_are_those_of_the_changed_c_files() {
        let of = |file: &str| {
            DIFF.replace("a/file", &format!("a/{file}"))
                .replace("b/file", &format!("b/{file}"))
        };
        let diff = [
            "kernel/taskstats.c",
            "include/linux/taskstats_kern.h",
            "rust/helpers/taskstats.c",
            "net/netlink/genetlink.c",
        ]
        .map(of)
        .concat();
        let temp = directory(&[
            ("series", "p\nq\n"),
            ("p", &diff),
            ("q", &of("kernel/taskstats.c")),
        ]);
        let objects = Series::read(temp.path()).unwrap().objects();
        let expected = ["kernel/taskstats.o", "net/netlink/genetlink.o"];
        assert_eq!(objects.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn applies_in_order_and_names_the_patch_that_fails() {
        let temp = directory(&[
            ("series", "a\nb\n"),
            ("a", &patch("a", "2")),
            ("b", &patch("b", "2")),
        ]);
        let source = directory(&[("file", "old\n")]);
        let error = Series::read(temp.path())
            .unwrap()
            .apply(source.path())
            .unwrap_err()
            .to_string();
        assert_eq!(
            fs::read_to_string(source.path().join("file")).unwrap(),
            "new\n"
        );
        assert!(error.contains("/b does not apply"), "{error}");
    }

    /// The most lines that the seam and its exports may add to the kernel.
    const LIMIT: usize = 150;

    /// Patches that are neither: a fix that stands on its own, and what the tests need.
    const BESIDE: [&str; 2] = ["wait for closing sockets", "let the oracle call"];

    fn ours() -> Series {
        Series::read(&Project::find().unwrap().patches()).unwrap()
    }

    /// The value of a header of a patch, which may go on in lines that are indented.
    fn header(patch: &Path, name: &str) -> String {
        let text = fs::read_to_string(patch).unwrap();
        let start = format!("{name}: ");
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
        let first = lines.next().unwrap_or_default();
        let rest = lines.take_while(|line| line.starts_with(' '));
        let whole: String = iter::once(first).chain(rest).collect();
        whole.strip_prefix(&start).unwrap_or_default().to_owned()
    }

    #[test]
    fn ours_are_numbered_and_from_one_sender() {
        let series = ours();
        let cover = Project::find()
            .unwrap()
            .patches()
            .join("0000-cover-letter.patch");
        let sender = header(&cover, "From");
        assert!(
            sender.contains('@') && !sender.contains("localhost"),
            "{sender}"
        );
        let last = series.paths().count();
        assert!(last > 0);
        for (number, patch) in iter::once(&*cover).chain(series.paths()).enumerate() {
            let subject = header(patch, "Subject");
            assert!(
                subject.starts_with(&format!("[PATCH {number}/{last}] ")),
                "{subject}"
            );
            assert_eq!(header(patch, "From"), sender, "{subject}");
        }
    }

    #[test]
    fn our_seam_is_small() {
        let series = ours();
        let is_called = |patch: &Patch, name| header(&patch.path, "Subject").contains(name);
        for name in BESIDE {
            let found = series.patches.iter().filter(|patch| is_called(patch, name));
            assert_eq!(found.count(), 1, "{name}");
        }
        let is_beside = |patch: &&Patch| BESIDE.iter().any(|name| is_called(patch, name));
        let seam = series.patches.iter().filter(|patch| !is_beside(patch));
        let is_added = |line: &&str| line.starts_with('+') && !line.starts_with("+++");
        let added = seam
            .flat_map(|patch| patch.diff.lines())
            .filter(is_added)
            .count();
        assert!(added > 0 && added <= LIMIT, "{added} lines are added");
    }
}
