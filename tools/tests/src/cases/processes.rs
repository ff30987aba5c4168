// SPDX-License-Identifier: GPL-2.0

//! The records of processes: sums over the threads that live and what exited ones left.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::request::Request;
use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use libtest_mimic::Trial;
use taskstats::{
    Client, Options, Stats, Subject,
    answer::Body,
    record::{FIELDS, Taskstats},
    uapi::TASKSTATS_VERSION,
};

use crate::{
    cases::ask_all,
    compare::records,
    context::Context,
    differential::differential,
    exchange::{Answer, Ask},
    implementation::Implementation,
    listener::Listener,
    moving::{Reading, wrong_sum},
    requests::{self, Labelled, NOBODY},
    workload::{Kind, Task, compute_until_counted, process::Process},
};

/// CPU time of each thread.
const WORK: Duration = Duration::from_millis(5);

/// The fields that are summed up. All others but the version, the delays' largest and smallest and
/// the time of the largest are zero.
const SUMMED: &[&str] = &[
    "ac_etime",
    "ac_utime",
    "ac_stime",
    "nvcsw",
    "nivcsw",
    "cpu_count",
    "cpu_delay_total",
    "cpu_run_real_total",
    "cpu_run_virtual_total",
    "cpu_scaled_run_real_total",
    "wpcopy_count",
    "wpcopy_delay_total",
    "blkio_count",
    "blkio_delay_total",
    "irq_count",
    "irq_delay_total",
];

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in Kind::value_variants() {
        let value = kind.to_possible_value().expect("no kind is skipped");
        let name = format!("processes::{}", value.get_name().replace('-', "_"));
        trials.push(context.trial_under_either(name, move |context, case| {
            let task = Task::spawn(*kind)?;
            let live = match kind {
                Kind::Exited | Kind::Killed | Kind::Dumped => 0,
                Kind::Threads => 3,
                _ => 1,
            };
            // Any thread's id asks for the process.
            same_sums(context, case, &task.pids, live)?;
            Ok(())
        }));
    }
    for (name, pid) in [("init", 1), ("kthreadd", 2)] {
        trials.push(context.trial_under_either(
            format!("processes::{name}"),
            move |context, case| {
                let live = procfs::process::Process::new(pid as i32)?.tasks()?.count();
                same_sums(context, case, &[pid], live)?;
                Ok(())
            },
        ));
    }
    for threads in [1, 2, 8, 64] {
        trials.push(context.trial_under_either(
            format!("processes::of_{threads}_threads"),
            move |context, case| {
                let process = Process::spawn(threads, WORK)?;
                let records = same_sums(context, case, &process.tids, threads)?;
                worked(&records, threads)
            },
        ));
    }
    trials.extend([
        context.trial_under_either("processes::absent", |context, case| {
            let mut client = Client::connect(Options::default())?;
            let family = client.family();
            let requests: Vec<_> = [0, NOBODY, i32::MAX as u32, 1 << 31, u32::MAX]
                .map(|tgid| of(family, tgid))
                .into();
            let answers = differential(context, case, || ask_all(&mut client, &requests))?;
            for answer in answers {
                ensure!(errno(&answer)? == -nix::libc::ESRCH, "{answer:?}");
            }
            Ok(())
        }),
        context.trial("processes::the_asking_one", the_asking_one),
        context.trial_under_either("processes::exited_threads", |context, case| {
            let mut process = Process::spawn(8, WORK)?;
            for _ in 0..3 {
                process.exit_thread()?;
            }
            let records = same_sums(context, case, &process.tids, process.live)?;
            worked(&records, 8)
        }),
        context.trial_under_either("processes::an_exited_threads_id", |context, case| {
            let mut process = Process::spawn(3, WORK)?;
            let gone = process.exit_thread()?;
            let mut client = Client::connect(Options::default())?;
            let requests = [of(client.family(), gone)];
            let answers = differential(context, case, || ask_all(&mut client, &requests))?;
            ensure!(errno(&answers[0])? == -nix::libc::ESRCH, "{answers:?}");
            Ok(())
        }),
        context.trial("processes::exited_leader", |context, case| {
            let mut process = Process::spawn(4, WORK)?;
            process.exit_leader()?;
            process.exit_thread()?;
            let records = same_sums(context, case, &process.tids, 2)?;
            worked(&records, 4)
        }),
        context.trial("processes::exited_leader_under_rust", |context, case| {
            let mut process = Process::spawn(4, WORK)?;
            context.switch.to(Implementation::Rust)?;
            process.exit_leader()?;
            let records = same_sums(context, case, &process.tids, 3)?;
            worked(&records, 4)
        }),
    ]);
    for (name, order) in [
        ("c", [Implementation::C; 4]),
        ("rust", [Implementation::Rust; 4]),
        ("c_then_rust", ALTERNATING),
        ("rust_then_c", {
            let [c, rust, ..] = ALTERNATING;
            [rust, c, rust, c]
        }),
    ] {
        trials.push(context.trial(
            format!("processes::exits_add_up_under_{name}"),
            move |context, case| exits_add_up(context, case, &order),
        ));
    }
    for implementation in [Implementation::C, Implementation::Rust] {
        let name = format!("{implementation:?}").to_lowercase();
        trials.push(context.trial(
            format!("processes::exec_of_a_thread_under_{name}"),
            move |context, case| exec_of_a_thread(context, case, implementation),
        ));
    }
    trials
}

