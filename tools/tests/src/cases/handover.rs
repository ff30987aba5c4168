// SPDX-License-Identifier: GPL-2.0

//! The change from C to Rust and back, a hundred times: no query is lost, nothing is left behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, anyhow, ensure};
use libtest_mimic::Trial;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::wait::waitpid,
    unistd::{ForkResult, Pid, fork},
};
use taskstats::{Client, Options};

use crate::{
    compare::{compare, holds_record},
    context::Context,
    debug_kernel_limits,
    exchange::{Answer, Ask},
    implementation::{Implementation, MODULE, references_unused},
    kernel_config,
    peer::wait_until,
    requests,
    slab::Caches,
    workload::{Kind, Task},
};

/// How often Rust takes over. By livepatch, that takes seconds on busy CPUs: the kernel looks once a
/// second whether all tasks are redirected.
fn changes() -> usize {
    match kernel_config::has_livepatch() {
        true => 20,
        false => debug_kernel_limits::times(100, 10),
    }
}

const THREADS_PER_CPU: usize = 2;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("handover::no_query_is_lost", no_query_is_lost),
        context.trial("handover::nothing_is_left", nothing_is_left),
    ]
}

/// One thread's part: asks until told to stop, and demands the same answer each time.
#[derive(Default)]
struct Asker {
    answered: AtomicU64,
    failed: AtomicBool,
}

fn no_query_is_lost(context: &Context, _: &str) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    let pid = task.pid();
    let cpus = cpus()?;
    ensure!(cpus.len() >= 2, "queries are to run on two CPUs");
    let askers: Vec<_> = (0..cpus.len() * THREADS_PER_CPU)
        .map(|_| Asker::default())
        .collect();
    let stop = &AtomicBool::new(false);
    let (changed, asked) = thread::scope(|scope| {
        let threads: Vec<_> = askers
            .iter()
            .zip(cpus.iter().cycle())
            .map(|(asker, &cpu)| scope.spawn(move || asker.run(cpu, pid, stop)))
            .collect();
        let changed = change(context, &askers);
        stop.store(true, Ordering::Relaxed);
        let asked: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))))
            .collect();
        (changed, asked)
    });
    // First what went wrong with a query: a change ends early because of it.
    for asked in asked {
        asked?;
    }
    changed
}

/// Changes back and forth, and each time waits until the new implementation has answered every
/// thread.
fn change(context: &Context, askers: &[Asker]) -> anyhow::Result<()> {
    for _ in 0..changes() {
        for implementation in [Implementation::Rust, Implementation::C] {
            context.switch.to(implementation)?;
            let before: Vec<_> = askers.iter().map(Asker::count).collect();
            wait_until("an answer to each thread", || {
                let failed = |asker: &Asker| asker.failed.load(Ordering::Relaxed);
                ensure!(!askers.iter().any(failed), "a query went wrong");
                // The first may have been on its way already.
                let served = |(asker, before): (&Asker, &u64)| asker.count() >= before + 2;
                Ok(askers.iter().zip(&before).all(served))
            })?;
        }
    }
    Ok(())
}

impl Asker {
    fn count(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn run(&self, cpu: usize, pid: u32, stop: &AtomicBool) -> anyhow::Result<()> {
        let result = self.ask(cpu, pid, stop);
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    fn ask(&self, cpu: usize, pid: u32, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
        let mut client = Client::connect(Options::default())?;
        let (label, request) = requests::record(client.family(), pid);
        let first = client.ask(&label, &request)?;
        ensure!(is_record(&first), "the first answer: {first:?}");
        while !stop.load(Ordering::Relaxed) {
            let answer = client.ask(&label, &request)?;
            let found = compare(std::slice::from_ref(&first), std::slice::from_ref(&answer));
            ensure!(
                found.is_empty(),
                "on CPU {cpu}, answer {}: {found:#?}",
                self.count()
            );
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn is_record(answer: &Answer) -> bool {
    let datagrams: Vec<_> = answer.datagrams().collect();
    matches!(&datagrams[..], [only] if holds_record(only))
}

fn cpus() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

fn nothing_is_left(context: &Context, _: &str) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    let mut client = Client::connect(Options::default())?;
    let (label, request) = requests::record(client.family(), task.pid());
    let refused = requests::absent_tasks(client.family());
    let round = || {
        for _ in 0..changes() {
            context.switch.to(Implementation::Rust)?;
            ensure!(is_record(&client.ask(&label, &request)?), "no record");
            for (label, request) in &refused {
                client.ask(label, request)?;
            }
            ask_for_a_new_task(&mut client)?;
            ensure!(
                context.switch.oracle_only() || users()? == references_unused()?,
                "the module has users"
            );
            context.switch.to(Implementation::C)?;
        }
        anyhow::Ok(())
    };
    // One object a change, or one a query, would be as many as there are changes at least.
    Caches::are_back_after(changes() as i64 / 2, round)?;
    ensure!(
        Implementation::in_charge()? == Implementation::C,
        "still in /proc/modules"
    );
    Ok(())
}

/// A reference to a task that is kept shows only when the task ends.
///
/// Forked without exec: to open a file leaves something behind on some file systems.
fn ask_for_a_new_task(client: &mut Client) -> anyhow::Result<()> {
    // SAFETY: The child does nothing but exit.
    match unsafe { fork() }? {
        // SAFETY: Ends the child without touching what it shares with its parent.
        ForkResult::Child => unsafe { nix::libc::_exit(0) },
        ForkResult::Parent { child } => {
            let (label, request) = requests::record(client.family(), child.as_raw() as u32);
            let answer = client.ask(&label, &request);
            waitpid(child, None)?;
            ensure!(is_record(&answer?), "no record of a new task");
            Ok(())
        }
    }
}

fn users() -> anyhow::Result<i32> {
    let modules = procfs::modules()?;
    let module = modules.get(MODULE).context("not in /proc/modules")?;
    Ok(module.refcount)
}
