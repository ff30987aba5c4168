// SPDX-License-Identifier: GPL-2.0

//! Ends all processes that this program has started when it is ended itself.
//!
//! It is the reaper of all its descendants: those whose parent has ended, and those that have left
//! their process group or session, become its children, so that none is out of reach.

use std::{
    fs,
    sync::atomic::{AtomicI32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// The time that processes have to end by themselves: what runs a virtual machine has to end it.
const GRACE: Duration = Duration::from_secs(10);

/// The signal that came, or 0.
static PENDING: AtomicI32 = AtomicI32::new(0);

/// From now on, SIGINT, SIGTERM and SIGHUP end all descendants of this program, and then it, as
/// they always do.
pub(crate) fn end_on_signals() -> Result<()> {
    set_child_subreaper(Some(rustix::process::getpid())).context("cannot become a reaper")?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            PENDING.store(signal, Ordering::SeqCst);
            end_all();
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Fails once a signal came: no further process is to be started.
pub(crate) fn check() -> Result<()> {
    match PENDING.load(Ordering::SeqCst) {
        0 => Ok(()),
        signal => bail!("interrupted by signal {signal}"),
    }
}

/// Once a signal came, waits for the end that it brings.
pub(crate) fn end_if_interrupted() {
    while PENDING.load(Ordering::SeqCst) != 0 {
        thread::park();
    }
}

/// Ends all descendants: with SIGTERM, and with SIGKILL those that are still there after a while.
pub(crate) fn end_all() {
    let started = Instant::now();
    let mut told = Vec::new();
    loop {
        let living = descendants();
        if living.is_empty() {
            return;
        }
        let patient = started.elapsed() < GRACE;
        for pid in living {
            let signal = if patient { Signal::TERM } else { Signal::KILL };
            // Told once, a process is left to clean up.
            if patient && told.contains(&pid) {
                continue;
            }
            told.push(pid);
            if let Some(pid) = Pid::from_raw(pid) {
                // One that has ended meanwhile is fine.
                let _ = kill_process(pid, signal);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// All descendants of this program that have not ended.
fn descendants() -> Vec<i32> {
    let me = std::process::id() as i32;
    let all = processes();
    let mut found = vec![me];
    // A process is listed after its parent or before: until nothing is added.
    loop {
        let before = found.len();
        for process in &all {
            if found.contains(&process.parent) && !found.contains(&process.pid) {
                found.push(process.pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    found.retain(|pid| *pid != me && !all.iter().any(|it| it.pid == *pid && it.has_ended));
    found
}

struct Process {
    pid: i32,
    parent: i32,
    /// A zombie: only its parent can do something about it.
    has_ended: bool,
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // The name in it need not be UTF-8.
        let stat = fs::read(entry.path().join("stat")).ok()?;
        parse(pid, &String::from_utf8_lossy(&stat))
    };
    entries.flatten().filter_map(process).collect()
}

/// Reads a line of `/proc/PID/stat`, where the name can contain anything.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let has_ended = matches!(words.next()?, "Z" | "X");
    Some(Process {
        pid,
        parent: words.next()?.parse().ok()?,
        has_ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let process = parse(7, "7 (a) Z 1 (b)) S 42 7 7 0").unwrap();
        assert_eq!((process.parent, process.has_ended), (42, false));
        assert!(parse(7, "7 (a) Z 42 7").unwrap().has_ended);
        assert!(parse(7, "").is_none());
    }
}
