// SPDX-License-Identifier: GPL-2.0
//! What the kernel shows of a livepatch.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::MODULE;

/// How often the kernel is asked how far it is.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long a transition may take. The kernel itself wakes tasks that hold it up every 15 seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// How long the kernel may hold the module after that.
pub(crate) const LET_GO: Duration = Duration::from_secs(5);

/// How many tasks are named.
const NAMED: usize = 5;

/// A livepatch.
pub(crate) struct Livepatch {
    folder: PathBuf,
}

/// Whether the loaded module is one that takes over by livepatch, whether or not it has.
pub(crate) fn is_marked() -> Result<bool> {
    let taint = Path::new("/sys/module").join(MODULE).join("taint");
    let text = fs::read_to_string(&taint).with_context(|| taint.display().to_string())?;
    Ok(text.contains('K'))
}

impl Livepatch {
    /// Finds that of a module, if there is one that is not gone.
    pub(crate) fn find(module: &str) -> Option<Self> {
        let folder = Path::new("/sys/kernel/livepatch").join(module);
        folder.is_dir().then_some(Self { folder })
    }

    /// Whether tasks are being redirected, or sent back.
    pub(crate) fn is_in_transition(&self) -> Result<bool> {
        self.is_set("transition")
    }

    /// Whether tasks are, or are to be, redirected.
    pub(crate) fn is_enabled(&self) -> Result<bool> {
        self.is_set("enabled")
    }

    /// Whether an attribute is 1. Once the livepatch is gone, none is.
    fn is_set(&self, attribute: &str) -> Result<bool> {
        let path = self.folder.join(attribute);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim() == "1"),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Waits until no task is left to redirect. Returns whether that was so in time.
    pub(crate) fn wait_for_transition(&self) -> Result<bool> {
        wait(|| Ok(!self.is_in_transition()?))
    }

    /// Waits until all tasks are sent back. Returns whether that was so in time.
    pub(crate) fn wait_until_gone(&self) -> Result<bool> {
        wait(|| Ok(!self.folder.exists()))
    }

    /// Begins to send tasks back.
    pub(crate) fn disable(&self) -> Result<()> {
        let path = self.folder.join("enabled");
        let begin = Instant::now();
        while self.is_enabled()? {
            match fs::write(&path, "0") {
                Ok(()) => break,
                // It was disabled meanwhile.
                Err(error) if is_gone(&error) || is(&error, Errno::EINVAL) => break,
                // Another livepatch is in transition.
                Err(error) if is(&error, Errno::EBUSY) && begin.elapsed() < LIMIT => {
                    thread::sleep(LOOK_EVERY);
                }
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        Ok(())
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

/// What a file of a livepatch that has gone says, opened before or after.
fn is_gone(error: &io::Error) -> bool {
    is(error, Errno::ENOENT) || is(error, Errno::ENODEV)
}

fn wait(is_done: impl Fn() -> Result<bool>) -> Result<bool> {
    let begin = Instant::now();
    while !is_done()? {
        if begin.elapsed() > LIMIT {
            return Ok(false);
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(true)
}

/// Names tasks that hold a transition up.
pub(crate) fn tasks_not_in(is_redirected: bool) -> String {
    let done = if is_redirected { "1" } else { "0" };
    let mut names = Vec::new();
    for process in folders(Path::new("/proc")) {
        for task in folders(&process.join("task")) {
            // A task may be gone by now.
            let read = |name| fs::read_to_string(task.join(name)).unwrap_or_default();
            let state = read("patch_state");
            if ["0", "1"].contains(&state.trim()) && state.trim() != done {
                let id = task.file_name().unwrap_or_default().to_string_lossy();
                names.push(format!("{} ({id})", read("comm").trim()));
            }
        }
    }
    match names.len() {
        0 => "a task that has no entry in /proc".to_owned(),
        number if number > NAMED => {
            names.truncate(NAMED);
            format!("{} and {} more", names.join(", "), number - NAMED)
        }
        _ => names.join(", "),
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
