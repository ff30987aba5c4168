// SPDX-License-Identifier: GPL-2.0

//! Tasks to be asked for: each has done something that its record shows, and then stands still.
//!
//! A task is this program started again with `task KIND`; it prints the ids to ask for, one a line,
//! and `ready`.

mod act;
pub mod process;

use anyhow::{Context, bail};
use clap::ValueEnum;

pub use act::act;
pub(crate) use act::exit_leader;
pub(crate) use act::{become_user, renice, schedule, wait_for_exit_of_leader, work};
pub use act::{compute, compute_until_counted};

use crate::{peer::Peer, standstill};

/// Kinds of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Used the CPU, slept, read, wrote, faulted, copied on write; stopped.
    Worked,
    /// Forked, never called exec; stopped.
    Forked,
    /// Its executable has been deleted; stopped.
    Unlinked,
    /// Exited with a status, not yet waited for.
    Exited,
    /// Killed by a signal, not yet waited for.
    Killed,
    /// Dumped core, not yet waited for. The kernel needs `CONFIG_ELF_CORE`.
    Dumped,
    /// A leader and two threads; stopped. All three are asked for.
    Threads,
    /// The leader has exited, a thread lives on; stopped. Both are asked for.
    Leaderless,
    /// Nice 7 under `SCHED_BATCH`; stopped.
    Batch,
    /// Real-time under `SCHED_RR`; stopped.
    RoundRobin,
    /// Nice -5; stopped.
    Eager,
    /// Other user and group ids; stopped.
    User,
    /// Other user and group ids, in a user namespace of its own; stopped.
    UserNamespace,
    /// A name of 15 bytes that are not ASCII; stopped.
    Named,
    /// Asleep in a system call, not stopped.
    Asleep,
}

/// A task, or several, standing still until dropped.
#[derive(Debug)]
pub struct Task {
    /// The ids to ask for.
    pub pids: Vec<u32>,
    _peer: Peer,
}

impl Task {
    /// Starts a task and waits until it stands still.
    pub fn spawn(kind: Kind) -> anyhow::Result<Self> {
        let value = kind.to_possible_value().context("no such kind")?;
        let mut peer = Peer::myself(&["task", value.get_name()])?;
        let pids = announced(&mut peer).with_context(|| format!("task {kind:?}"))?;
        let task = Self { pids, _peer: peer };
        let still: &[char] = if kind == Kind::Asleep {
            &['S']
        } else {
            &['T', 'Z']
        };
        for &pid in &task.pids {
            standstill::wait_for(pid, still).with_context(|| format!("task {kind:?}"))?;
        }
        Ok(task)
    }

    /// The first id.
    pub fn pid(&self) -> u32 {
        self.pids[0]
    }
}

/// Reads the ids that a task prints until it is ready.
pub fn announced(peer: &mut Peer) -> anyhow::Result<Vec<u32>> {
    let mut pids = Vec::new();
    loop {
        match peer.line()?.as_str() {
            "ready" if pids.is_empty() => bail!("ready without an id"),
            "ready" => return Ok(pids),
            pid => pids.push(pid.parse().with_context(|| format!("id {pid:?}"))?),
        }
    }
}
