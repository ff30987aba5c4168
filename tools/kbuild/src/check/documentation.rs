// SPDX-License-Identifier: GPL-2.0
//! rustdoc of the module with the kernel's flags, every warning an error.
//!
//! Kbuild has no such target for a module outside the kernel. The flags are those that it compiled
//! the module with: it keeps them beside the object file, and here the way of `rust/Makefile` is
//! followed from there.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::{
    Built, Project,
    module::{self, Job},
    run,
};

/// Kbuild's record of how the crate root was compiled.
const COMMAND: &str = "rust/.rust_taskstats.o.cmd";

/// Flags for what rustdoc does not do.
const NOT_FOR_RUSTDOC: [&str; 4] = [
    "--emit=",
    "--out-dir",
    "--remap-path-scope=",
    "--crate-type",
];

pub(super) fn check(project: &Project, built: &Built) -> Result<()> {
    let job = Job::for_ours(project, built)?;
    let output = job.build("building the module", &[])?;
    let command = output.join(COMMAND);
    let saved = fs::read_to_string(&command)
        .with_context(|| format!("cannot read {}", command.display()))?;
    let Compilation {
        mut environment,
        arguments: mut all,
    } = Compilation::parse(&saved)?;
    let documentation = output.join("doc");
    // The pages of what is no more would be looked through as well.
    if documentation.exists() {
        fs::remove_dir_all(&documentation)?;
    }
    all.extend([
        "-Dwarnings".into(),
        // Nobody links to a module, so what it has inside is what there is to document, and to link
        // to.
        "--document-private-items".into(),
        "-Arustdoc::private_intra_doc_links".into(),
        format!("--crate-name={}", module::NAME),
        format!("--output={}", documentation.display()),
    ]);
    environment.push(("RUSTC_BOOTSTRAP".into(), "1".into()));
    run::verdict(
        &job.kbuild
            .program("rustdoc", &all, &environment)
            .dir(&output),
    )?;
    let dead = dead_links(&documentation, &built.source)?;
    if !dead.is_empty() {
        bail!(
            "links to files that the kernel does not have: {}",
            dead.into_iter().collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}

/// How Kbuild called rustc.
#[derive(Debug, PartialEq, Eq)]
struct Compilation {
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Compilation {
    /// Reads Kbuild's record: `savedcmd_FILE := NAME=VALUE ... rustc ARGUMENT ... ; what comes
    /// after`.
    fn parse(record: &str) -> Result<Self> {
        let line = record
            .lines()
            .find(|line| line.starts_with("savedcmd_"))
            .context("no command is recorded")?;
        let (_, command) = line.split_once(":=").context("no command is recorded")?;
        // The escapes of make, which reads the record.
        let command = command.replace("$(pound)", "#").replace("$$", "$");
        let words = shell_words::split(&command)?;
        let mut words = words.into_iter().peekable();
        let mut environment = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
            environment.push((name.to_owned(), value.to_owned()));
            words.next();
        }
        words.next().context("no compiler is recorded")?;
        let mut arguments = Vec::new();
        while let Some(word) = words.next().filter(|word| !word.starts_with(';')) {
            let (word, is_last) = match word.strip_suffix(';') {
                Some(word) => (word.to_owned(), true),
                None => (word, false),
            };
            match NOT_FOR_RUSTDOC.iter().find(|flag| word.starts_with(**flag)) {
                None => arguments.push(word),
                // Its value is the next word.
                Some(flag) if word == **flag && !flag.ends_with('=') => drop(words.next()),
                Some(_) => {}
            }
            if is_last {
                break;
            }
        }
        Ok(Self {
            environment,
            arguments,
        })
    }
}

/// The targets of `srctree/` links, which the kernel's documentation uses for its files, that do
/// not exist.
fn dead_links(documentation: &Path, source: &Path) -> Result<BTreeSet<String>> {
    let mut dead = BTreeSet::new();
    for entry in WalkDir::new(documentation) {
        let entry = entry?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            let page = fs::read_to_string(entry.path())?;
            dead.extend(
                links(&page)
                    .filter(|link| !source.join(link).exists())
                    .map(str::to_owned),
            );
        }
    }
    Ok(dead)
}

fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("href=\"srctree/")
        .skip(1)
        .filter_map(|rest| rest.split(['"', '#']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kbuilds_record() {
        let record = "savedcmd_rust/main.o := OBJTREE=/k RUST_MODFILE=rust/main rustc \
                      --edition=2021 --cfg 'feature=\"x\"' -Zcrate-attr='feature(a,b)' \
                      --out-dir rust --emit=dep-info=x.d --crate-type rlib -L /k/rust/ \
                      --emit=obj=m.o /top/rust/main.rs ; llvm-link --internalize m.bc\n\n\
                      source_rust/main.o := /top/rust/main.rs\n";
        let compilation = Compilation::parse(record).unwrap();
        assert_eq!(
            compilation.environment,
            [
                ("OBJTREE".into(), "/k".into()),
                ("RUST_MODFILE".into(), "rust/main".into())
            ]
        );
        assert_eq!(
            compilation.arguments,
            [
                "--edition=2021",
                "--cfg",
                "feature=\"x\"",
                "-Zcrate-attr=feature(a,b)",
                "-L",
                "/k/rust/",
                "/top/rust/main.rs"
            ]
        );
        for end in ["; ", " ;"] {
            let other = Compilation::parse(&record.replace(" ; ", end)).unwrap();
            assert_eq!(other, compilation, "{end:?}");
        }
        assert!(Compilation::parse("nothing").is_err());
    }

    #[test]
    fn finds_links_into_the_kernel() {
        let page = "<a href=\"srctree/include/a.h\">a</a> <a href=\"other\">b</a> \
                    <a href=\"srctree/b.h#L3\">c</a>";
        assert_eq!(links(page).collect::<Vec<_>>(), ["include/a.h", "b.h"]);
    }
}
