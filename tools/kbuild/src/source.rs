// SPDX-License-Identifier: GPL-2.0
//! The kernel's source: which, where it comes from, and the patched tree of it.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, bail};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    Cache, apt, archive,
    hint::hint,
    key::{self, Inputs},
    patches::Series,
    progress, space,
};

/// Debian's package.
const PACKAGE: &str = "linux-source-7.3";

/// What helps where it cannot be fetched.
const WAYS_OUT: &str = "The kernel's source could not be fetched. Ways out: \
    `make kernel SOURCE=linux-7.3.z.tar.xz` takes a tarball of Linux 7.3 that you have, and \
    `make module KDIR=...` builds the module for a kernel tree of your own.";

/// The beginning of the name of a tree that is not complete.
const UNFINISHED: &str = ".unfinished-";

/// The source that the cache holds. It stays the same until another is asked for, so that a new
/// 7.3.z on the mirror does not cost a build that nobody wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// What it is, for the key and for people.
    pub(crate) origin: String,
    /// The kernel's version.
    pub(crate) version: Version,
    /// The tarball's name in the cache.
    tarball: String,
    /// The file that it was copied from, if the user named one.
    given: Option<Given>,
}

/// A tarball that the user named, and what shows without reading it whether it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    path: PathBuf,
    length: u64,
    modified: u128,
}

impl Source {
    /// The source that the cache holds, if any.
    pub(crate) fn recorded(cache: &Cache) -> Result<Option<Self>> {
        let path = record(cache);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let source: Self =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(Some(source).filter(|source| source.tarball(cache).is_file()))
    }

    /// The tarball that the user names, or what the cache holds, or else what the mirror has.
    pub(crate) fn get(cache: &Cache, tarball: Option<&Path>, update: bool) -> Result<Self> {
        let recorded = Self::recorded(cache)?;
        if recorded.is_none() {
            space::check(cache.root(), space::FETCH_UNPACK_AND_BUILD)?;
        }
        match (tarball, recorded) {
            (Some(path), recorded) => Self::import(cache, path, recorded),
            (None, Some(recorded)) if !update => Ok(recorded),
            (None, recorded) => hint(Self::fetch(cache, recorded), WAYS_OUT),
        }
    }

    /// Fetches the newest that the machine's mirror has.
    fn fetch(cache: &Cache, recorded: Option<Self>) -> Result<Self> {
        if !apt::is_debian() {
            bail!("this system is no Debian, so it has no Debian mirror");
        }
        let package = apt::find(cache, &[PACKAGE], is_ours)?.with_context(|| {
            format!("the mirror that this machine is configured for has no package {PACKAGE}")
        })?;
        let origin = format!("Debian's {PACKAGE} {}", package.version);
        if let Some(recorded) = recorded.filter(|recorded| recorded.origin == origin) {
            return Ok(recorded);
        }
        let temp = tempfile::tempdir_in(cache.downloads())?;
        package.unpack(cache, temp.path())?;
        let packed = temp
            .path()
            .join("usr/src")
            .join(format!("{PACKAGE}.tar.xz"));
        let tarball = format!("{PACKAGE}_{}.tar.xz", package.version);
        fs::rename(&packed, cache.downloads().join(&tarball))
            .with_context(|| format!("{PACKAGE} {} holds no tarball", package.version))?;
        Self {
            origin,
            version: package.upstream,
            tarball,
            given: None,
        }
        .keep(cache)
    }

    /// Takes a tarball that the user has into the cache.
    fn import(cache: &Cache, path: &Path, recorded: Option<Self>) -> Result<Self> {
        let given = Given::of(path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(recorded) = recorded.filter(|recorded| recorded.given.as_ref() == Some(&given))
        {
            return Ok(recorded);
        }
        let version = archive::kernel_version(path)?;
        if !is_ours(&version) {
            bail!(
                "{} holds Linux {version}: the patches and the module are made for 7.3",
                path.display()
            );
        }
        let hash = key::of_file(path)?;
        let tarball = format!("linux-{version}-{}.tar", &hash[..12]);
        let mut copy = tempfile::NamedTempFile::new_in(cache.downloads())?;
        std::io::copy(&mut fs::File::open(path)?, &mut copy)?;
        copy.persist(cache.downloads().join(&tarball))?;
        Self {
            origin: format!("tarball {hash}"),
            version,
            tarball,
            given: Some(given),
        }
        .keep(cache)
    }

    fn keep(self, cache: &Cache) -> Result<Self> {
        let mut file = tempfile::NamedTempFile::new_in(cache.downloads())?;
        file.write_all(serde_json::to_string_pretty(&self)?.as_bytes())?;
        file.persist(record(cache))?;
        progress::say(&format!(
            "the kernel is Linux {} ({})",
            self.version, self.origin
        ));
        Ok(self)
    }

    fn tarball(&self, cache: &Cache) -> PathBuf {
        cache.downloads().join(&self.tarball)
    }

    /// The tarballs in the cache that the next build does not use.
    pub(crate) fn tarballs_of_others(cache: &Cache) -> Result<Vec<PathBuf>> {
        let used = Self::recorded(cache)?.map(|source| source.tarball(cache));
        let mut others = Vec::new();
        for entry in fs::read_dir(cache.downloads())? {
            let entry = entry?;
            let is_tarball = entry.file_name().to_string_lossy().contains(".tar");
            if is_tarball && Some(entry.path()) != used {
                others.push(entry.path());
            }
        }
        Ok(others)
    }

    /// Unpacks and patches it into `tree`. What is there is complete.
    pub(crate) fn unpack(&self, cache: &Cache, series: &Series, tree: &Path) -> Result<()> {
        if tree.is_dir() {
            return Ok(());
        }
        remove_unfinished(cache)?;
        space::check(cache.root(), space::UNPACK_AND_BUILD)?;
        let temp = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(cache.sources())?;
        archive::unpack_kernel(&self.tarball(cache), temp.path(), &cache.log("unpack"))?;
        series
            .apply(temp.path())
            .with_context(|| format!("on Linux {} ({})", self.version, self.origin))?;
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755))?;
        fs::rename(temp.keep(), tree)?;
        Ok(())
    }

    pub(crate) fn describe(&self, inputs: &mut Inputs) {
        inputs.add("source", &self.origin);
    }
}

