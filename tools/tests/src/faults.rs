// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail on request: the n-th that a task makes (`fail-nth` of
//! `Documentation/fault-injection`), on a kernel with `CONFIG_FAILSLAB`.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use nix::libc;

/// The slab allocations that fail: those that may wait for memory as well, and silently. Whole pages
/// do not fail: the kernel takes the failure of a small one for a bug.
const SETTINGS: &[(&str, &str)] = &[("ignore-gfp-wait", "N"), ("verbose", "0")];

/// Makes allocations of the calling thread fail.
#[derive(Debug)]
pub struct Faults(File);

impl Faults {
    /// For the thread that calls this. An error, if the kernel cannot do it.
    pub fn of_this_thread() -> anyhow::Result<Self> {
        for (name, value) in SETTINGS {
            let path = format!("/sys/kernel/debug/failslab/{name}");
            fs::write(&path, value).with_context(|| path)?;
        }
        let path = "/proc/thread-self/fail-nth";
        let file = OpenOptions::new().read(true).write(true).open(path);
        file.map(Self).context(path)
    }

    /// Does something while its `nth` allocation fails, counted from 1; tells whether it came to
    /// that.
    pub fn at<T>(&self, nth: usize, act: impl FnOnce() -> T) -> anyhow::Result<(T, bool)> {
        self.set(nth)?;
        let done = act();
        let left = self.left();
        self.set(0)?;
        Ok((done, left? == 0))
    }

    /// From now on: the `nth` allocation fails; 0 for none.
    fn set(&self, nth: usize) -> anyhow::Result<()> {
        let text = nth.to_string();
        self.0
            .write_all_at(text.as_bytes(), 0)
            .context("setting fail-nth")
    }

    fn left(&self) -> anyhow::Result<usize> {
        let mut text = [0; 16];
        let length = self.0.read_at(&mut text, 0).context("reading fail-nth")?;
        number(&text[..length])
    }
}

fn number(text: &[u8]) -> anyhow::Result<usize> {
    Ok(std::str::from_utf8(text)?.trim().parse()?)
}

/// Whether the allocation that was to fail in a task has failed; the task may be a zombie.
pub fn has_failed(pid: u32) -> anyhow::Result<bool> {
    let path = format!("/proc/{pid}/fail-nth");
    Ok(number(&fs::read(&path).context(path)?)? == 0)
}

/// Which thread of a process exits with an allocation that fails. It is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Last {
    /// The leader, after another thread.
    Leader,
    /// Another thread, after the leader.
    Thread,
}

/// Becomes a process of two threads whose last one exits while its `nth` allocation fails.
pub fn act(last: Last, nth: usize) -> anyhow::Result<()> {
    let other = thread::spawn(move || match last {
        Last::Leader => Ok(()),
        Last::Thread => {
            let leader = std::process::id();
            while !is_zombie(leader)? {
                thread::sleep(Duration::from_millis(1));
            }
            exit_at(nth)
        }
    });
    match last {
        Last::Leader => {
            other.join().expect("the thread returns")?;
            exit_at(nth)
        }
        // SAFETY: Ends this thread alone, which has nothing that others need.
        Last::Thread => unsafe {
            libc::syscall(libc::SYS_exit, 0);
            bail!("the leader goes on")
        },
    }
}

fn is_zombie(pid: u32) -> anyhow::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{pid}/stat"))?;
    let state = stat.rsplit(") ").next().context("no state")?;
    Ok(state.starts_with('Z'))
}

fn exit_at(nth: usize) -> anyhow::Result<()> {
    let faults = Faults::of_this_thread()?;
    ensure!(nth > 0, "allocations are counted from 1");
    faults.set(nth)?;
    // SAFETY: Ends the process, or what is left of it, at once.
    unsafe { libc::_exit(0) }
}
