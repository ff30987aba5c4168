// SPDX-License-Identifier: GPL-2.0
//! Where everything built is kept, and who may write there.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::{
    fs::{FlockOperation, flock},
    io::{Errno, FdFlags, fcntl_setfd},
};

use crate::progress;

/// The environment variable that puts the cache elsewhere.
pub(crate) const VARIABLE: &str = "RUST_TASKSTATS_CACHE";

/// The directory outside the work tree in which everything built is kept.
///
/// | folder | holds |
/// |---|---|
/// | `environment/` | the private Debian that everything runs in |
/// | `target/` | the programs in `tools/`, for each work tree |
/// | `cargo/` | the crates that they are made of |
/// | `downloads/` | the kernel's tarball |
/// | `tmp/` | what is under way; emptied by the next invocation |
/// | `source/linux-VERSION-KEY/` | the patched kernel |
/// | `source/linux-VERSION-KEY/build-CONFIG-KEY/` | one configuration of it, built |
/// | `module/` | what was built of each work tree's module |
/// | `ccache/` | compiled objects, for the next key |
/// | `log/` | the full output of each step |
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache, which `RUST_TASKSTATS_CACHE` names in the environment.
    pub fn open() -> Result<Self> {
        let root = std::env::var_os(VARIABLE)
            .with_context(|| format!("{VARIABLE} is not set: is this the environment?"))?;
        Self::at(std::path::absolute(root)?)
    }

    /// Opens the cache in a given directory.
    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot make the cache directory {}", root.display()))?;
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// The cache's own directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    pub(crate) fn environments(&self) -> PathBuf {
        self.root.join("environment")
    }

    /// A directory for what is under way, on the same disk as all the rest.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir> {
        fs::create_dir_all(self.scratches())?;
        tempfile::tempdir_in(self.scratches()).context("cannot make a temporary directory")
    }

    fn scratches(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Writes a file that is there with all of its text or not at all.
    pub(crate) fn write(&self, path: &Path, text: &[u8]) -> Result<()> {
        fs::create_dir_all(self.scratches())?;
        let mut file = tempfile::NamedTempFile::new_in(self.scratches())?;
        file.write_all(text)?;
        file.persist(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.root.join("source")
    }

    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("module")
    }

    pub(crate) fn ccache(&self) -> PathBuf {
        self.root.join("ccache")
    }

    pub(crate) fn log(&self, step: &str) -> PathBuf {
        self.root.join("log").join(format!("{step}.log"))
    }

    /// Waits until no other invocation makes a kernel or fetches anything, and keeps others out
    /// until the guard is dropped. Removes what an interrupted one left.
    pub(crate) fn lock_kernels(&self) -> Result<Lock> {
        let lock = self.lock("kernel")?;
        // Only who has this lock has anything there.
        if self.scratches().is_dir() {
            fs::remove_dir_all(self.scratches())?;
        }
        Ok(lock)
    }

    /// Waits until no other invocation works on `what`, and keeps others out until the guard is
    /// dropped.
    ///
    /// The programs started meanwhile inherit the lock: if this one is killed, the next invocation
    /// does not begin before the last compiler of this one has ended.
    pub(crate) fn lock(&self, what: &str) -> Result<Lock> {
        let path = self.root.join(format!("{what}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                progress::say(&format!(
                    "another invocation works in {}: waiting for it",
                    self.root.display()
                ));
                flock(&file, FlockOperation::LockExclusive)?;
            }
            other => other?,
        }
        fcntl_setfd(&file, FdFlags::empty())?;
        Ok(Lock { _file: file })
    }
}

/// Keeps other invocations out; see [`Cache::lock`].
#[must_use]
pub(crate) struct Lock {
    _file: File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_interrupted_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let cache = Cache::at(temp.path().join("cache")).unwrap();
        let left = cache.scratch().unwrap().keep();
        cache.write(&cache.root().join("file"), b"text").unwrap();
        let _lock = cache.lock_kernels().unwrap();
        assert!(!left.exists());
        assert_eq!(fs::read(cache.root().join("file")).unwrap(), b"text");
    }

    #[test]
    fn lock_is_held_until_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let cache = Cache::at(temp.path().join("cache")).unwrap();
        let other = || {
            let file = File::open(cache.root().join("kernel.lock")).unwrap();
            flock(&file, FlockOperation::NonBlockingLockExclusive)
        };
        let lock = cache.lock("kernel").unwrap();
        assert_eq!(other(), Err(Errno::WOULDBLOCK));
        drop(lock);
        assert_eq!(other(), Ok(()));
    }
}