impl Given {
    fn of(path: &Path) -> Result<Self> {
        let path = path.canonicalize()?;
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        Ok(Self {
            length: metadata.len(),
            modified,
            path,
        })
    }
}

/// Removes what an interrupted invocation left. The caller holds the lock, so no other is at work.
fn remove_unfinished(cache: &Cache) -> Result<()> {
    fs::create_dir_all(cache.sources())?;
    for entry in fs::read_dir(cache.sources())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn record(cache: &Cache) -> PathBuf {
    cache.downloads().join("linux-7.3.json")
}

fn is_ours(version: &Version) -> bool {
    (version.major, version.minor) == (7, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tarball of a kernel that has a Makefile and nothing else.
    fn tarball(directory: &Path, version: &str) -> PathBuf {
        let numbers: Vec<&str> = version.split('.').collect();
        let top = directory.join(format!("linux-{version}"));
        fs::create_dir_all(&top).unwrap();
        let makefile = format!(
            "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\n",
            numbers[0], numbers[1], numbers[2]
        );
        fs::write(top.join("Makefile"), makefile).unwrap();
        let tarball = directory.join(format!("linux-{version}.tar"));
        duct::cmd!(
            "tar",
            "-cf",
            &tarball,
            "-C",
            directory,
            top.file_name().unwrap()
        )
        .run()
        .unwrap();
        tarball
    }

    fn cache(directory: &Path) -> Cache {
        let cache = Cache::at(directory.join("cache")).unwrap();
        fs::create_dir_all(cache.downloads()).unwrap();
        cache
    }

    #[test]
    fn takes_a_tarball_of_any_7_3_and_remembers_it() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        assert_eq!(Source::recorded(&cache).unwrap(), None);
        let path = tarball(temp.path(), "7.3.99");
        let source = Source::get(&cache, Some(&path), false).unwrap();
        assert_eq!(source.version, Version::new(7, 3, 99));
        assert_eq!(Source::recorded(&cache).unwrap().as_ref(), Some(&source));
        assert_eq!(Source::get(&cache, None, false).unwrap(), source);
        let tree = cache.sources().join("tree");
        source.unpack(&cache, &Series::default(), &tree).unwrap();
        assert!(tree.join("Makefile").is_file());
        assert_eq!(fs::read_dir(cache.sources()).unwrap().count(), 1);
    }

    #[test]
    fn another_tarball_is_another_source() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        let one = Source::get(&cache, Some(&tarball(temp.path(), "7.3.1")), false).unwrap();
        let two = Source::get(&cache, Some(&tarball(temp.path(), "7.3.2")), false).unwrap();
        assert_ne!(one.origin, two.origin);
        assert_eq!(
            Source::tarballs_of_others(&cache).unwrap(),
            [one.tarball(&cache)]
        );
        assert_eq!(Source::recorded(&cache).unwrap(), Some(two));
    }

    #[test]
    fn refuses_another_kernel() {
        let temp = tempfile::tempdir().unwrap();
        let error = Source::get(
            &cache(temp.path()),
            Some(&tarball(temp.path(), "7.4.0")),
            false,
        )
        .unwrap_err();
        assert!(error.to_string().contains("7.4.0"), "{error}");
    }

    #[test]
    fn a_failing_patch_leaves_no_tree() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        let source = Source::get(&cache, Some(&tarball(temp.path(), "7.3.1")), false).unwrap();
        let patch = "diff --git a/none b/none\n--- a/none\n+++ b/none\n@@ -1 +1 @@\n-old\n+new\n";
        fs::write(temp.path().join("series"), "bad.patch\n").unwrap();
        fs::write(temp.path().join("bad.patch"), patch).unwrap();
        let tree = cache.sources().join("tree");
        let series = Series::read(temp.path()).unwrap();
        assert!(source.unpack(&cache, &series, &tree).is_err());
        assert_eq!(fs::read_dir(cache.sources()).unwrap().count(), 0);
    }
}
