// SPDX-License-Identifier: GPL-2.0
//! Fetching a package without installing it: from the machine's own sources, or from a newer suite
//! of the same mirror.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use semver::Version;

use super::{command, install::update, version::upstream};
use crate::{Cache, archive, progress, run, space::MEGABYTE};

/// The suite that has newer packages than the machine's own release may have.
const NEWER_SUITE: &str = "trixie-backports";

/// What apt trusts the archive by; the name depends on the release.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// A package that can be fetched.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
    /// Debian's version of it.
    pub(crate) version: String,
    /// The version of what is packaged.
    pub(crate) upstream: Version,
    /// The options that let apt see it.
    options: Vec<String>,
}

/// Finds the newest package of some names whose upstream version `fits`: in the machine's own
/// sources, else in a newer suite of the same mirror. `None` if neither has one.
pub(crate) fn find(
    cache: &Cache,
    names: &[&str],
    fits: impl Fn(&Version) -> bool,
) -> Result<Option<Package>> {
    if newest(names, Vec::new(), &fits)?.is_none() {
        return newest(names, private_sources(cache)?, &fits);
    }
    // The machine's lists may be of long ago, and what they name gone. Where they cannot be updated
    // they have to do.
    if let Err(error) = update(cache) {
        progress::say(&format!("using the package lists as they are: {error:#}"));
    }
    newest(names, Vec::new(), &fits)
}

impl Package {
    /// Fetches the package and unpacks it into a directory. apt verifies it.
    pub(crate) fn unpack(&self, cache: &Cache, into: &Path) -> Result<()> {
        let temp = tempfile::tempdir_in(cache.downloads())?;
        let size = self.size();
        let title = match size {
            Some(size) => format!(
                "fetching {} {} ({} MB)",
                self.name,
                self.version,
                size / MEGABYTE
            ),
            None => format!("fetching {} {}", self.name, self.version),
        };
        let wanted = format!("{}={}", self.name, self.version);
        // apt's own user may not write here; the package is verified either way.
        let mut options = self.options.clone();
        options.push("APT::Sandbox::User=root".into());
        let fetch = command("apt-get", &options, &["download", &wanted]).dir(temp.path());
        run::logged(&title, &fetch, &cache.log("download"), |_| {
            Some(format!("{} MB", largest_file(temp.path()) / MEGABYTE))
        })?;
        let package = fs::read_dir(temp.path())?
            .next()
            .context("apt-get download left no file")??
            .path();
        archive::unpack_package(&package, into, &cache.log("unpack"))
    }

    fn size(&self) -> Option<u64> {
        let wanted = format!("{}={}", self.name, self.version);
        let record = run::answer(&command("apt-cache", &self.options, &["show", &wanted])).ok()?;
        record
            .lines()
            .find_map(|line| line.strip_prefix("Size: ")?.parse().ok())
    }
}

fn newest(
    names: &[&str],
    options: Vec<String>,
    fits: impl Fn(&Version) -> bool,
) -> Result<Option<Package>> {
    let arguments: Vec<&str> = ["madison"].iter().chain(names).copied().collect();
    let list = run::answer(&command("apt-cache", &options, &arguments))?;
    let found = versions(&list)
        .filter_map(|(name, version)| Some((upstream(version)?, name, version)))
        .filter(|(upstream, ..)| fits(upstream))
        // madison lists the newest first, and so does `rev` make it win among packagings of the
        // same.
        .rev()
        .max_by(|a, b| a.0.cmp(&b.0));
    Ok(found.map(|(upstream, name, version)| Package {
        name: name.into(),
        version: version.into(),
        upstream,
        options,
    }))
}

/// The names and versions of binary packages in what `apt-cache madison` prints.
fn versions(madison: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    madison
        .lines()
        .filter(|line| line.trim_end().ends_with(" Packages"))
        .filter_map(|line| {
            let mut columns = line.split('|').map(str::trim);
            Some((columns.next()?, columns.next()?))
        })
}

