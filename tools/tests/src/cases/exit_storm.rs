// SPDX-License-Identifier: GPL-2.0

//! Many thousands of tasks that end on two CPUs: each is heard of once, in sequence, with what `wait4` reported.
//! And that nothing of all this is left behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use libtest_mimic::Trial;
use taskstats_client::record::Taskstats;

use crate::{
    context::Context,
    exit::{Ending, Parent},
    exit_moving::agree_but_for_a_tick,
    implementation::{Implementation, MODULE},
    listener::{ExitMessage, Listener, in_sequence},
    pace,
    peer::Peer,
    slab::Caches,
    storm::Ended,
};

/// Tasks on each CPU.
fn tasks() -> usize {
    pace::times(10_000, 200)
}

/// Tasks on each CPU while the implementation changes, which takes its time.
fn tasks_during_changes() -> usize {
    pace::times(3_000, 200)
}

/// A message takes 2,304 bytes of the room here; twice that is enough anywhere.
fn room() -> usize {
    2 * tasks() * 2_304
}

/// Rounds that would leave that many objects, if each left one.
fn rounds() -> usize {
    pace::times(100, 20)
}

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("exit_storm::under_c", |context, _| {
            storm(context, Implementation::C)
        }),
        context.trial("exit_storm::under_rust", |context, _| {
            storm(context, Implementation::Rust)
        }),
        context.trial("exit_storm::changes_without_listeners", |context, _| {
            changes(context, false)
        }),
        context.trial("exit_storm::changes_with_listeners", |context, _| {
            changes(context, true)
        }),
        context.trial("exit_storm::nothing_is_left", nothing_is_left),
    ]
}

/// What happened on one CPU.
struct Half {
    ended: Vec<Ended>,
    parent: u32,
    messages: Vec<ExitMessage>,
}

fn storm(context: &Context, implementation: Implementation) -> anyhow::Result<()> {
    context.switch.to(implementation)?;
    let mut listeners = [Listener::on("0")?, Listener::on("1")?];
    for listener in &listeners {
        listener.room(room())?;
    }
    let started = Instant::now();
    let parents = thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| scope.spawn(move || half(cpu, tasks())));
        threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))))
    });
    let took = started.elapsed();
    let mut totals = Totals::default();
    for (cpu, (parent, listener)) in parents.into_iter().zip(&mut listeners).enumerate() {
        let (parent, ended) = parent?;
        let half = Half {
            ended,
            parent,
            messages: listener.hear_all()?,
        };
        let of_half = half.check().with_context(|| format!("on CPU {cpu}"))?;
        totals.add(&of_half);
    }
    println!("{implementation:?}: {totals:?} in {took:?}");
    totals.check()
}

/// Runs the tasks of one CPU.
fn half(cpu: usize, tasks: usize) -> anyhow::Result<(u32, Vec<Ended>)> {
    let mut peer = Peer::myself(&["storm", &cpu.to_string(), &tasks.to_string()])?;
    let mut ended = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        ended.push(Ended::parse(&peer.line()?)?);
    }
    Ok((peer.id(), ended))
}

impl Half {
    fn check(&self) -> anyhow::Result<Totals> {
        let tasks = tasks();
        ensure!(self.ended.len() == tasks, "{} tasks", self.ended.len());
        in_sequence(&self.messages)?;
        let mut records: BTreeMap<u32, &Taskstats> = BTreeMap::new();
        let ours = |message: &&ExitMessage| message.task.ac_ppid == self.parent;
        for message in self.messages.iter().filter(ours) {
            ensure!(message.process.is_none(), "a process's record");
            let twice = records.insert(message.task.ac_pid, &message.task);
            ensure!(twice.is_none(), "heard of {} twice", message.task.ac_pid);
        }
        ensure!(
            records.len() == tasks,
            "heard of {} of {tasks} tasks",
            records.len()
        );
        let mut totals = Totals::default();
        for ended in &self.ended {
            let record = records.get(&ended.pid);
            let record = record.with_context(|| format!("nothing was heard of {}", ended.pid))?;
            agree(record, ended).with_context(|| format!("{ended:?} {record:?}"))?;
            totals.count(record, ended);
        }
        Ok(totals)
    }
}

/// How a task's record and what `wait4` reported of it go together.
///
/// `wait4` reports the scheduler's exact time, divided between user and system time as the ticks
/// were; the record has the ticks themselves in `ac_utime` and `ac_stime`, and the scheduler's time
/// in `cpu_run_virtual_total`. The record is made before the task is through: what it does after
/// that, `wait4` alone has, and not even always the switch by which it leaves its CPU for the last time.
fn agree(record: &Taskstats, ended: &Ended) -> anyhow::Result<()> {
    let usage = ended.usage;
    ensure!(record.ac_exitcode == usage.status, "exit status");
    ensure!(agree_but_for_a_tick(record), "user and system time");
    // Two roundings to microseconds.
    ensure!(
        record.cpu_run_virtual_total / 1_000 <= usage.time_us + 1,
        "the scheduler's time"
    );
    ensure!(
        record.nvcsw <= usage.voluntary && record.nivcsw <= usage.involuntary,
        "context switches"
    );
    ensure!(
        record.ac_minflt <= usage.minor_faults && record.ac_majflt == usage.major_faults,
        "page faults"
    );
    Ok(())
}

