// SPDX-License-Identifier: GPL-2.0

//! Keeps workers going on one CPU: this program started again with `soak-nursery`.
//!
//! It has one thread, so that its children, which do not call exec, can do what they like.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{Write, stdout},
    path::PathBuf,
};

use crate::request::Request;
use anyhow::{Context, bail, ensure};
use nix::{
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitStatus, wait},
    },
    unistd::{ForkResult, Pid, fork},
};
use taskstats::{Client, Options};

use super::{
    shared::{Count, Shared},
    worker::{self, Known, Worker},
};
use crate::{compare::holds_record, exchange::Ask, exit::pin, peer::Peer};

/// Workers at the same time.
const WORKERS: usize = 3;

/// The random numbers that decide when the implementation changes; the workers' streams follow.
pub(super) const STREAM_OF_CHANGES: u64 = 0;

const DONE: &str = "done";

/// What it works with.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The CPU.
    pub cpu: usize,
    /// What its workers do.
    pub seed: u64,
    /// The file that holds the shared memory.
    pub shared: PathBuf,
    /// A task that stands still.
    pub task: u32,
    /// A process that stands still.
    pub process: u32,
    /// The directory of a control group.
    pub group: PathBuf,
}

/// A nursery that has been started; killed with its workers when dropped.
#[derive(Debug)]
pub(super) struct Nursery {
    cpu: usize,
    peer: Peer,
}

impl Nursery {
    /// Starts it.
    pub(super) fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let Arguments {
            cpu,
            seed,
            shared,
            task,
            process,
            group,
        } = arguments;
        let [cpu_, seed, task, process] =
            [*cpu as u64, *seed, (*task).into(), (*process).into()].map(|it| it.to_string());
        let path = |path: &PathBuf| path.to_str().map(str::to_owned).context("path");
        let peer = Peer::myself(&[
            "soak-nursery",
            &cpu_,
            &seed,
            &path(shared)?,
            &task,
            &process,
            &path(group)?,
        ])?;
        Ok(Self { cpu: *cpu, peer })
    }

    /// Waits until its workers have ended, which they do once told to stop.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        let line = self.peer.line();
        let line = line.with_context(|| format!("the workers on CPU {}", self.cpu))?;
        ensure!(line == DONE, "CPU {}: {line}", self.cpu);
        Ok(())
    }
}

/// Becomes one.
pub fn act(arguments: &Arguments) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    pin(arguments.cpu)?;
    let file = File::options()
        .read(true)
        .write(true)
        .open(&arguments.shared)?;
    let shared = Shared::open(&file)?;
    let group = File::open(&arguments.group)?;
    let mut client = Client::connect(Options::default())?;
    let family = client.family();
    let mut first = Vec::new();
    for request in [
        Request::pid(family, arguments.task),
        Request::tgid(family, arguments.process),
    ] {
        let request = request.encode();
        let answer = client.ask("first", &request)?;
        let is_record = |datagram| holds_record(&datagram);
        ensure!(answer.datagrams().any(is_record), "no record: {answer:?}");
        first.push((answer, request));
    }
    let known = Known {
        cpu: arguments.cpu,
        family,
        first,
        group,
    };
    drop(client);

    let mut living = BTreeSet::new();
    for index in 0.. {
        if shared.is_stopped() {
            break;
        }
        // Each CPU has every other stream.
        let stream = STREAM_OF_CHANGES + 1 + index * 2 + arguments.cpu as u64;
        // SAFETY: This process has one thread.
        match unsafe { fork() }? {
            ForkResult::Child => Worker::become_one(&known, shared, arguments.seed, stream),
            ForkResult::Parent { child } => living.insert(child),
        };
        shared.add(Count::Workers, 1);
        if living.len() == WORKERS {
            wait_for_one(&mut living, shared)?;
        }
    }
    while !living.is_empty() {
        wait_for_one(&mut living, shared)?;
    }
    writeln!(stdout(), "{DONE}")?;
    Ok(())
}

fn wait_for_one(living: &mut BTreeSet<Pid>, shared: &Shared) -> anyhow::Result<()> {
    let status = wait()?;
    let pid = status.pid().context("no pid")?;
    if !living.remove(&pid) {
        bail!("a stranger has ended: {status:?}");
    }
    let how = match status {
        WaitStatus::Exited(_, worker::EXIT_STATUS) => Count::Exits,
        WaitStatus::Signaled(_, Signal::SIGKILL | Signal::SIGTERM, _) => Count::Killed,
        status => {
            eprintln!("a worker has failed: {status:?}");
            Count::Failures
        }
    };
    shared.add(how, 1);
    Ok(())
}
