// SPDX-License-Identifier: GPL-2.0
//! The kernel's own accounting tools, unmodified: the stock clients of taskstats.

use std::{fs, path::Path};

use anyhow::Result;

use crate::{Cache, make::Kbuild, run, toolchain};

/// The tools, by name.
pub(crate) const TOOLS: [&str; 3] = ["getdelays", "procacct", "delaytop"];

/// Builds them from a kernel's source with the headers that it gives to user space, into `into`.
pub(crate) fn build(
    cache: &Cache,
    kbuild: &Kbuild,
    source: &Path,
    build: &Path,
    into: &Path,
) -> Result<()> {
    fs::create_dir_all(into)?;
    let log = cache.log("accounting");
    let headers = ["headers".to_owned()];
    run::logged(
        "making the headers for user space",
        &kbuild.make(build, &headers),
        &log,
        |_| None,
    )?;
    // Their Makefile builds in its own directory, and the source stays as it is.
    for entry in fs::read_dir(source.join("tools/accounting"))? {
        let entry = entry?;
        fs::copy(entry.path(), into.join(entry.file_name()))?;
    }
    let arguments = [
        format!("CC={}", toolchain::clang()),
        format!("CFLAGS=-O2 -I{}", build.join("usr/include").display()),
    ];
    run::logged(
        "building getdelays, procacct and delaytop",
        &kbuild.make(into, &arguments),
        &log,
        |_| None,
    )
}

/// Whether all are there.
pub(crate) fn are_built(directory: &Path) -> bool {
    TOOLS.iter().all(|tool| directory.join(tool).is_file())
}
