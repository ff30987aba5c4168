// SPDX-License-Identifier: GPL-2.0
//! The kernel's source: which, where it comes from, and the patched tree of it.
//!
//! What is built is the version that the patches, the module and the figures were tested with. It
//! is named with its checksum in `tools/kbuild/tested.json`. Another is built when it is asked for,
//! and called untested.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, ensure};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    Cache, archive,
    hint::hint,
    key::{self, Inputs},
    package,
    patches::Series,
    progress, run, space,
};

/// The environment variable that says which source to build, where it is not the tested one: the
/// path of a tarball or of a git tree, or [`NEWEST`].
pub(crate) const VARIABLE: &str = "RUST_TASKSTATS_SOURCE";

/// The value that stands for the newest that the mirror has.
const NEWEST: &str = "newest";

/// What helps where the tested source cannot be had.
const WAYS_OUT: &str = "The kernel that this was tested with could not be fetched. \
    SOURCE=newest takes the newest 7.3 that the mirror has, SOURCE=linux-7.3.4.tar.xz a tarball, \
    SOURCE=DIRECTORY the commit that a git tree has checked out.";

/// The beginning of the name of a tree that is not complete.
const UNFINISHED: &str = ".unfinished-";

/// The source that everything was tested with.
#[derive(Debug, Deserialize)]
pub(crate) struct Tested {
    /// Debian's package.
    package: String,
    /// Debian's version of it, and of the packages of the kernel that is built from it.
    pub(crate) version: String,
    /// What that kernel calls itself (`uname -r`).
    pub(crate) release: String,
    /// The SHA-256 of the tarball in it.
    sha256: String,
}

impl Tested {
    pub(crate) fn read() -> Result<Self> {
        let text = include_str!("../tested.json");
        serde_json::from_str(text).context("tools/kbuild/tested.json")
    }
}

/// A source in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// What it is, for the key and for people.
    pub(crate) origin: String,
    /// The kernel's version.
    pub(crate) version: Version,
    /// Whether it is the one that everything was tested with.
    pub(crate) is_tested: bool,
    /// The tarball's name in the cache.
    tarball: String,
    /// What it was made of, if the user named something.
    given: Option<Given>,
}

/// A tarball or a git tree that the user named, and what shows whether it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    path: PathBuf,
    state: String,
}

impl Source {
    /// The wanted source, if the cache holds it.
    pub(crate) fn recorded(cache: &Cache) -> Result<Option<Self>> {
        recorded(cache, wanted().as_deref())
    }

    /// The wanted source, fetched if the cache does not hold it.
    pub(crate) fn get(cache: &Cache) -> Result<Self> {
        get(cache, wanted().as_deref())
    }

    fn tarball(&self, cache: &Cache) -> PathBuf {
        cache.downloads().join(&self.tarball)
    }

