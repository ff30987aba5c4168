// SPDX-License-Identifier: GPL-2.0

//! Everything at once, for as long as asked: the implementation changes back and forth, while on
//! two CPUs tasks query, dump, register, deregister, hear, exit and are killed, at random.
//!
//! The seed decides what each task does; when it gets to do it is up to the machine. On each CPU a
//! [`nursery`] keeps a few `worker`s going, each of which does some things and ends in some way.
//! What they did is counted in memory that all share: `shared`. Nothing may fail that must not.

mod family;
pub mod nursery;
mod shared;
mod worker;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use nix::errno::Errno;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use tempfile::NamedTempFile;

use self::{
    nursery::Nursery,
    shared::{Count, Shared},
};
use crate::{
    cgroup::Hierarchy,
    implementation::{Implementation, Switch},
    kernel_log::{KernelLog, no_complaints},
    peer::limit,
    workload::{Kind, Task, process::Process},
};

/// The CPUs that have workers.
const CPUS: [usize; 2] = [0, 1];

/// The most milliseconds that an implementation stays in charge.
const STAYS_MS: u64 = 300;

/// What is to be run.
#[derive(Debug)]
pub struct Soak {
    /// Who answers.
    pub switch: Switch,
    /// For how long.
    pub time: Duration,
    /// What the workers do.
    pub seed: u64,
}

impl Soak {
    /// Runs it. Fails if anything failed that must not, or if something was never done.
    pub fn run(&self) -> anyhow::Result<()> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the module is loaded: this runs as root, in a guest"
        );
        println!("seed {}, for {:?}", self.seed, self.time);
        let mut log = KernelLog::from_now()?;
        let held = self.switch.hold(Implementation::C)?;
        let task = Task::spawn(Kind::Worked)?;
        let process = Process::spawn(3, Duration::from_millis(2))?;
        let hierarchy = Hierarchy::mount("none,name=taskstats-soak")?;
        let group = hierarchy.group("soak")?;
        group.add(task.pid())?;

        let file = NamedTempFile::new()?;
        let shared = Shared::create(file.as_file())?;
        let start = |cpu| {
            Nursery::start(&nursery::Arguments {
                cpu,
                seed: self.seed,
                shared: file.path().to_owned(),
                task: task.pid(),
                process: process.pid(),
                group: group.path().to_owned(),
            })
        };
        let nurseries: Result<Vec<_>, _> = CPUS.into_iter().map(start).collect();
        let mut nurseries = nurseries?;
        let started = Instant::now();
        let changed = self.change(shared);
        let took = started.elapsed();
        shared.stop();
        let ended: Vec<_> = nurseries.iter_mut().map(Nursery::wait).collect();
        drop(held);
        println!("{shared}in {took:.0?}");
        changed?;
        for ended in ended {
            ended?;
        }
        no_complaints(&mut log)?;
        let failures = shared.get(Count::Failures);
        ensure!(failures == 0, "{failures} workers failed");
        let never = shared.never();
        ensure!(never.is_empty(), "it never came to {never:?}");
        Ok(())
    }

    /// Changes the implementation until the time is over, or a worker has failed.
    fn change(&self, shared: &Shared) -> anyhow::Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(nursery::STREAM_OF_CHANGES);
        let started = Instant::now();
        let mut next = Implementation::Rust;
        // On a slow machine it takes longer to come to everything.
        let goes_on = || {
            let time = started.elapsed();
            time < self.time || (time < self.time + limit() && !shared.never().is_empty())
        };
        while goes_on() && shared.get(Count::Failures) == 0 {
            let changed = shared.during_change(|| self.change_to(next, shared));
            changed.with_context(|| format!("to {next:?}"))?;
            next = match next {
                Implementation::C => Implementation::Rust,
                Implementation::Rust => Implementation::C,
            };
            // Half of the times it goes at once.
            let stays = rng.random_range(0..STAYS_MS * 2).saturating_sub(STAYS_MS);
            thread::sleep(Duration::from_millis(stays));
        }
        Ok(())
    }

    /// Who lists the policies keeps the module in use, and so does a dump.
    fn change_to(&self, next: Implementation, shared: &Shared) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            match self.switch.to(next) {
                Ok(()) => {
                    shared.add(Count::Changes, 1);
                    return Ok(());
                }
                Err(error) if error.downcast_ref() == Some(&Errno::EAGAIN) => {
                    shared.add(Count::InUse, 1);
                    ensure!(started.elapsed() < limit(), "in use for {:?}", limit());
                }
                Err(error) => return Err(error),
            }
        }
    }
}