/// Sums over many tasks, of their records and of what `wait4` reported.
#[derive(Debug, Default)]
struct Totals {
    tasks: u64,
    /// `ac_utime` and `ac_stime`.
    ticks_us: u64,
    /// `cpu_run_virtual_total`.
    scheduler_us: u64,
    reported_us: u64,
    voluntary: [u64; 2],
    involuntary: [u64; 2],
    minor_faults: [u64; 2],
}

impl Totals {
    fn count(&mut self, record: &Taskstats, ended: &Ended) {
        let usage = ended.usage;
        self.add(&Self {
            tasks: 1,
            ticks_us: record.ac_utime + record.ac_stime,
            scheduler_us: record.cpu_run_virtual_total / 1_000,
            reported_us: usage.time_us,
            voluntary: [record.nvcsw, usage.voluntary],
            involuntary: [record.nivcsw, usage.involuntary],
            minor_faults: [record.ac_minflt, usage.minor_faults],
        });
    }

    fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.ticks_us += other.ticks_us;
        self.scheduler_us += other.scheduler_us;
        self.reported_us += other.reported_us;
        for index in [0, 1] {
            self.voluntary[index] += other.voluntary[index];
            self.involuntary[index] += other.involuntary[index];
            self.minor_faults[index] += other.minor_faults[index];
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.scheduler_us <= self.reported_us + self.tasks,
            "the scheduler's time: {self:?}"
        );
        // Over so many tasks the ticks come near to it, though an emulator loses some.
        ensure!(
            (self.scheduler_us / 8..=self.reported_us).contains(&self.ticks_us),
            "the ticks: {self:?}"
        );
        Ok(())
    }
}

/// The implementation changes to and fro while tasks end on both CPUs, with exits in flight at every
/// change. Every task ends, and none is heard of twice.
fn changes(context: &Context, with_listeners: bool) -> anyhow::Result<()> {
    // C's listener rests while Rust is in charge, and hears again afterwards.
    let mut of_c = with_listeners.then(roomy).transpose()?;
    let (mut under_c, mut under_rust) = (Vec::new(), Vec::new());
    let mut number = 0;
    let parents = thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| scope.spawn(move || half(cpu, tasks_during_changes())));
        while !threads.iter().all(|thread| thread.is_finished()) {
            context.switch.to(Implementation::Rust)?;
            let mut of_rust = with_listeners.then(roomy).transpose()?;
            // At another moment of the storm each time.
            thread::sleep(Duration::from_millis(number % 43));
            context.switch.to(Implementation::C)?;
            under_rust.extend(heard(&mut of_rust)?);
            thread::sleep(Duration::from_millis(number % 5));
            under_c.extend(heard(&mut of_c)?);
            number += 2;
        }
        anyhow::Ok(threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked")))))
    })?;
    under_c.extend(heard(&mut of_c)?);
    let mut ended = BTreeSet::new();
    for parent in parents {
        let (_, tasks) = parent?;
        ensure!(
            tasks.len() == tasks_during_changes(),
            "{} tasks",
            tasks.len()
        );
        ended.extend(tasks.iter().map(|task| task.pid));
    }
    under_c.retain(|pid| ended.contains(pid));
    under_rust.retain(|pid| ended.contains(pid));
    let (c, rust) = (under_c.len(), under_rust.len());
    println!(
        "{number} changes while {} tasks ended; heard of {c} under C, of {rust} under Rust",
        ended.len()
    );
    let least = pace::times(20, 4) as u64;
    ensure!(number >= least, "the storm was over after {number} changes");
    if context.switch.oracle_only() {
        return Ok(());
    }
    let once: BTreeSet<_> = under_c.iter().chain(&under_rust).collect();
    ensure!(once.len() == c + rust, "heard twice of some");
    ensure!(!with_listeners || (c > 0 && rust > 0), "nothing was heard");
    Ok(())
}

/// A listener for both CPUs with room for all messages.
fn roomy() -> anyhow::Result<Listener> {
    let mut listener = Listener::open(0)?;
    listener.room(room())?;
    listener.register("0-1")?;
    Ok(listener)
}

/// The tasks that a listener has heard of.
fn heard(listener: &mut Option<Listener>) -> anyhow::Result<Vec<u32>> {
    let Some(listener) = listener else {
        return Ok(Vec::new());
    };
    let messages = listener.hear_all()?;
    Ok(messages.iter().map(|message| message.task.ac_pid).collect())
}

/// All kinds of exits, with listeners that come and go.
fn round(context: &Context) -> anyhow::Result<()> {
    let endings = [Ending::TwoThreads, Ending::Plain];
    for index in 0..rounds() {
        let mut listener = Listener::on("0-1")?;
        let _other = Listener::on("1")?;
        if index % 10 == 0 {
            Parent::spawn(endings[index / 10 % 2])?.report()?;
        } else {
            half(index % 2, 2)?;
        }
        listener.hear_all()?;
        if index % 2 == 0 {
            listener.deregister("0-1")?;
        }
        if index % 25 == 0 {
            ensure!(
                context.switch.oracle_only() || users()? == 0,
                "the module has users"
            );
            context.switch.to(Implementation::C)?;
            context.switch.to(Implementation::Rust)?;
        }
    }
    Ok(())
}

fn nothing_is_left(context: &Context, _: &str) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    Caches::are_back_after(rounds() as i64 / 2, || round(context))?;
    ensure!(
        context.switch.oracle_only() || users()? == 0,
        "the module has users"
    );
    Ok(())
}

fn users() -> anyhow::Result<i32> {
    let modules = procfs::modules()?;
    let module = modules.get(MODULE).context("not in /proc/modules")?;
    Ok(module.refcount)
}
