// SPDX-License-Identifier: GPL-2.0
//! Whether the disk has room for what is about to be built.

use std::path::Path;

use anyhow::{Result, bail};

use crate::cache;

/// One megabyte.
pub(crate) const MEGABYTE: u64 = 1 << 20;

/// What a build directory takes.
pub(crate) const BUILD: u64 = 1_000 * MEGABYTE;

/// What a build directory takes in which only modules are compiled.
pub(crate) const PREPARED: u64 = 300 * MEGABYTE;

/// What an unpacked source takes, and building in it.
pub(crate) const UNPACK_AND_BUILD: u64 = 2_000 * MEGABYTE + BUILD;

/// What a package and the tarball in it take, and all that comes after.
pub(crate) const FETCH_UNPACK_AND_BUILD: u64 = 500 * MEGABYTE + UNPACK_AND_BUILD;

/// Fails where less than `needed` bytes are free.
pub(crate) fn check(directory: &Path, needed: u64) -> Result<()> {
    let disk = rustix::fs::statvfs(directory)?;
    let free = disk.f_bavail * disk.f_frsize;
    if free < needed {
        bail!(
            "{} MB are needed in {}, {} MB are free: make room (`make clean` removes old builds), \
             or put the cache on another disk with {}=",
            needed / MEGABYTE,
            directory.display(),
            free / MEGABYTE,
            cache::VARIABLE,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_with_what_is_free() {
        let temp = tempfile::tempdir().unwrap();
        assert!(check(temp.path(), 0).is_ok());
        let error = check(temp.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("MB are free"), "{error}");
    }
}
