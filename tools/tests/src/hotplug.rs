// SPDX-License-Identifier: GPL-2.0

//! CPUs that are taken away, and come back.

use std::fs;

use anyhow::Context;

/// A CPU that is offline until it is brought back, or this is dropped.
#[derive(Debug)]
pub struct Offline(usize);

impl Offline {
    /// Takes a CPU away.
    pub fn take(cpu: usize) -> anyhow::Result<Self> {
        set_online(cpu, false)?;
        Ok(Self(cpu))
    }

    /// Brings it back.
    pub fn bring_back(self) -> anyhow::Result<()> {
        set_online(self.0, true)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if let Err(error) = set_online(self.0, true) {
            eprintln!("bringing CPU {} back: {error:#}", self.0);
        }
    }
}

fn set_online(cpu: usize, online: bool) -> anyhow::Result<()> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/online");
    let now = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let wanted = if online { "1" } else { "0" };
    if now.trim_end() == wanted {
        return Ok(());
    }
    fs::write(&path, wanted).with_context(|| format!("writing {wanted} to {path}"))
}
