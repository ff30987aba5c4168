// SPDX-License-Identifier: GPL-2.0

//! A process with any number of threads. Each has used the CPU and slept now and then, and sleeps
//! on until it is told to exit or to call exec.

use std::{
    io::{BufRead, stdin},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, exit},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use nix::{
    sys::{prctl, signal::Signal},
    unistd::{Pid, getpid, gettid},
};

use super::{
    act::{announce, exit_leader, switch},
    announced,
};
use crate::{
    peer::{Peer, wait_until},
    standstill,
};

const EXIT: &str = "exit";
const EXIT_LEADER: &str = "exit-leader";
const EXEC: &str = "exec";

/// A process, asleep until it is told otherwise.
#[derive(Debug)]
pub struct Process {
    peer: Peer,
    /// The ids of its threads that have not exited, the leader's first.
    pub tids: Vec<u32>,
    /// How many threads live.
    pub live: usize,
}

impl Process {
    /// Starts a process and waits until all its threads sleep, each after so much CPU time.
    pub fn spawn(threads: usize, work: Duration) -> anyhow::Result<Self> {
        let [threads, work] = [threads as u128, work.as_millis()].map(|number| number.to_string());
        let mut peer = Peer::myself(&["process", &threads, &work])?;
        let tids = announced(&mut peer).context("a process")?;
        let process = Self {
            live: tids.len(),
            peer,
            tids,
        };
        process.wait_until_still()?;
        Ok(process)
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.tids[0]
    }

    /// Lets the youngest thread exit, and returns what its id was.
    pub fn exit_thread(&mut self) -> anyhow::Result<u32> {
        self.peer.say(EXIT)?;
        let gone = self.tids.pop().context("no thread")?;
        let path = self.task(gone);
        wait_until("a thread to be gone", || Ok(!Path::new(&path).exists()))?;
        self.live -= 1;
        self.wait_until_still()?;
        Ok(gone)
    }

    /// Lets the leader exit before its threads.
    pub fn exit_leader(&mut self) -> anyhow::Result<()> {
        self.peer.say(EXIT_LEADER)?;
        standstill::wait_for(self.pid(), &['Z'])?;
        self.live -= 1;
        self.wait_until_still()
    }

    /// Lets a thread that is not the leader call exec: it becomes the leader and the only thread.
    pub fn exec(&mut self) -> anyhow::Result<()> {
        self.peer.say(EXEC)?;
        self.tids = announced(&mut self.peer).context("after exec")?;
        self.live = 1;
        self.wait_until_still()
    }

    fn task(&self, tid: u32) -> String {
        format!("/proc/{}/task/{tid}", self.pid())
    }

    /// Waits until each thread sleeps, or is a leader that has exited.
    fn wait_until_still(&self) -> anyhow::Result<()> {
        for tid in standstill::threads(self.pid())? {
            standstill::wait_for(tid, &['S', 'Z'])?;
        }
        Ok(())
    }
}

/// Becomes such a process.
///
/// The first thread after the leader takes the orders, so that the leader can exit. `compute` uses
/// the CPU time.
pub fn act(
    threads: usize,
    work: Duration,
    compute: fn(Duration) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // The tests may end first.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    compute(work)?;
    let mut tids = vec![getpid()];
    let mut sleepers = Vec::new();
    let (leader, leaves) = channel();
    let (start, started) = channel();
    let mut started = Some(started);
    for _ in 1..threads {
        let (ready, tid) = channel();
        if let Some(started) = started.take() {
            let leader = leader.clone();
            thread::spawn(move || {
                if let Err(error) =
                    worked(&ready, work, compute).and_then(|()| take_orders(&started, &leader))
                {
                    eprintln!("{error:#}");
                    exit(1);
                }
            });
        } else {
            let (order, orders) = channel();
            sleepers.push(order);
            thread::spawn(move || {
                if worked(&ready, work, compute).is_ok() {
                    // Exits by order.
                    let _: Result<(), _> = orders.recv();
                }
            });
        }
        tids.push(tid.recv().context("a thread is gone")?);
    }
    start.send(sleepers)?;
    announce(&tids)?;
    if threads == 1 {
        stdin().lock().lines().for_each(drop);
        return Ok(());
    }
    leaves.recv()?;
    exit_leader()
}

fn worked(
    ready: &Sender<Pid>,
    work: Duration,
    compute: fn(Duration) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    compute(work)?;
    // As many context switches as milliseconds.
    switch(work.as_millis() as u64)?;
    ready.send(gettid())?;
    Ok(())
}

fn take_orders(started: &Receiver<Vec<Sender<()>>>, leader: &Sender<()>) -> anyhow::Result<()> {
    let mut sleepers = started.recv()?;
    for order in stdin().lock().lines() {
        match order?.as_str() {
            EXIT => sleepers.pop().context("no thread")?.send(())?,
            EXIT_LEADER => leader.send(())?,
            EXEC => {
                let error = Command::new("/proc/self/exe")
                    .args(["process", "1", "1"])
                    .exec();
                return Err(error.into());
            }
            order => bail!("order {order:?}"),
        }
    }
    Ok(())
}
