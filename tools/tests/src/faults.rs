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

/// The allocations that fail: those of slabs, those that may wait for memory as well, and silently.
/// Whole pages do not fail, and are not counted: the kernel takes the failure of a small one for a
/// bug.
const SETTINGS: &[(&str, &str)] = &[
    ("failslab/ignore-gfp-wait", "N"),
    ("failslab/verbose", "0"),
    ("fail_page_alloc/min-order", "10"),
];

fn configure(name: &str, value: &str) -> anyhow::Result<()> {
    let path = format!("/sys/kernel/debug/{name}");
    fs::write(&path, value).context(path)
}

/// Makes allocations of the calling thread fail.
#[derive(Debug)]
pub struct Faults(File);

impl Faults {
    /// For the thread that calls this. An error, if the kernel cannot do it.
    pub fn of_this_thread() -> anyhow::Result<Self> {
        for (name, value) in SETTINGS {
            configure(name, value)?;
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

/// Of all allocations only those below one function of the kernel fail, and are counted, until this
/// is dropped.
#[derive(Debug)]
pub struct Below(());

impl Below {
    /// Below the function with this name.
    pub fn function(name: &str) -> anyhow::Result<Self> {
        let (start, end) = extent(&fs::read_to_string("/proc/kallsyms")?, name)?;
        let below = Self(());
        below.require(start, end)?;
        Ok(below)
    }

    fn require(&self, start: u64, end: u64) -> anyhow::Result<()> {
        configure("failslab/require-start", &format!("{start:#x}"))?;
        configure("failslab/require-end", &format!("{end:#x}"))
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        // Otherwise the next test finds nothing that fails, and says so.
        let _ = self.require(0, u64::MAX);
    }
}

/// Where a function begins and where the next symbol does, by the lines of `/proc/kallsyms`.
fn extent(symbols: &str, name: &str) -> anyhow::Result<(u64, u64)> {
    let address = |line: &str| {
        let (address, _) = line.split_once(' ')?;
        u64::from_str_radix(address, 16).ok()
    };
    let is_named = |line: &&str| line.split(' ').nth(2) == Some(name);
    let start = symbols.lines().find(is_named).and_then(address);
    let start = start.with_context(|| format!("the kernel has no {name}"))?;
    ensure!(start != 0, "the kernel hides its addresses");
    let after = symbols.lines().filter_map(address).filter(|&it| it > start);
    Ok((start, after.min().context("nothing is behind it")?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_where_the_next_symbol_begins() {
        let symbols = "ffff0010 T first\nffff0030 t third\nffff0020 T second\n\
                       ffff0020 t alias\nffffffc0 t other\t[module]\n";
        assert_eq!(
            extent(symbols, "first").unwrap(),
            (0xffff_0010, 0xffff_0020)
        );
        assert_eq!(
            extent(symbols, "second").unwrap(),
            (0xffff_0020, 0xffff_0030)
        );
        assert!(extent(symbols, "fourth").is_err());
        assert!(extent("0 T hidden\n0 T too\n", "hidden").is_err());
    }
}
