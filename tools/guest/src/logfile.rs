// SPDX-License-Identifier: GPL-2.0
//! The files of the kernel's logs in the cache.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use kbuild::Cache;

/// How many logs are kept: those of the last runs.
const KEPT: usize = 200;

/// A new log file in the cache's `log/guest` directory, named after the time.
pub(crate) fn new(cache: &Cache) -> Result<PathBuf> {
    new_in(&cache.root().join("log").join("guest"))
}

fn new_in(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    remove_old(folder)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Two guests of one program can begin in one instant.
    for number in 0.. {
        let name = format!(
            "{}.{:03}-{}-{number}.log",
            now.as_secs(),
            now.subsec_millis(),
            std::process::id()
        );
        let path = folder.join(name);
        match File::create_new(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            other => other.with_context(|| format!("cannot make {}", path.display()))?,
        };
        return Ok(path);
    }
    unreachable!("the numbers do not end")
}

/// Names begin with the time, so that their order is that of the runs.
fn remove_old(folder: &Path) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut logs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    for log in logs.iter().rev().skip(KEPT - 1) {
        // Another run may have removed it.
        let _ = fs::remove_file(log);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_logs_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..KEPT {
            fs::write(folder.path().join(format!("{number:010}.000-1-0.log")), "").unwrap();
        }
        fs::write(folder.path().join("notes"), "").unwrap();
        let new = new_in(folder.path()).unwrap();
        assert!(new.exists());
        assert!(folder.path().join("notes").exists());
        assert!(!folder.path().join("0000000000.000-1-0.log").exists());
        assert!(folder.path().join("0000000001.000-1-0.log").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT + 1);
        assert_ne!(new_in(folder.path()).unwrap(), new);
    }
}
