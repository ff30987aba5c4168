// SPDX-License-Identifier: GPL-2.0

//! Those who ask: processes with other privileges or in other namespaces, each with a socket of its
//! own that it keeps while the implementation changes.
//!
//! A caller is this program started again with `caller STANDING`; it is given requests and gives
//! back answers as lines of JSON.

use std::io::{BufRead, Write, stdin, stdout};

use anyhow::Context;
use caps::{CapSet, Capability};
use clap::{Args, ValueEnum};
use nix::{
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{ForkResult, Gid, Pid, Uid, fork, setresgid, setresuid},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use taskstats::{Client, Options};

use crate::{
    exchange::{Answer, Ask},
    peer::Peer,
    workload::announced,
};

/// What a caller is and may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Standing {
    /// Root, as the tests themselves.
    Root,
    /// Root without `CAP_NET_ADMIN`.
    NoCapability,
    /// Root that gave up `CAP_NET_ADMIN` after it opened its socket.
    CapabilityDropped,
    /// An ordinary user.
    User,
    /// An ordinary user whose socket was opened by root.
    UserWithSocket,
    /// Root of a user namespace of its own.
    UserNamespace,
    /// Root of a user namespace of its own, with a socket opened outside.
    UserNamespaceWithSocket,
    /// Process 1 of a pid namespace of its own; process 2 there is stopped.
    PidNamespace,
    /// Root in a network namespace of its own.
    NetworkNamespace,
    /// Root in user, pid and network namespaces of its own.
    AllNamespaces,
}

/// How a caller's socket is set up.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Acks {
    /// Asks for errors with text and offset.
    #[arg(long)]
    pub extended: bool,
    /// Asks for errors that repeat the request's header only.
    #[arg(long)]
    pub capped: bool,
}

#[derive(Serialize, Deserialize)]
struct Hello {
    family: u16,
    pids: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Question {
    label: String,
    request: Vec<u8>,
}

/// A caller that is running.
#[derive(Debug)]
pub struct Caller {
    peer: Peer,
    family: u16,
    /// Tasks that stand still beside the caller, by their ids in its pid namespace.
    pub pids: Vec<u32>,
}

impl Caller {
    /// Starts a caller.
    pub fn spawn(standing: Standing, acks: Acks) -> anyhow::Result<Self> {
        let value = standing.to_possible_value().context("no such standing")?;
        let mut arguments = vec!["caller", value.get_name()];
        if acks.extended {
            arguments.push("--extended");
        }
        if acks.capped {
            arguments.push("--capped");
        }
        let mut peer = Peer::myself(&arguments)?;
        let line = peer
            .line()
            .with_context(|| format!("caller {standing:?}"))?;
        let Hello { family, pids } = serde_json::from_str(&line)?;
        Ok(Self { peer, family, pids })
    }
}

impl Ask for Caller {
    fn family(&self) -> u16 {
        self.family
    }

    fn ask(&mut self, label: &str, request: &[u8]) -> anyhow::Result<Answer> {
        let question = Question {
            label: label.to_owned(),
            request: request.to_owned(),
        };
        self.peer.say(&serde_json::to_string(&question)?)?;
        Ok(serde_json::from_str(&self.peer.line()?)?)
    }
}

/// Becomes a caller of that standing.
pub fn act(standing: Standing, acks: Acks) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let options = Options {
        extended_ack: acks.extended,
        capped_ack: acks.capped,
        ..Options::default()
    };
    let connect = || Client::connect(options);
    match standing {
        Standing::Root => serve(connect()?, Vec::new()),
        Standing::NoCapability => {
            drop_capability()?;
            serve(connect()?, Vec::new())
        }
        Standing::CapabilityDropped => {
            let client = connect()?;
            drop_capability()?;
            serve(client, Vec::new())
        }
        Standing::User => {
            become_user()?;
            serve(connect()?, Vec::new())
        }
        Standing::UserWithSocket => {
            let client = connect()?;
            become_user()?;
            serve(client, Vec::new())
        }
        Standing::UserNamespace => {
            enter_user_namespace(CloneFlags::empty())?;
            serve(connect()?, Vec::new())
        }
        Standing::UserNamespaceWithSocket => {
            let client = connect()?;
            enter_user_namespace(CloneFlags::empty())?;
            serve(client, Vec::new())
        }
        Standing::PidNamespace => {
            unshare(CloneFlags::CLONE_NEWPID)?;
            as_process_one(options)
        }
        Standing::NetworkNamespace => {
            unshare(CloneFlags::CLONE_NEWNET)?;
            serve(connect()?, Vec::new())
        }
        Standing::AllNamespaces => {
            enter_user_namespace(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET)?;
            as_process_one(options)
        }
    }
}

fn drop_capability() -> anyhow::Result<()> {
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::drop(None, set, Capability::CAP_NET_ADMIN)?;
    }
    Ok(())
}

fn become_user() -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(65534), Gid::from_raw(65534));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}

fn enter_user_namespace(others: CloneFlags) -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER | others)?;
    std::fs::write("/proc/self/uid_map", "0 0 1")?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/gid_map", "0 0 1")?;
    Ok(())
}

/// Serves from a child, the first process of the new pid namespace, beside a stopped task.
fn as_process_one(options: Options) -> anyhow::Result<()> {
    // SAFETY: This process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            let mut task = Peer::myself(&["task", "worked"])?;
            let pids = announced(&mut task)?;
            let pid = Pid::from_raw(task.id() as i32);
            waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
            serve(Client::connect(options)?, pids)
        }
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(())
        }
    }
}

fn serve(mut client: Client, pids: Vec<u32>) -> anyhow::Result<()> {
    say(&Hello {
        family: client.family(),
        pids,
    })?;
    for line in stdin().lock().lines() {
        let question: Question = parse(&line?)?;
        say(&client.ask(&question.label, &question.request)?)?;
    }
    Ok(())
}

fn say(what: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    stdout().write_all(line.as_bytes())?;
    stdout().flush()?;
    Ok(())
}

fn parse<T: DeserializeOwned>(line: &str) -> anyhow::Result<T> {
    serde_json::from_str(line).with_context(|| format!("line {line:?}"))
}
