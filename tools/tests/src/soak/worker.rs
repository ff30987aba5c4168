// SPDX-License-Identifier: GPL-2.0

//! Does some things at random, and ends in some way.

use std::{fs::File, os::fd::AsFd, slice, thread, time::Duration};

use anyhow::{Context, bail, ensure};
use nix::{
    libc,
    sys::signal::{Signal, raise},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use taskstats::{Client, Options};

use super::{
    family::{self, Filtered},
    shared::{Count, Shared},
};
use crate::{
    clone_as_vfork::end_on,
    compare::compare,
    exchange::{Answer, Ask},
    listener::Listener,
    requests::NOBODY,
};

/// With what a worker exits that has seen nothing wrong.
pub(super) const EXIT_STATUS: i32 = 7;

/// With what it exits otherwise.
const FAILED: i32 = 1;

/// Things that a worker does, at most.
const THINGS: usize = 30;

/// The most messages that may be in a listener's queue, in bytes.
const ROOM: usize = 8 << 20;

/// What there is to ask for.
#[derive(Debug)]
pub(super) struct Known {
    /// The CPU that all workers run on.
    pub(super) cpu: usize,
    /// The family's id.
    pub(super) family: u16,
    /// First answers, and the requests, for what stands still.
    pub(super) first: Vec<(Answer, Vec<u8>)>,
    /// A control group's directory.
    pub(super) group: File,
}

/// A worker.
pub(super) struct Worker<'a> {
    known: &'a Known,
    shared: &'static Shared,
    rng: ChaCha8Rng,
    client: Client,
    listeners: Vec<Listener>,
    filtered: Filtered,
}

impl<'a> Worker<'a> {
    /// Makes this process a worker, to its end.
    pub(super) fn become_one(
        known: &'a Known,
        shared: &'static Shared,
        seed: u64,
        stream: u64,
    ) -> ! {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let result = Self::new(known, shared, rng).and_then(|mut worker| {
            worker.work()?;
            worker.end()
        });
        if let Err(error) = result {
            eprintln!("worker {stream} on CPU {}: {error:#}", known.cpu);
        }
        exit(FAILED)
    }

    fn new(known: &'a Known, shared: &'static Shared, rng: ChaCha8Rng) -> anyhow::Result<Self> {
        Ok(Self {
            known,
            shared,
            rng,
            client: Client::connect(Options::default())?,
            listeners: Vec::new(),
            filtered: Filtered::default(),
        })
    }

    fn work(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.rng.random_range(1..=THINGS) {
            match self.rng.random_range(0..32) {
                0..8 => self.query().context("a query")?,
                8..10 => self.query_myself().context("a query for oneself")?,
                10..12 => self.query_nobody().context("a query for nobody")?,
                12 => self.query_group().context("a query for a control group")?,
                13 => self.resolve().context("a query for the family")?,
                14 => self.list_policies().context("listing the policies")?,
                15..18 => self.register()?,
                18 => self.deregister()?,
                19 => self.hear().context("messages about exits")?,
                20 => self.leave(),
                21..23 => self.prove().context("an exit")?,
                23..31 => family::act(
                    &mut self.filtered,
                    self.shared,
                    &mut self.rng,
                    self.known.cpu,
                )
                .context("taskacct")?,
                _ => {
                    let time = self.rng.random_range(0..5_000);
                    thread::sleep(Duration::from_micros(time));
                }
            }
        }
        // What has been heard is looked at, but nobody says goodbye.
        self.hear()?;
        self.shared.add(Count::Left, self.listeners.len());
        Ok(())
    }

    fn query(&mut self) -> anyhow::Result<()> {
        let which = self.rng.random_range(0..self.known.first.len());
        query(&mut self.client, &self.known.first[which])?;
        self.shared.add(Count::Queries, 1);
        Ok(())
    }

    fn query_myself(&mut self) -> anyhow::Result<()> {
        let pid = std::process::id();
        let record = self.client.pid(pid)?.record;
        ensure!(
            record.ac_pid == pid && record.ac_tgid == pid,
            "asked for {pid}: {record:?}"
        );
        self.client.tgid(pid)?;
        self.shared.add(Count::Own, 2);
        Ok(())
    }

    fn query_nobody(&mut self) -> anyhow::Result<()> {
        for result in [self.client.pid(NOBODY), self.client.tgid(NOBODY)] {
            let errno = result.as_ref().err().and_then(|error| error.errno());
            ensure!(errno == Some(libc::ESRCH), "nobody is {result:?}");
            self.shared.add(Count::Refusals, 1);
        }
        Ok(())
    }

    fn query_group(&mut self) -> anyhow::Result<()> {
        self.client.cgroup(self.known.group.as_fd())?;
        self.shared.add(Count::Groups, 1);
        Ok(())
    }

    fn resolve(&mut self) -> anyhow::Result<()> {
        let family = self.client.resolve()?;
        ensure!(
            family.id == self.known.family && family.operations.len() == 2,
            "{family:?}"
        );
        self.shared.add(Count::Resolved, 1);
        Ok(())
    }

