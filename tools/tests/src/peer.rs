// SPDX-License-Identifier: GPL-2.0

//! A child process that is spoken with in lines, and never waited for without a limit.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::debug_kernel_limits;

/// How long anything in a test may take before it counts as hung: longer than anything takes that
/// makes progress, on a busy machine that emulates. No test measures time by it.
pub fn limit() -> Duration {
    debug_kernel_limits::limit(Duration::from_secs(300))
}

/// A child with its process group, killed and reaped when dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Peer {
    /// This program again, with these arguments.
    pub fn myself(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {arguments:?}"))?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (send, lines) = channel();
        // Ends with the child's side of the pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            lines,
        })
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to the child.
    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.stdin, "{line}").context("writing to the child")?;
        self.stdin.flush().context("writing to the child")
    }

    /// The child's next line.
    pub fn line(&mut self) -> anyhow::Result<String> {
        match self.lines.recv_timeout(limit()) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the child has been silent for {:?}", limit())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the child is gone"),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id() as i32);
        // A group that is gone already is fine.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Waits until `done` says so.
pub fn wait_until(
    what: &str,
    mut done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while !done()? {
        if started.elapsed() > limit() {
            bail!("waited {:?} for {what}", limit());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
