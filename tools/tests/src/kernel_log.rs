// SPDX-License-Identifier: GPL-2.0

//! The kernel's log from a moment on.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
};

use anyhow::{Context, ensure};
use guest::complaints::scan;
use nix::fcntl::OFlag;

/// What each line begins with in which the kernel says that a provider takes over or hands back.
pub const PROVIDER: &str = "taskstats: provider ";

/// A reader of the kernel's log.
#[derive(Debug)]
pub struct KernelLog(File);

impl KernelLog {
    /// Reads from now on.
    pub fn from_now() -> anyhow::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open("/dev/kmsg")
            .context("opening /dev/kmsg")?;
        file.seek(SeekFrom::End(0)).context("seeking /dev/kmsg")?;
        Ok(Self(file))
    }

    /// The lines since the last call.
    pub fn lines(&mut self) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => lines.extend(text(&record[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(lines),
                // Records were overwritten before they were read; the next read goes on after.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error).context("reading /dev/kmsg"),
            }
        }
    }
}

/// A record is `prefix;text`, then further lines about the device that start with a space.
fn text(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (_, text) = record.split_once(';')?;
    text.lines().next().map(str::to_owned)
}

/// Fails if the kernel has complained since the last call, by the rules that the log of a guest is
/// judged by.
pub fn no_complaints(log: &mut KernelLog) -> anyhow::Result<()> {
    let complaints = scan(&log.lines()?.join("\n"));
    ensure!(
        complaints.is_empty(),
        "the kernel complains: {complaints:#?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_reduced_to_its_text() {
        let record = b"6,339,5140900,-;taskstats: hello; world\n SUBSYSTEM=x\n";
        assert_eq!(text(record).as_deref(), Some("taskstats: hello; world"));
    }
}