    /// The kernel refuses to list the policies of a family whose module is going.
    fn list_policies(&mut self) -> anyhow::Result<()> {
        let client = &mut self.client;
        let (policy, undisturbed) = self.shared.undisturbed(|| client.policy());
        match policy {
            Err(error) if error.errno() == Some(libc::ENOENT) && !undisturbed => {
                self.shared.add(Count::Going, 1);
            }
            policy => {
                let policy = policy?;
                ensure!(policy.operations.len() == 2, "{policy:?}");
                self.shared.add(Count::Policies, 1);
            }
        }
        Ok(())
    }

    fn mask(&mut self) -> &'static str {
        ["0", "1", "0-1"][self.rng.random_range(0..3)]
    }

    fn register(&mut self) -> anyhow::Result<()> {
        let mask = self.mask();
        if self.listeners.is_empty() || self.rng.random() {
            let listener = Listener::open(0)?;
            listener.room(ROOM)?;
            self.listeners.push(listener);
        }
        let which = self.rng.random_range(0..self.listeners.len());
        self.listeners[which].register(mask)?;
        self.shared.add(Count::Registrations, 1);
        Ok(())
    }

    fn deregister(&mut self) -> anyhow::Result<()> {
        let mask = self.mask();
        if self.listeners.is_empty() {
            return self.register();
        }
        let which = self.rng.random_range(0..self.listeners.len());
        // Where it is not registered, nothing happens.
        self.listeners[which].deregister(mask)?;
        self.shared.add(Count::Deregistrations, 1);
        Ok(())
    }

    fn hear(&mut self) -> anyhow::Result<()> {
        for listener in &mut self.listeners {
            let heard = listener.hear_all()?;
            self.shared.add(Count::Heard, heard.len());
        }
        Ok(())
    }

    fn leave(&mut self) {
        if self.listeners.pop().is_some() {
            self.shared.add(Count::Left, 1);
        }
    }

    /// Unless the implementation changes meanwhile, a registered listener gets the record.
    fn prove(&mut self) -> anyhow::Result<()> {
        let cpu = self.known.cpu;
        let (heard, undisturbed) = self.shared.undisturbed(|| {
            let mut listener = Listener::open(0)?;
            listener.room(ROOM)?;
            listener.register(&cpu.to_string())?;
            let pid = end_on(cpu)?;
            let messages = listener.hear_all()?;
            let times = messages
                .iter()
                .filter(|message| message.task.ac_pid == pid)
                .count();
            anyhow::Ok((pid, times, messages.len()))
        });
        let (pid, times, all) = heard?;
        ensure!(times <= 1, "heard {times} times of {pid}");
        ensure!(times == 1 || !undisturbed, "heard nothing of {pid}");
        self.shared.add(Count::Heard, all);
        self.shared.add(Count::Registrations, 1);
        let proven = if undisturbed {
            Count::Proven
        } else {
            Count::Unproven
        };
        self.shared.add(proven, 1);
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        match self.rng.random_range(0..10) {
            0..3 => exit(EXIT_STATUS),
            3 => raise(Signal::SIGKILL)?,
            4 => raise(Signal::SIGTERM)?,
            how => return self.end_with_threads(how),
        }
        bail!("alive after a signal")
    }

    fn end_with_threads(&mut self, how: i32) -> anyhow::Result<()> {
        let number = self.rng.random_range(1..=3);
        let (started, all_started) = std::sync::mpsc::channel();
        let (outlives, gone) = (how == 5, how == 6);
        thread::scope(|scope| {
            for index in 0..number {
                let started = started.clone();
                let known = self.known;
                scope.spawn(move || {
                    let asked = Client::connect(Options::default())
                        .map_err(anyhow::Error::from)
                        .and_then(|mut client| query(&mut client, &known.first[index % 2]));
                    let _: Result<(), _> = started.send(());
                    if let Err(error) = asked {
                        eprintln!("a thread on CPU {}: {error:#}", known.cpu);
                        exit(FAILED);
                    }
                    if outlives && index == 0 {
                        // The leader is gone by then, mostly.
                        thread::sleep(Duration::from_millis(1));
                        exit(EXIT_STATUS);
                    }
                    if !gone {
                        loop {
                            thread::park();
                        }
                    }
                });
            }
            for _ in 0..number {
                all_started.recv()?;
            }
            match how {
                // Each thread has exited by itself.
                6 => Ok(()),
                // SAFETY: Ends this thread alone, of whose stack the others only read what stays
                // mapped.
                5 => unsafe {
                    libc::syscall(libc::SYS_exit, 0);
                    bail!("the leader lives on")
                },
                7 => {
                    raise(Signal::SIGKILL)?;
                    bail!("alive after a signal")
                }
                _ => exit(EXIT_STATUS),
            }
        })?;
        exit(EXIT_STATUS)
    }
}

/// Where an answer has the port id of the socket that it goes to.
const NLMSG_PID: std::ops::Range<usize> = 12..16;

/// Asks again, and demands the first answer.
fn query(client: &mut Client, (first, request): &(Answer, Vec<u8>)) -> anyhow::Result<()> {
    let mut expected = first.clone();
    for datagram in &mut expected.datagrams {
        datagram[NLMSG_PID].copy_from_slice(&client.port().to_ne_bytes());
    }
    let answer = client.ask(&first.label, request)?;
    let found = compare(slice::from_ref(&expected), slice::from_ref(&answer));
    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

/// Ends the process with all its threads.
fn exit(status: i32) -> ! {
    // SAFETY: Ends the process; nothing of it is used any more.
    unsafe { libc::_exit(status) }
}
