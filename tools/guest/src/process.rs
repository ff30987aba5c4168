// SPDX-License-Identifier: GPL-2.0
//! One run of the virtual machine: a process group of its own, its output, its time limit, its end.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt;

/// What becomes of CMD's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// It is kept for the caller.
    Capture,
    /// It is passed on to this program's own output as it comes.
    PassOn,
}

/// How the virtual machine ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Whether it was stopped because its time was over.
    pub(crate) timed_out: bool,
    /// Whether a line that `stop_at` named came, and ended it.
    pub(crate) stopped: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Room in a pipe to the virtual machine. QEMU drops what a pipe cannot take when the guest powers
/// off.
const PIPE: usize = 1 << 20;

/// The time that a killed process may take to be gone.
const DYING: Duration = Duration::from_secs(10);

enum Event {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Closed,
}

/// Runs the program with standard input empty, until it and all that it started have ended or the
/// time is over.
///
/// All that it started is killed when this returns. If `stop_at` comes on its standard error, it
/// is ended at once.
pub(crate) fn run(
    command: &mut Command,
    limit: Duration,
    output: Output,
    stop_at: Option<&str>,
) -> Result<Ended> {
    let deadline = Instant::now() + limit;
    let name = command.get_program().to_string_lossy().into_owned();
    let mut group = Group::start(command).with_context(|| format!("cannot start {name}"))?;
    let events = group.events()?;

    let mut ended = Ended {
        timed_out: false,
        stopped: false,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    let mut open = 2;
    // The machine holds both pipes while it runs: when they are closed, it has ended.
    while open > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(Event::Stdout(bytes)) if output == Output::PassOn => {
                pass_on(&mut io::stdout(), &bytes)?
            }
            Ok(Event::Stdout(bytes)) => ended.stdout.extend(bytes),
            Ok(Event::Stderr(bytes)) => {
                if output == Output::PassOn {
                    pass_on(&mut io::stderr(), &bytes)?;
                } else {
                    ended.stderr.extend(bytes);
                    if stop_at
                        .is_some_and(|text| String::from_utf8_lossy(&ended.stderr).contains(text))
                    {
                        ended.stopped = true;
                        break;
                    }
                }
            }
            Ok(Event::Closed) => open -= 1,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                ended.timed_out = true;
                break;
            }
        }
    }
    drop(group);
    settle(&events, open);
    interrupt::check()?;
    Ok(ended)
}

/// Waits until the killed have let go of their output, which is the most that there is to wait for.
fn settle(events: &Receiver<Event>, mut open: usize) {
    while open > 0 {
        match events.recv_timeout(DYING) {
            Ok(Event::Closed) => open -= 1,
            Ok(_) => {}
            // What is left has left the group: it is none of the machine's.
            Err(_) => return,
        }
    }
}

/// A process that leads its own group. When dropped, all of the group is killed.
struct Group {
    leader: Child,
    id: Pid,
}

impl Group {
    fn start(command: &mut Command) -> Result<Self> {
        interrupt::check()?;
        let leader = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let id = Pid::from_child(&leader);
        interrupt::register(id);
        Ok(Self { leader, id })
    }

    /// Reads both outputs as they come. The channel has no bound: a slow reader behind this program
    /// must not make the guest lose what it wrote.
    fn events(&mut self) -> Result<Receiver<Event>> {
        let (sender, receiver) = mpsc::channel();
        let (stdout, stderr) = (self.leader.stdout.take(), self.leader.stderr.take());
        forward(stdout.context("no pipe")?, Event::Stdout, sender.clone());
        forward(stderr.context("no pipe")?, Event::Stderr, sender);
        Ok(receiver)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The leader is not yet waited for, so that its id, and so the group's, still is its own.
        // No such process: all have ended.
        let _ = kill_process_group(self.id, Signal::KILL);
        interrupt::unregister(self.id);
        let _ = self.leader.wait();
    }
}

fn forward(
    mut pipe: impl Read + AsFd + Send + 'static,
    event: fn(Vec<u8>) -> Event,
    sender: Sender<Event>,
) {
    // An unprivileged user may be over a limit here: the usual size does too, most of the time.
    let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match pipe.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    if sender.send(event(buffer[..length].to_vec())).is_err() {
                        return;
                    }
                }
            }
        }
        // The receiver is gone if the time was over.
        let _ = sender.send(Event::Closed);
    });
}

fn pass_on(output: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    output
        .write_all(bytes)
        .and_then(|()| output.flush())
        .context("cannot pass the command's output on")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_kept_apart() {
        let ended = run(
            &mut shell("echo out; echo err >&2; cat"),
            Duration::from_secs(60),
            Output::Capture,
            None,
        )
        .unwrap();
        assert_eq!(
            (ended.stdout.as_slice(), ended.stderr.as_slice()),
            (&b"out\n"[..], &b"err\n"[..])
        );
        assert!(!ended.timed_out);
    }

    #[test]
    fn the_time_limit_ends_the_whole_group() {
        let started = Instant::now();
        let ended = run(
            &mut shell("sleep 77 & echo $!; sleep 78"),
            Duration::from_secs(2),
            Output::Capture,
            None,
        )
        .unwrap();
        assert!(ended.timed_out);
        assert!(started.elapsed() < Duration::from_secs(30));
        let child: i32 = String::from_utf8(ended.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // Killed, it may still be on its way, or wait for init to take its status.
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z")
        };
        while !gone() {
            assert!(started.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_line_can_end_it() {
        let ended = run(
            &mut shell("echo no use >&2; sleep 79"),
            Duration::from_secs(60),
            Output::Capture,
            Some("no use"),
        );
        assert!(ended.unwrap().stopped);
    }
}
