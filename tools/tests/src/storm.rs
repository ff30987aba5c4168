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
use nix::{
    errno::Errno,
    libc::{self, c_int, c_void},
    sys::{prctl, signal::Signal},
};

use crate::exit::{Usage, pin, wait4};

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
    let mut stack = stack();
    let mut lines = String::new();
    for index in 0..tasks {
        let pid = spawn(&mut stack, index)?;
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

/// A stack for [`spawn`].
pub(crate) fn stack() -> Vec<u128> {
    vec![0; 4096]
}

/// Starts a child that exits, with a status below 100 that tells its index.
///
/// As vfork: the child borrows this process's memory until it has ended.
pub(crate) fn spawn(stack: &mut [u128], index: usize) -> anyhow::Result<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    // SAFETY: The stack is the child's alone as long as it runs, for this thread sleeps until then.
    let pid = unsafe { libc::clone(child, top, flags, index as *mut c_void) };
    Errno::result(pid).context("clone")
}

extern "C" fn child(index: *mut c_void) -> c_int {
    let index = index as usize;
    if index % BUSY == 0 {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(2) {}
    }
    // SAFETY: Ends the child without touching what it shares with its parent.
    unsafe { libc::_exit((index % 100) as c_int) }
}
