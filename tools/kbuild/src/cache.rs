// SPDX-License-Identifier: GPL-2.0
//! Where everything built is kept, and who may write there.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use etcetera::BaseStrategy;
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
/// | `downloads/` | the kernel's tarball, and apt's private lists |
/// | `toolchain/` | bindgen, the core library's source and virtme-ng, where the machine has none |
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
    /// Finds the cache: `RUST_TASKSTATS_CACHE`, or `rust-taskstats` in the user's cache directory.
    ///
    /// The directory is made if it is missing.
    pub fn open() -> Result<Self> {
        let root = match std::env::var_os(VARIABLE) {
            Some(path) if !path.is_empty() => std::path::absolute(path)?,
            _ => etcetera::choose_base_strategy()
                .context("neither XDG_CACHE_HOME nor HOME says where the cache is")?
                .cache_dir()
                .join("rust-taskstats"),
        };
        Self::at(root)
    }

    /// Opens the cache in a given directory.
    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot make the cache directory {}", root.display()))?;
        let root = root.canonicalize()?;
        // Kbuild takes no path with a space or a colon in it, and says so late and unclearly.
        let text = root.to_str().context("the cache's path is not UTF-8")?;
        if text.contains([' ', ':', '%', '\n']) {
            bail!(
                "the kernel cannot be built in {text:?}: put the cache elsewhere with {VARIABLE}="
            );
        }
        Ok(Self { root })
    }

    /// The cache's own directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    pub(crate) fn toolchain(&self) -> PathBuf {
        self.root.join("toolchain")
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
    fn refuses_paths_that_kbuild_cannot_take() {
        let temp = tempfile::tempdir().unwrap();
        assert!(Cache::at(temp.path().join("with space")).is_err());
        assert!(Cache::at(temp.path().join("with:colon")).is_err());
        assert!(Cache::at(temp.path().join("plain")).is_ok());
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
