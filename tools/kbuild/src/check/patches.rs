// SPDX-License-Identifier: GPL-2.0
//! The kernel's checkpatch on each patch of the series.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use crate::{Built, Project, patches::Series, run};

/// As strict as can be, a line for each finding.
const OPTIONS: [&str; 7] = [
    "--strict",
    "--terse",
    "--quiet",
    "--no-summary",
    "--show-types",
    // A person signs a patch off, not a program.
    "--no-signoff",
    // Whoever sends the series upstream finds a maintainer for its new files, and adds the entry.
    "--ignore=FILE_PATH_CHANGES",
];

pub(super) fn check(project: &Project, built: &Built) -> Result<()> {
    let series = Series::read(&project.patches())?;
    let mut findings = String::new();
    for patch in series.paths() {
        let mut arguments = vec!["scripts/checkpatch.pl"];
        arguments.extend(OPTIONS);
        arguments.push(patch.to_str().context("a patch's path is not UTF-8")?);
        if let Err(error) = run::verdict(&run::program("perl", &arguments).dir(&built.source)) {
            writeln!(findings, "{error:#}")?;
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        bail!("{}", findings.trim_end())
    }
}