    /// Says what it is, if it is not what everything was tested with.
    pub(crate) fn warn(&self) -> Result<()> {
        if !self.is_tested {
            progress::say(&format!(
                "Linux {} ({}) is untested: the patches and the module were tested with {}",
                self.version,
                self.origin,
                Tested::read()?.version
            ));
        }
        Ok(())
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

/// What the user asks for instead of the tested source.
fn wanted() -> Option<String> {
    env::var(VARIABLE).ok().filter(|text| !text.is_empty())
}

fn recorded(cache: &Cache, wanted: Option<&str>) -> Result<Option<Source>> {
    let path = record(cache, wanted);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let source: Source = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if !source.tarball(cache).is_file() {
        return Ok(None);
    }
    match &source.given {
        Some(given) if Given::of(&given.path)? != *given => return Ok(None),
        _ => {}
    }
    if wanted.is_none() && source.origin != Tested::read()?.origin() {
        return Ok(None);
    }
    Ok(Some(source))
}

fn get(cache: &Cache, wanted: Option<&str>) -> Result<Source> {
    if let Some(source) = recorded(cache, wanted)? {
        source.warn()?;
        return Ok(source);
    }
    space::check(cache.root(), space::FETCH_UNPACK_AND_BUILD)?;
    fs::create_dir_all(cache.downloads())?;
    let tested = Tested::read()?;
    let source = match wanted {
        None => hint(tested.fetch(cache), WAYS_OUT)?,
        Some(NEWEST) => {
            let version = package::newest(cache, &tested.package)?;
            fetch(cache, &tested.package, &version)?.0
        }
        Some(path) if Path::new(path).is_dir() => import_tree(cache, Path::new(path))?,
        Some(path) => import_tarball(cache, Path::new(path))?,
    };
    ensure!(
        is_ours(&source.version),
        "{} is Linux {}: the patches and the module are made for 7.3",
        wanted.unwrap_or(&source.origin),
        source.version
    );
    let text = serde_json::to_string_pretty(&source)?;
    cache.write(&record(cache, wanted), text.as_bytes())?;
    source.warn()?;
    Ok(source)
}

impl Tested {
    fn origin(&self) -> String {
        format!("Debian's {} {}", self.package, self.version)
    }

    fn fetch(&self, cache: &Cache) -> Result<Source> {
        let (source, sha256) = fetch(cache, &self.package, &self.version)?;
        ensure!(
            sha256 == self.sha256,
            "{} has the SHA-256 {sha256}, the tested one has {}",
            source.tarball,
            self.sha256
        );
        Ok(Source {
            is_tested: true,
            ..source
        })
    }
}

/// Fetches Debian's package of the source; the checksum is that of the tarball in it.
fn fetch(cache: &Cache, name: &str, version: &str) -> Result<(Source, String)> {
    let scratch = cache.scratch()?;
    package::unpack(cache, name, version, scratch.path())?;
    let packed = scratch
        .path()
        .join("usr/src")
        .join(format!("{name}.tar.xz"));
    let sha256 = key::of_file(&packed)?;
    let source = Source {
        origin: format!("Debian's {name} {version}"),
        version: archive::kernel_version(&packed)?,
        is_tested: false,
        tarball: format!("{name}_{version}.tar.xz"),
        given: None,
    };
    fs::rename(&packed, source.tarball(cache))?;
    Ok((source, sha256))
}

/// Takes a tarball that the user has into the cache.
fn import_tarball(cache: &Cache, path: &Path) -> Result<Source> {
    let given = Given::of(path)?;
    let version = archive::kernel_version(path)?;
    let sha256 = key::of_file(path)?;
    let source = Source {
        origin: format!("tarball {sha256}"),
        version: version.clone(),
        is_tested: sha256 == Tested::read()?.sha256,
        tarball: format!("linux-{version}-{}.tar", &sha256[..12]),
        given: Some(given),
    };
    let scratch = cache.scratch()?;
    let copy = scratch.path().join(&source.tarball);
    fs::copy(path, &copy)?;
    fs::rename(copy, source.tarball(cache))?;
    Ok(source)
}

/// Takes the commit that a git tree has checked out into the cache.
fn import_tree(cache: &Cache, path: &Path) -> Result<Source> {
    let given = Given::of(path)?;
    if !git(path, &["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
        progress::say(&format!(
            "{} has changes that are not committed: they are left out",
            path.display()
        ));
    }
    let scratch = cache.scratch()?;
    let packed = scratch.path().join("tree.tar");
    let output = format!("--output={}", packed.display());
    let archive = run::program(
        "git",
        &[
            "archive",
            "--format=tar",
            "--prefix=linux/",
            &output,
            "HEAD",
        ],
    );
    let log = cache.log("archive");
    run::logged("packing the git tree", &archive.dir(path), &log, |_| None)?;
    let version = archive::kernel_version(&packed)?;
    let source = Source {
        origin: format!("commit {}", given.state),
        version: version.clone(),
        is_tested: false,
        tarball: format!("linux-{version}-{}.tar", given.state),
        given: Some(given),
    };
    fs::rename(packed, source.tarball(cache))?;
    Ok(source)
}

fn git(tree: &Path, arguments: &[&str]) -> Result<String> {
    let said = run::answer(&run::program("git", arguments).dir(tree))
        .with_context(|| format!("{} is no git tree", tree.display()))?;
    Ok(said.trim().to_owned())
}

impl Given {
    fn of(path: &Path) -> Result<Self> {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot read {}", path.display()))?;
        let state = if path.is_dir() {
            git(&path, &["rev-parse", "--short=12", "HEAD"])?
        } else {
            let metadata = path.metadata()?;
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
            format!("{} bytes of {modified}", metadata.len())
        };
        Ok(Self { path, state })
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

/// Where it is kept what answers a wish.
fn record(cache: &Cache, wanted: Option<&str>) -> PathBuf {
    let name = wanted.map_or("tested".to_owned(), |text| {
        key::of_bytes(text.as_bytes())[..12].to_owned()
    });
    cache.downloads().join(format!("source-{name}.json"))
}

fn is_ours(version: &Version) -> bool {
    (version.major, version.minor) == (7, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the Makefile of a kernel and nothing else.
    fn kernel(directory: &Path, version: &str) -> PathBuf {
        let numbers: Vec<&str> = version.split('.').collect();
        let top = directory.join(format!("linux-{version}"));
        fs::create_dir_all(&top).unwrap();
        let makefile = format!(
            "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\n",
            numbers[0], numbers[1], numbers[2]
        );
        fs::write(top.join("Makefile"), makefile).unwrap();
        top
    }

    fn tarball(directory: &Path, version: &str) -> String {
        let top = kernel(directory, version);
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
        tarball.to_str().unwrap().to_owned()
    }

    fn cache(directory: &Path) -> Cache {
        let cache = Cache::at(directory.join("cache")).unwrap();
        fs::create_dir_all(cache.downloads()).unwrap();
        cache
    }

    #[test]
    fn takes_a_tarball_of_any_7_3_and_calls_it_untested() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        let path = tarball(temp.path(), "7.3.99");
        assert_eq!(recorded(&cache, Some(&path)).unwrap(), None);
        let source = get(&cache, Some(&path)).unwrap();
        assert_eq!(source.version, Version::new(7, 3, 99));
        assert!(!source.is_tested);
        assert_eq!(
            recorded(&cache, Some(&path)).unwrap().as_ref(),
            Some(&source)
        );
        // Nobody gets it who has not asked for it.
        assert_eq!(recorded(&cache, None).unwrap(), None);
        let tree = cache.sources().join("tree");
        source.unpack(&cache, &Series::default(), &tree).unwrap();
        assert!(tree.join("Makefile").is_file());
        assert_eq!(fs::read_dir(cache.sources()).unwrap().count(), 1);
    }

    #[test]
    fn another_tarball_is_another_source() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        let path = tarball(temp.path(), "7.3.1");
        let one = get(&cache, Some(&path)).unwrap();
        fs::rename(tarball(temp.path(), "7.3.2"), &path).unwrap();
        assert_eq!(recorded(&cache, Some(&path)).unwrap(), None);
        let two = get(&cache, Some(&path)).unwrap();
        assert_ne!(one.origin, two.origin);
        assert_eq!(Source::tarballs_of_others(&cache).unwrap().len(), 2);
    }

    #[test]
    fn takes_the_commit_of_a_git_tree() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        let tree = kernel(temp.path(), "7.3.5");
        let commit = |message: &str| {
            let script = format!(
                "git init -q; git add -A; \
                 git -c user.name=n -c user.email=e commit -qm {message} --allow-empty"
            );
            duct::cmd!("sh", "-c", script).dir(&tree).run().unwrap();
        };
        commit("one");
        let path = tree.to_str().unwrap();
        let one = get(&cache, Some(path)).unwrap();
        assert_eq!(one.version, Version::new(7, 3, 5));
        assert_eq!(recorded(&cache, Some(path)).unwrap(), Some(one.clone()));
        commit("two");
        assert_ne!(get(&cache, Some(path)).unwrap().origin, one.origin);
    }

    #[test]
    fn refuses_another_kernel() {
        let temp = tempfile::tempdir().unwrap();
        let path = tarball(temp.path(), "7.4.0");
        let error = get(&cache(temp.path()), Some(&path)).unwrap_err();
        assert!(error.to_string().contains("7.4.0"), "{error}");
    }

    #[test]
    fn a_failing_patch_leaves_no_tree() {
        let temp = tempfile::tempdir().unwrap();
        let cache = cache(temp.path());
        let source = get(&cache, Some(&tarball(temp.path(), "7.3.1"))).unwrap();
        let patch = "diff --git a/none b/none\n--- a/none\n+++ b/none\n@@ -1 +1 @@\n-old\n+new\n";
        fs::write(temp.path().join("series"), "bad.patch\n").unwrap();
        fs::write(temp.path().join("bad.patch"), patch).unwrap();
        let tree = cache.sources().join("tree");
        let series = Series::read(temp.path()).unwrap();
        assert!(source.unpack(&cache, &series, &tree).is_err());
        assert_eq!(fs::read_dir(cache.sources()).unwrap().count(), 0);
    }

    #[test]
    fn the_tested_source_is_named() {
        let tested = Tested::read().unwrap();
        assert!(tested.version.starts_with("7.3."));
        assert_eq!(tested.sha256.len(), 64);
    }
}
