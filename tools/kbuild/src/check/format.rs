// SPDX-License-Identifier: GPL-2.0
//! rustfmt with the kernel's rules.

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::{Built, Project, run};

pub(super) fn check(project: &Project, built: &Built) -> Result<()> {
    let files: Vec<String> = WalkDir::new(project.top().join("rust"))
        .sort_by_file_name()
        .into_iter()
        .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
        .filter(|file| file.ends_with(".rs"))
        .collect();
    if files.is_empty() {
        bail!(
            "there are no Rust files in {}",
            project.top().join("rust").display()
        );
    }
    let rules = built.source.join(".rustfmt.toml");
    let mut arguments = vec![
        "--check",
        "--color=never",
        "--config-path",
        rules.to_str().context("no UTF-8")?,
    ];
    arguments.extend(files.iter().map(String::as_str));
    run::verdict(&run::program("rustfmt", &arguments))
}
