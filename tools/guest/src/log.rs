// SPDX-License-Identifier: GPL-2.0
//! The kernel's log of one guest, as its console wrote it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::complaints::{self, Complaint};

/// What begins each line that the guest's own script writes into the kernel's log.
pub(crate) const MARK: &str = "guest: ";
/// Marks that the implementation is up and that CMD starts.
pub(crate) const STARTS: &str = "the command starts";
/// Marks that CMD has ended; its exit status follows.
pub(crate) const ENDED: &str = "the command ended with ";
/// Marks that CMD was not started; why follows.
pub(crate) const FAILED: &str = "set-up failed: ";

/// The kernel's last word when a guest powers off (`kernel_power_off()`).
const POWERED_OFF: &str = "reboot: Power down";
const PANIC: &str = "Kernel panic";

/// The kernel's log of one guest, from the first boot message on.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
    text: String,
}

impl Log {
    /// Reads the log file of a guest that has ended. A file that is not there is an empty log: the
    /// guest never began.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => {
                other.with_context(|| format!("cannot read the kernel's log {}", path.display()))?
            }
        };
        Ok(Self::new(path, &String::from_utf8_lossy(&bytes)))
    }

    pub(crate) fn new(path: impl Into<PathBuf>, text: &str) -> Self {
        // The serial console ends its lines with CR LF.
        Self {
            path: path.into(),
            text: text.replace('\r', ""),
        }
    }

    /// The file that holds the log.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole log.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The log's last lines.
    pub fn tail(&self, lines: usize) -> &str {
        match self
            .text
            .trim_end()
            .rmatch_indices('\n')
            .nth(lines.saturating_sub(1))
        {
            Some((at, _)) => &self.text[at + 1..],
            None => &self.text,
        }
    }

    /// The kernel's complaints.
    pub fn complaints(&self) -> Vec<Complaint> {
        complaints::scan(&self.text)
    }

    /// Whether the guest powered off as it should, rather than stopping in the middle.
    pub fn powered_off(&self) -> bool {
        self.text
            .lines()
            .rev()
            .take(10)
            .any(|line| line.contains(POWERED_OFF))
    }

    /// What the kernel panicked about, if it did.
    pub fn panic(&self) -> Option<&str> {
        let line = self.text.lines().find(|line| line.contains(PANIC))?;
        Some(line[line.find(PANIC)?..].trim_end())
    }

    /// Whether CMD was started.
    pub(crate) fn command_started(&self) -> bool {
        self.mark(STARTS).is_some()
    }

    /// CMD's exit status, if it ended.
    pub(crate) fn command_status(&self) -> Option<u8> {
        self.mark(ENDED)?.parse().ok()
    }

    /// Why CMD was not started, if the guest's script said so.
    pub(crate) fn setup_failure(&self) -> Option<&str> {
        self.mark(FAILED)
    }

    /// What follows the last mark of a kind. The mark stands where the message begins, behind the
    /// time stamp, so that a line which quotes it does not count.
    fn mark(&self, kind: &str) -> Option<&str> {
        self.text.lines().rev().find_map(|line| {
            let message = line.split_once("] ").map_or(line, |(_, message)| message);
            Some(message.strip_prefix(MARK)?.strip_prefix(kind)?.trim_end())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Log {
        Log::new("log", text)
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let log = log("1\n2\n3\n4\n");
        assert_eq!(log.tail(2), "3\n4\n");
        assert_eq!(log.tail(4), "1\n2\n3\n4\n");
        assert_eq!(log.tail(9), "1\n2\n3\n4\n");
    }

    #[test]
    fn marks_are_found_behind_the_time_stamp_only() {
        let log = log("[    1.0] guest: the command starts\n\
                       [    2.0][   T77] guest: the command ended with 7\n\
                       [    2.1] init: I say guest: the command ended with 8\n\
                       [    2.2] reboot: Power down\n");
        assert!(log.command_started());
        assert_eq!(log.command_status(), Some(7));
        assert_eq!(log.setup_failure(), None);
        assert!(log.powered_off());
        assert_eq!(log.panic(), None);
    }

    #[test]
    fn a_panic_is_not_a_regular_end() {
        let log = log("[    1.0] guest: the command starts\n\
                       [    2.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n\
                       [    2.2] Rebooting in 1 seconds..\n");
        assert_eq!(log.command_status(), None);
        assert!(!log.powered_off());
        assert_eq!(
            log.panic(),
            Some("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b")
        );
    }

    #[test]
    fn a_log_that_is_not_there_is_empty() {
        let log = Log::read(Path::new("/nonexistent/log")).unwrap();
        assert_eq!(log.text(), "");
        assert_eq!(log.tail(5), "");
        assert!(!log.powered_off());
    }
}
