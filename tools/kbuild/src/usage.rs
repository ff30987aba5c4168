// SPDX-License-Identifier: GPL-2.0
//! That a kernel is in use, so that `make clean` leaves it alone.

use std::{
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

/// Keeps a build directory from being removed until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Usage {
    _file: File,
}

impl Usage {
    /// Begins to use the kernel that an image belongs to, if it lies in a build directory of the
    /// cache.
    pub fn of(image: &Path) -> Result<Option<Self>> {
        let Some(build) = image.ancestors().find(|path| path.join(STAMP).is_file()) else {
            return Ok(None);
        };
        let path = lock_file(build);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        flock(&file, FlockOperation::LockShared)?;
        Ok(Some(Self { _file: file }))
    }

    /// Whether somebody uses the kernel of a build directory.
    pub(crate) fn is_locked(build: &Path) -> Result<bool> {
        let file = match File::open(lock_file(build)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(true),
            other => Ok(other.map(|()| false)?),
        }
    }
}

/// What shows that a build directory holds a complete kernel.
pub(crate) const STAMP: &str = "complete";

fn lock_file(build: &Path) -> PathBuf {
    build.join("in-use.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_in_use_as_long_as_anybody_uses_it() {
        let build = tempfile::tempdir().unwrap();
        let image = build.path().join("arch/x86/boot/bzImage");
        assert!(Usage::of(&image).unwrap().is_none());
        std::fs::write(build.path().join(STAMP), "").unwrap();
        let locked = || Usage::is_locked(build.path()).unwrap();
        assert!(!locked());
        let (one, other) = (Usage::of(&image).unwrap(), Usage::of(&image).unwrap());
        drop(one);
        assert!(locked());
        drop(other);
        assert!(!locked());
    }
}
