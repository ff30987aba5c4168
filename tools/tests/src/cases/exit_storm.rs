// SPDX-License-Identifier: GPL-2.0

//! Many thousands of tasks that end on two CPUs: each is heard of once, with a number of its own,
//! and with what `wait4` reported. And nothing of all this is left behind.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use libtest_mimic::Trial;
use taskstats::record::Taskstats;

use crate::{
    context::Context,
    debug_kernel_limits,
    exit::{Ending, Parent},
    exit_moving::TICKS_US,
    implementation::{Implementation, MODULE, references_unused},
    kernel_config::has_livepatch,
    listener::{ExitMessage, Listener},
    peer::{Peer, limit},
    slab::Caches,
    storm::Ended,
};

/// Tasks on each CPU; fewer where emulated CPUs take turns, as they do in a kernel that rewrites its
/// code as much as livepatch has it do.
fn tasks() -> usize {
    let usual = if has_livepatch() { 2_000 } else { 10_000 };
    debug_kernel_limits::times(usual, 200)
}

/// How often the implementation changes while tasks end, at least.
fn changes_at_least() -> u64 {
    debug_kernel_limits::times(20, 4) as u64
}

/// Tasks on each CPU that one parent has while the implementation changes.
const TASKS_DURING_CHANGES: usize = 500;

/// A message takes 2,304 bytes of the room here; twice that is enough anywhere.
fn room() -> usize {
    2 * tasks() * 2_304
}

/// Rounds that would leave that many objects, if each left one.
fn rounds() -> usize {
    debug_kernel_limits::times(100, 20)
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
    took: Duration,
    messages: Vec<ExitMessage>,
}

fn storm(context: &Context, implementation: Implementation) -> anyhow::Result<()> {
    context.switch.to(implementation)?;
    let mut listeners = [Listener::on("0")?, Listener::on("1")?];
    for listener in &listeners {
        listener.room(room())?;
    }
    let parents = thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| scope.spawn(move || half(cpu, tasks())));
        threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))))
    });
    for (cpu, (parent, listener)) in parents.into_iter().zip(&mut listeners).enumerate() {
        let (parent, ended, took) = parent?;
        let is_ours = |task: &Taskstats| task.ac_ppid == parent;
        let on_cpu = || format!("on CPU {cpu}");
        let mut messages = listener.hear_numbered(is_ours).with_context(on_cpu)?;
        messages.retain(|message| is_ours(&message.task));
        let half = Half {
            ended,
            took,
            messages,
        };
        let totals = half.check().with_context(on_cpu)?;
        println!("{implementation:?} on CPU {cpu}: {totals:?} in {took:?}");
    }
    Ok(())
}

/// Runs the tasks of one CPU. Returns their parent, the tasks, and how long that took.
fn half(cpu: usize, tasks: usize) -> anyhow::Result<(u32, Vec<Ended>, Duration)> {
    let started = Instant::now();
    let mut peer = Peer::myself(&["storm", &cpu.to_string(), &tasks.to_string()])?;
    let mut ended = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        ended.push(Ended::parse(&peer.line()?)?);
    }
    Ok((peer.id(), ended, started.elapsed()))
}

impl Half {
    fn check(&self) -> anyhow::Result<Totals> {
        let tasks = tasks();
        ensure!(self.ended.len() == tasks, "{} tasks", self.ended.len());
        let mut records: BTreeMap<u32, &Taskstats> = BTreeMap::new();
        for message in &self.messages {
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
        totals.check(self.took)?;
        Ok(totals)
    }
}

/// How a task's record and what `wait4` reported of it go together.
///
/// `wait4` reports the scheduler's exact time, divided between user and system time as the ticks
/// were; the record has the ticks themselves in `ac_utime` and `ac_stime`, and the scheduler's time
/// in `cpu_run_virtual_total`. The record is made before the task is through: what it does after
/// that, `wait4` alone has, and not even always the switch by which it leaves its CPU for the last
/// time.
fn agree(record: &Taskstats, ended: &Ended) -> anyhow::Result<()> {
    let usage = ended.usage;
    ensure!(record.ac_exitcode == usage.status, "exit status");
    // What is read later is no less. Two roundings to microseconds against one.
    ensure!(
        record.cpu_run_real_total / 1_000 <= record.ac_utime + record.ac_stime + 1,
        "user and system time"
    );
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
        record.ac_minflt <= usage.minor_faults && record.ac_majflt <= usage.major_faults,
        "page faults"
    );
    Ok(())
}