const ALTERNATING: [Implementation; 4] = [
    Implementation::C,
    Implementation::Rust,
    Implementation::C,
    Implementation::Rust,
];

/// Asks for a process.
pub(super) fn of(family: u16, tgid: u32) -> Labelled {
    (
        format!("tgid {tgid}"),
        Request::tgid(family, tgid).sequence(77).encode(),
    )
}

/// As [`differential`], where all records of processes that come back are of one of which `live`
/// threads live.
pub(super) fn differential_sums(
    context: &Context,
    case: &str,
    live: usize,
    mut ask: impl FnMut() -> anyhow::Result<Vec<Answer>>,
) -> anyhow::Result<Vec<Answer>> {
    let mut rounds = Vec::new();
    let answers = differential(context, case, || {
        let answers = ask()?;
        rounds.push(answers.clone());
        Ok(answers)
    })?;
    let live = i64::try_from(live)?;
    // The last ones are those that were equal: C and Rust, or C, Rust and C again.
    let last = match rounds.len() {
        2 => 2,
        _ => 3,
    };
    let last = &rounds[rounds.len().saturating_sub(last)..];
    for pair in last.windows(2) {
        let [earlier, later] = pair else {
            anyhow::bail!("{} rounds", pair.len());
        };
        for (a, b) in earlier.iter().zip(later) {
            let pairs = sums(a).into_iter().zip(sums(b));
            for (x, y) in pairs {
                let earlier = Reading {
                    record: &x,
                    answer: a,
                };
                let later = Reading {
                    record: &y,
                    answer: b,
                };
                if let Some(wrong) = wrong_sum(live, earlier, later) {
                    anyhow::bail!("{}: {wrong}", a.label);
                }
            }
        }
    }
    Ok(answers)
}

/// The records of processes in an answer.
fn sums(answer: &Answer) -> Vec<Taskstats> {
    let all = answer.datagrams().flat_map(|datagram| records(&datagram));
    all.filter(|stats| matches!(stats.subject, Subject::Tgid(_)))
        .map(|stats| stats.record)
        .collect()
}

/// The sum is the same whichever thread's id asks for it, and whoever answers.
fn same_sums(
    context: &Context,
    case: &str,
    tids: &[u32],
    live: usize,
) -> anyhow::Result<Vec<Taskstats>> {
    let mut client = Client::connect(Options::default())?;
    let family = client.family();
    let requests: Vec<_> = tids.iter().map(|&tid| of(family, tid)).collect();
    let answers = differential_sums(context, case, live, || ask_all(&mut client, &requests))?;
    let mut records = Vec::new();
    for (answer, &tid) in answers.iter().zip(tids) {
        let stats = only(answer)?;
        ensure!(stats.subject == Subject::Tgid(tid), "{:?}", stats.subject);
        ensure!(stats.record.version == TASKSTATS_VERSION, "{stats:?}");
        sums_only(&stats.record)?;
        records.push(stats.record);
    }
    Ok(records)
}

