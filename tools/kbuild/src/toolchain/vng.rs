// SPDX-License-Identifier: GPL-2.0
//! virtme-ng, which boots the guests.

use std::{fs, path::PathBuf};

use anyhow::Result;

use crate::{Cache, hint::hint, run};

/// The version that the project's guests were tried with.
const VERSION: &str = "1.42";

/// The system's own Python: one of the user's may come and go.
const PYTHON: &str = "/usr/bin/python3";

/// The program.
pub(crate) fn program(cache: &Cache) -> PathBuf {
    directory(cache).join("bin/vng")
}

/// Whether its installation was completed.
pub(crate) fn is_installed(cache: &Cache) -> bool {
    stamp(cache).is_file()
}

/// Installs it into the cache.
pub(crate) fn install(cache: &Cache) -> Result<()> {
    let directory = directory(cache);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let path = directory.to_string_lossy();
    let log = cache.log("virtme-ng");
    run::logged(
        "making a Python environment",
        &run::program(PYTHON, &["-m", "venv", &path]),
        &log,
        |_| None,
    )?;
    let python = directory.join("bin/python");
    let package = format!("virtme-ng=={VERSION}");
    let install = run::program(&python, &["-m", "pip", "install", "--no-input", &package]);
    let title = format!("installing virtme-ng {VERSION}");
    let installed = run::logged(&title, &install, &log, run::last_line);
    hint(
        installed,
        "virtme-ng comes from the Python package index, which has to be reached once.",
    )?;
    fs::write(stamp(cache), VERSION)?;
    Ok(())
}

/// A Python environment is bound to one minor version of Python: after an upgrade of the machine it
/// is made anew.
fn directory(cache: &Cache) -> PathBuf {
    let python = fs::canonicalize(PYTHON).unwrap_or_default();
    let python = python.file_name().unwrap_or_default().to_string_lossy();
    cache
        .toolchain()
        .join(format!("virtme-ng-{VERSION}-{python}"))
}

fn stamp(cache: &Cache) -> PathBuf {
    directory(cache).join("complete")
}