/// Makes apt see the newer suite, and nothing else, without touching the machine's sources.
fn private_sources(cache: &Cache) -> Result<Vec<String>> {
    let base = cache.downloads().join("apt");
    let (list, lists, archives) = (
        base.join("mirror.sources"),
        base.join("lists"),
        base.join("cache"),
    );
    for directory in [lists.join("partial"), archives.join("archives/partial")] {
        fs::create_dir_all(directory)?;
    }
    fs::write(&list, sources_file(&mirrors(cache)?, keyring()?))?;
    let options: Vec<String> = [
        format!("Dir::Etc::sourcelist={}", list.display()),
        "Dir::Etc::sourceparts=/dev/null".into(),
        format!("Dir::State::lists={}", lists.display()),
        format!("Dir::Cache={}", archives.display()),
        "Dir::Cache::pkgcache=".into(),
        "Dir::Cache::srcpkgcache=".into(),
        "APT::Sandbox::User=root".into(),
        // What the machine does after each of its own updates is not for these lists.
        "APT::Update::Post-Invoke=".into(),
        "APT::Update::Post-Invoke-Success=".into(),
    ]
    .into();
    let update = command("apt-get", &options, &["update", "--error-on=any"]);
    let title = format!("looking into {NEWER_SUITE}");
    let updated = run::logged(&title, &update, &cache.log("apt-update"), |_| None);
    updated.with_context(|| {
        format!("the Debian mirror of this machine does not answer for {NEWER_SUITE}")
    })?;
    Ok(options)
}

/// The addresses of the Debian mirrors that the machine is configured for.
fn mirrors(cache: &Cache) -> Result<BTreeSet<String>> {
    let format = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)";
    let arguments = ["indextargets", "--format", format, "Created-By: Packages"];
    let configured =
        || run::answer(&run::program("apt-get", &arguments)).map(|all| mirrors_of(&all));
    let mut mirrors = configured()?;
    if mirrors.is_empty() {
        // apt knows whose archive a source is from its lists, which an image of Debian comes without.
        update(cache)?;
        mirrors = configured()?;
    }
    if mirrors.is_empty() {
        bail!("no Debian mirror is configured on this machine");
    }
    Ok(mirrors)
}

fn mirrors_of(targets: &str) -> BTreeSet<String> {
    targets
        .lines()
        // Security updates and other archives have other labels, and no backports.
        .filter_map(|line| line.strip_prefix("Debian|Debian|main|"))
        .map(str::to_owned)
        .collect()
}

fn keyring() -> Result<&'static str> {
    KEYRINGS
        .into_iter()
        .find(|file| Path::new(file).is_file())
        .context(
            "the package debian-archive-keyring is not installed: packages could not be verified",
        )
}

fn sources_file(mirrors: &BTreeSet<String>, keyring: &str) -> String {
    let addresses: Vec<&str> = mirrors.iter().map(String::as_str).collect();
    format!(
        "Types: deb\nURIs: {}\nSuites: {NEWER_SUITE}\nComponents: main\nSigned-By: {keyring}\n",
        addresses.join(" ")
    )
}

fn largest_file(directory: &Path) -> u64 {
    let files: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.path())
        .collect();
    files
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADISON: &str = "\
linux-source-7.3 | 7.3.10-1~bpo13+1 | somewhere trixie-backports/main amd64 Packages
linux-source-7.3 | 7.3.9-1 | somewhere trixie-backports/main amd64 Packages
linux-source-7.3 | 7.3.11-1 | somewhere trixie-backports/main Sources
";

    #[test]
    fn reads_binary_versions_only() {
        let names = ["linux-source-7.3"; 2];
        let expected = names.into_iter().zip(["7.3.10-1~bpo13+1", "7.3.9-1"]);
        assert!(versions(MADISON).eq(expected));
    }

    #[test]
    fn ten_is_newer_than_nine() {
        let newest = versions(MADISON)
            .filter_map(|(_, version)| upstream(version))
            .max();
        assert_eq!(newest, Some(Version::new(7, 3, 10)));
    }

    #[test]
    fn only_the_main_archive_is_a_mirror() {
        let targets = "Debian|Debian|main|a\nDebian|Debian|main|a\n\
                       Debian|Debian-Security|main|b\nOther|Other|main|c\n";
        assert_eq!(mirrors_of(targets), BTreeSet::from(["a".to_owned()]));
    }
}