/// The one record of an answer.
fn only(answer: &Answer) -> anyhow::Result<Stats> {
    let datagram = answer.datagrams().next().context("no answer")?;
    let mut records = records(&datagram);
    ensure!(records.len() == 1, "{answer:?}");
    Ok(records.remove(0))
}

fn errno(answer: &Answer) -> anyhow::Result<i32> {
    let datagram = answer.datagrams().next().context("no answer")?;
    match &datagram.messages()?.first().context("no message")?.body {
        Body::Error(report) => Ok(report.code),
        body => anyhow::bail!("answered with {body:?}"),
    }
}

/// That the sum has no more than what is summed up: no names, no ids, no memory.
fn sums_only(record: &Taskstats) -> anyhow::Result<()> {
    for field in FIELDS {
        let name = field.name;
        let may = name == "version"
            || SUMMED.contains(&name)
            || ["_count", "_total", "_max", "_min", "_max_ts"]
                .iter()
                .any(|end| name.ends_with(end));
        ensure!(
            may || field.bytes(record).iter().all(|&byte| byte == 0),
            "{name} is {}",
            field.show(record)
        );
    }
    Ok(())
}

/// That the sum has the work of so many threads in it.
fn worked(records: &[Taskstats], threads: usize) -> anyhow::Result<()> {
    let least = WORK * u32::try_from(threads)?;
    for record in records {
        ensure!(
            u128::from(record.cpu_run_virtual_total) >= least.as_nanos()
                && u128::from(record.ac_utime + record.ac_stime) >= least.as_micros()
                && record.cpu_count >= threads as u64
                && record.nvcsw >= threads as u64,
            "{threads} threads did more than {record:?}"
        );
    }
    Ok(())
}

fn sum(client: &mut Client, tgid: u32) -> anyhow::Result<(Answer, Taskstats)> {
    let (label, request) = of(client.family(), tgid);
    let answer = client.ask(&label, &request)?;
    let record = only(&answer)?.record;
    Ok((answer, record))
}

/// What an exited thread left to its process: at least what its record said before, when it stood
/// still, and at most what its exit record says, which is made afterwards.
#[derive(Clone)]
struct Left {
    before: Taskstats,
    exit: Taskstats,
}

