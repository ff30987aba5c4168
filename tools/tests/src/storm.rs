// SPDX-License-Identifier: GPL-2.0

//! Many short-lived tasks, one after the other on one CPU, and what `wait4` reported of each.
//!
//! The parent is this program started again with `storm CPU TASKS`.

use std::{
    fmt::Write as _,
    io::{Write as _, stdout},
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::sys::{prctl, signal::Signal};

use crate::{
    clone_as_vfork::{STACK, spawn},
    exit::{Usage, pin, wait4},
};

/// Reports are written together, not each as it comes.
const TOGETHER: usize = 500;

/// Every how many tasks one uses the CPU for a while.
const BUSY: usize = 16;

/// A task that has been waited for.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its id.
    pub pid: u32,
    /// What `wait4` reported.
    pub usage: Usage,
}

impl Ended {
    /// Reads what [`act`] wrote.
    pub fn parse(line: &str) -> anyhow::Result<Self> {
        serde_json::from_str(line)
            .map(|(pid, usage)| Self { pid, usage })
            .with_context(|| format!("line {line:?}"))
    }
}

/// Becomes the parent of that many tasks.
pub fn act(cpu: usize, tasks: usize) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    pin(cpu)?;
    let mut stack = [0; STACK];
    let mut lines = String::new();
    for index in 0..tasks {
        let pid = spawn(&mut stack, || child(index))?;
        let usage = wait4(pid)?;
        writeln!(lines, "{}", serde_json::to_string(&(pid, usage))?)?;
        if index % TOGETHER == TOGETHER - 1 || index + 1 == tasks {
            stdout().write_all(lines.as_bytes())?;
            stdout().flush()?;
            lines.clear();
        }
    }
    Ok(())
}

/// What a task does: now and then it uses the CPU. Its status, below 100, tells its index.
fn child(index: usize) -> isize {
    if index % BUSY == 0 {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(2) {}
    }
    (index % 100) as isize
}