/// Sums over many tasks, of their records and of what `wait4` reported.
#[derive(Debug, Default)]
struct Totals {
    tasks: u64,
    /// Tasks that have CPU time in `ac_utime` and `ac_stime`.
    counted: u64,
    /// Those of them of which `cpu_run_real_total`, which is read first, was nearly the same.
    agree: u64,
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
        let time_us = record.ac_utime + record.ac_stime;
        let earlier_us = record.cpu_run_real_total / 1_000;
        self.tasks += 1;
        self.counted += u64::from(time_us > 0);
        self.agree += u64::from(earlier_us > 0 && time_us - earlier_us.min(time_us) < time_us / 2);
        self.ticks_us += time_us;
        self.scheduler_us += record.cpu_run_virtual_total / 1_000;
        self.reported_us += usage.time_us;
        for (sums, values) in [
            (&mut self.voluntary, [record.nvcsw, usage.voluntary]),
            (&mut self.involuntary, [record.nivcsw, usage.involuntary]),
            (
                &mut self.minor_faults,
                [record.ac_minflt, usage.minor_faults],
            ),
        ] {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
    }

    /// What holds of tasks that lived one after the other on one CPU, of which a tick hits one at
    /// most, however many ticks a busy machine loses. That a tick comes between the two readings of
    /// a task's time is so rare that it does not happen to all tasks that have some.
    fn check(&self, took: Duration) -> anyhow::Result<()> {
        ensure!(
            self.scheduler_us <= self.reported_us + self.tasks,
            "the scheduler's time: {self:?}"
        );
        ensure!(
            u128::from(self.ticks_us) <= took.as_micros() + u128::from(TICKS_US),
            "more CPU time than time, {took:?}: {self:?}"
        );
        ensure!(self.counted > 0 && self.agree > 0, "the ticks: {self:?}");
        Ok(())
    }
}

/// The implementation changes back and forth while tasks end on both CPUs, with exits in flight at
/// every change. Every task ends, and none is heard of twice.
fn changes(context: &Context, with_listeners: bool) -> anyhow::Result<()> {
    // C's listener rests while Rust is in charge, and hears again afterwards.
    let mut of_c = with_listeners.then(roomy).transpose()?;
    let (mut under_c, mut under_rust) = (Vec::new(), Vec::new());
    let mut number = 0;
    let stop = &AtomicBool::new(false);
    let (changed, parents) = thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| scope.spawn(move || storm_until(stop, cpu)));
        let changed = (|| -> anyhow::Result<()> {
            let started = Instant::now();
            let enough = |number, c: &[_], rust: &[_]| {
                number >= changes_at_least()
                    && (!with_listeners || !(c.is_empty() || rust.is_empty()))
            };
            while !enough(number, &under_c, &under_rust) {
                ensure!(started.elapsed() < limit(), "nothing was heard");
                ensure!(
                    !threads.iter().any(|thread| thread.is_finished()),
                    "the storm is over after {number} changes"
                );
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
            Ok(())
        })();
        stop.store(true, Relaxed);
        let parents =
            threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))));
        (changed, parents)
    });
    let mut ended = Ids::default();
    for parent in parents {
        ended.add(parent?.iter().map(|task| task.pid));
    }
    changed?;
    under_c.extend(heard(&mut of_c)?);
    let (under_c, under_rust) = (
        Ids::of_those_in(under_c, &ended),
        Ids::of_those_in(under_rust, &ended),
    );
    println!(
        "{number} changes while {} tasks ended; heard of {} under C, of {} under Rust",
        ended.number(),
        under_c.number(),
        under_rust.number(),
    );
    if context.switch.oracle_only() {
        return Ok(());
    }
    let mut heard = under_c;
    heard.add_all(&under_rust);
    ensure!(heard.none_beyond(&ended), "heard twice of some");
    Ok(())
}

/// Has tasks end on a CPU until told to stop.
fn storm_until(stop: &AtomicBool, cpu: usize) -> anyhow::Result<Vec<Ended>> {
    let mut ended = Vec::new();
    while !stop.load(Relaxed) {
        let (_, tasks, _) = half(cpu, TASKS_DURING_CHANGES)?;
        ended.extend(tasks);
    }
    Ok(ended)
}

/// How often each id was a task's: ids come again, where a storm lasts.
#[derive(Debug, Default)]
struct Ids(BTreeMap<u32, usize>);

impl Ids {
    fn add(&mut self, pids: impl Iterator<Item = u32>) {
        for pid in pids {
            *self.0.entry(pid).or_default() += 1;
        }
    }

    fn add_all(&mut self, others: &Self) {
        for (&pid, &times) in &others.0 {
            *self.0.entry(pid).or_default() += times;
        }
    }

    fn of_those_in(pids: Vec<u32>, ids: &Self) -> Self {
        let mut found = Self::default();
        found.add(pids.into_iter().filter(|pid| ids.0.contains_key(pid)));
        found
    }

    fn number(&self) -> usize {
        self.0.values().sum()
    }

    fn none_beyond(&self, other: &Self) -> bool {
        let most = |pid| other.0.get(pid).copied().unwrap_or(0);
        self.0.iter().all(|(pid, &times)| times <= most(pid))
    }
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
                context.switch.oracle_only() || users()? == references_unused()?,
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
        context.switch.oracle_only() || users()? == references_unused()?,
        "the module has users"
    );
    Ok(())
}

fn users() -> anyhow::Result<i32> {
    let modules = procfs::modules()?;
    let module = modules.get(MODULE).context("not in /proc/modules")?;
    Ok(module.refcount)
}