/// The sums that are exact once all threads stand still, with their names. The two rounded ones are
/// rounded for each thread.
type Sum = (&'static str, fn(&Taskstats) -> u64);
const SUMS: &[Sum] = &[
    ("cpu_run_virtual_total", |it| it.cpu_run_virtual_total),
    ("cpu_run_real_total", |it| it.cpu_run_real_total),
    ("ac_utime + ac_stime", |it| it.ac_utime + it.ac_stime),
    ("cpu_count", |it| it.cpu_count),
    ("nvcsw", |it| it.nvcsw),
    ("nivcsw", |it| it.nivcsw),
];

/// That a process's record is the sum of the records of those that live and of what the others
/// left.
fn is_sum(process: &Taskstats, live: &[Taskstats], left: &[Left]) -> anyhow::Result<()> {
    for (name, value) in SUMS {
        let of_live: u64 = live.iter().map(value).sum();
        let least: u64 = of_live + left.iter().map(|left| value(&left.before)).sum::<u64>();
        let most: u64 = of_live + left.iter().map(|left| value(&left.exit)).sum::<u64>();
        let found = value(process);
        ensure!(
            (least..=most).contains(&found),
            "{name} is {found}, not from {least} to {most}"
        );
    }
    Ok(())
}

/// A process of which some threads exited under C and some under Rust: none is lost, none counts
/// twice. Afterwards both read the same out of what is left.
fn exits_add_up(context: &Context, case: &str, order: &[Implementation]) -> anyhow::Result<()> {
    const WORK: Duration = Duration::from_millis(100);
    let threads = order.len() + 3;
    let mut process = Process::spawn(threads, WORK)?;
    let mut client = Client::connect(Options::default())?;
    let pid = process.pid();
    let mut left = Vec::new();
    for &implementation in order {
        context.switch.to(implementation)?;
        let of_threads = |client: &mut Client, tids: &[u32]| -> anyhow::Result<BTreeMap<_, _>> {
            let records = tids.iter().map(|&tid| Ok((tid, client.pid(tid)?.record)));
            records.collect()
        };
        let mut threads = of_threads(&mut client, &process.tids)?;
        let (asked, before) = sum(&mut client, pid)?;
        let live: Vec<_> = threads.values().cloned().collect();
        is_sum(&before, &live, &left).with_context(|| format!("before {implementation:?}"))?;
        let mut listener = Listener::on("0-1")?;
        let gone = process.exit_thread()?;
        let (answered, after) = sum(&mut client, pid)?;
        let heard = listener.hear_all()?.into_iter();
        let exit = heard.map(|message| message.task);
        let exit = exit.into_iter().find(|task| task.ac_pid == gone);
        left.push(Left {
            before: threads.remove(&gone).context("a thread of another's")?,
            exit: exit.with_context(|| format!("nothing was heard of {gone}"))?,
        });
        // The one that takes the orders has run meanwhile.
        let live: Vec<_> = of_threads(&mut client, &process.tids)?
            .into_values()
            .collect();
        is_sum(&after, &live, &left)
            .with_context(|| format!("after an exit under {implementation:?}"))?;
        // One thread's time stood still at some moment between the two.
        let live = process.live as u64;
        let most = (answered.answered.monotonic_ns - asked.asked.monotonic_ns) as u64 / 1_000 + 1;
        let least = (answered.asked.monotonic_ns - asked.answered.monotonic_ns) as u64 / 1_000;
        let grown = after.ac_etime.wrapping_sub(before.ac_etime);
        let least = (live * least).saturating_sub(live + 1);
        ensure!(
            (least..=(live + 1) * most).contains(&grown),
            "ac_etime grew by {grown} us with an exit under {implementation:?}"
        );
    }
    let records = same_sums(context, case, &process.tids, process.live)?;
    // All but the leader have given up their CPU once a millisecond.
    let switches = WORK.as_millis() as u64 * (threads as u64 - 1);
    ensure!(records[0].nvcsw >= switches, "{:?}", records[0]);
    worked(&records, threads)
}

/// A thread that is not the leader calls exec: all others exit, it gets the leader's id.
fn exec_of_a_thread(
    context: &Context,
    case: &str,
    implementation: Implementation,
) -> anyhow::Result<()> {
    let mut process = Process::spawn(4, WORK)?;
    let pid = process.pid();
    context.switch.to(implementation)?;
    process.exec()?;
    ensure!(process.tids == [pid], "{pid} became {:?}", process.tids);
    let mut client = Client::connect(Options::default())?;
    let family = client.family();
    let requests = [of(family, pid), requests::record(family, pid)];
    let answers = differential_sums(context, case, 1, || ask_all(&mut client, &requests))?;
    // Four threads before, one after exec.
    worked(&[only(&answers[0])?.record], 4)?;
    let task = only(&answers[1])?.record;
    ensure!((task.ac_pid, task.ac_tgid) == (pid, pid), "{task:?}");
    Ok(())
}

/// A process that asks for itself does not stand still: its counters grow, everything else stays.
fn the_asking_one(context: &Context, _: &str) -> anyhow::Result<()> {
    let mut client = Client::connect(Options::default())?;
    compute_until_counted(WORK)?;
    let mut earlier: Option<Taskstats> = None;
    for implementation in [
        Implementation::C,
        Implementation::Rust,
        Implementation::C,
        Implementation::Rust,
    ] {
        context.switch.to(implementation)?;
        let (_, record) = sum(&mut client, std::process::id())?;
        sums_only(&record)?;
        ensure!(record.ac_utime + record.ac_stime > 0, "{record:?}");
        if let Some(earlier) = &earlier {
            for field in FIELDS {
                let (Some(was), Some(is)) = (field.number(earlier), field.number(&record)) else {
                    continue;
                };
                // The last thread's largest and smallest delay, whichever thread that is.
                let any = field.name.ends_with("_max") || field.name.ends_with("_min");
                ensure!(any || is >= was, "{}: {was}, then {is}", field.name);
            }
        }
        earlier = Some(record);
    }
    Ok(())
}
