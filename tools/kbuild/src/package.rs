// SPDX-License-Identifier: GPL-2.0
//! Debian's packages, fetched without being installed.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::{Cache, archive, run};

/// Fetches one version of a package and unpacks it into a directory. apt verifies it.
pub(crate) fn unpack(cache: &Cache, name: &str, version: &str, into: &Path) -> Result<()> {
    let known = || versions(name).map(|all| all.iter().any(|one| one == version));
    if !known()? {
        update(cache)?;
    }
    if !known()? {
        let others = versions(name)?;
        bail!(
            "the mirror has no {name} {version}; it has {}",
            match others[..] {
                [] => "none".to_owned(),
                _ => others.join(", "),
            }
        );
    }
    // The lists may be of long ago, and what they name gone.
    fetch(cache, name, version, into).or_else(|_| {
        update(cache)?;
        fetch(cache, name, version, into)
    })
}

/// The newest version that the mirror has now.
pub(crate) fn newest(cache: &Cache, name: &str) -> Result<String> {
    update(cache)?;
    versions(name)?
        .into_iter()
        .next()
        .with_context(|| format!("the mirror has no package {name}"))
}

fn fetch(cache: &Cache, name: &str, version: &str, into: &Path) -> Result<()> {
    let scratch = cache.scratch()?;
    let wanted = format!("{name}={version}");
    let size = size(&wanted)?;
    let fetch = run::program("apt-get", &["download", &wanted]).dir(scratch.path());
    let title = format!("fetching {name} {version} ({size} MB)");
    run::logged(&title, &fetch, &cache.log("download"), |_| {
        Some(format!("{} MB", megabytes(scratch.path())))
    })?;
    let package = fs::read_dir(scratch.path())?
        .next()
        .context("apt-get download left no file")??;
    archive::unpack_package(&package.path(), into, &cache.log("unpack"))
}

/// The versions that apt knows of, the newest first.
fn versions(name: &str) -> Result<Vec<String>> {
    let list = run::answer(&run::program("apt-cache", &["madison", name]))?;
    Ok(versions_in(&list))
}

/// The versions in what `apt-cache madison` prints of a binary package.
fn versions_in(madison: &str) -> Vec<String> {
    madison
        .lines()
        .filter(|line| line.trim_end().ends_with(" Packages"))
        .filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()))
        .collect()
}

/// The size in megabytes.
fn size(wanted: &str) -> Result<u64> {
    let record = run::answer(&run::program("apt-cache", &["show", wanted]))?;
    let size: u64 = record
        .lines()
        .find_map(|line| line.strip_prefix("Size: ")?.parse().ok())
        .with_context(|| format!("apt names no size of {wanted}"))?;
    Ok(size >> 20)
}

fn update(cache: &Cache) -> Result<()> {
    let update = run::program("apt-get", &["update", "--error-on=any"]);
    let log = cache.log("apt-update");
    run::logged("asking the mirror what it has", &update, &log, |_| None)
}

fn megabytes(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes: u64 = files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum();
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_of_binary_packages_only() {
        let madison = "\
linux-source-7.3 | 7.3.10-1~bpo13+1 | somewhere some-suite/main amd64 Packages
linux-source-7.3 | 7.3.9-1 | somewhere some-suite/main amd64 Packages
linux-source-7.3 | 7.3.11-1 | somewhere some-suite/main Sources
";
        assert_eq!(versions_in(madison), ["7.3.10-1~bpo13+1", "7.3.9-1"]);
    }
}
