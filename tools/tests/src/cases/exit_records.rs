// SPDX-License-Identifier: GPL-2.0

//! What the kernel sends about tasks that end in all ways, under C, under Rust and under C again.

use std::{collections::BTreeMap, fs, sync::Arc, time::Instant};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use libtest_mimic::Trial;
use nix::libc;
use taskstats::{
    record::{FIELDS, Taskstats},
    uapi::{ACORE, AFORK, ASU, AXSIG},
};

use crate::{
    context::Context,
    exit::{AT_ONCE, CPU, Ending, Parent, Report, STATUS},
    exit_moving::{Known, broken, moves},
    implementation::Implementation,
    listener::{ExitMessage, Listener},
    peer::{limit, wait_until},
};

const AGROUP: u8 = taskstats::uapi::AGROUP;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials: Vec<_> = Ending::value_variants()
        .iter()
        .filter(|ending| !matches!(ending, Ending::AtOnce | Ending::InStages))
        .map(|&ending| {
            let value = ending.to_possible_value().expect("no ending is skipped");
            let name = format!("exit_records::{}", value.get_name().replace('-', "_"));
            context.trial(name, move |context, _| same_endings(context, ending))
        })
        .collect();
    trials.push(context.trial("exit_records::partly_under_c", partly_under_c));
    trials.push(context.trial("exit_records::without_memory", without_memory));
    trials
}

/// What was sent about a process.
struct Run {
    ending: Ending,
    report: Report,
    messages: Vec<ExitMessage>,
}

impl Run {
    /// Has a process end, and hears what is sent about it.
    fn of(ending: Ending) -> anyhow::Result<Self> {
        let mut listener = Listener::on(&CPU.to_string())?;
        let mut parent = Parent::spawn(ending)?;
        let report = parent.report()?;
        let is_ours = |task: &Taskstats| report.task(task.ac_pid).is_some();
        let heard = listener.hear_numbered(is_ours)?;
        let mut run = Self::new(ending, report, heard);
        if at_once(ending) {
            // Who leaves the process dead need not be the last to send its message.
            let last = |message: &ExitMessage| message.task.ac_flag & AGROUP != 0;
            run.messages.sort_by_key(last);
        }
        run.whole()?;
        Ok(run)
    }

    fn new(ending: Ending, report: Report, heard: Vec<ExitMessage>) -> Self {
        let ours = |message: &ExitMessage| report.task(message.task.ac_pid).is_some();
        let messages = heard.into_iter().filter(ours).collect();
        Self {
            ending,
            report,
            messages,
        }
    }

    fn tasks(&self) -> Vec<&Taskstats> {
        self.messages.iter().map(|message| &message.task).collect()
    }

    /// The tasks' records by the tasks' names.
    fn by_name(&self) -> BTreeMap<&str, &Taskstats> {
        let tasks = self.tasks().into_iter();
        tasks
            .filter_map(|task| Some((self.report.task(task.ac_pid)?.name.as_str(), task)))
            .collect()
    }

    /// The process's record, where the last message has one.
    fn process(&self) -> Option<&Taskstats> {
        let (_, record) = self.messages.last()?.process.as_ref()?;
        Some(record)
    }

    /// What each message is about, in order.
    fn names(&self) -> Vec<String> {
        let name = |message: &ExitMessage| {
            let task = self.report.task(message.task.ac_pid);
            let name = task.map_or("a stranger", |task| task.name.as_str());
            let and_process = message
                .process
                .as_ref()
                .map_or("", |_| ", with the process");
            format!("{name}{and_process}")
        };
        self.messages.iter().map(name).collect()
    }

    /// What holds of one run, whoever is in charge.
    fn whole(&self) -> anyhow::Result<()> {
        let tasks = self.tasks();
        let Some((last, others)) = tasks.split_last() else {
            bail!("nothing was sent about {:?}", self.report);
        };
        ensure!(last.ac_flag & AGROUP != 0, "the last one is not AGROUP");
        for other in others {
            ensure!(other.ac_flag & AGROUP == 0, "AGROUP before the last one");
        }
        ensure!(
            self.messages[..others.len()]
                .iter()
                .all(|message| message.process.is_none()),
            "a process's record before the last task's: {:?}",
            self.names()
        );
        let mut wrong = Vec::new();
        for message in &self.messages {
            let known = |record| Known {
                record,
                report: &self.report,
                tasks: &tasks,
                one_by_one: !at_once(self.ending),
            };
            wrong.extend(broken(known(&message.task), false));
            if let Some((_, process)) = &message.process {
                wrong.extend(broken(known(process), true));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }
}

fn same_endings(context: &Context, ending: Ending) -> anyhow::Result<()> {
    let under = |implementation| {
        context.switch.to(implementation)?;
        let run = Run::of(ending).with_context(|| format!("under {implementation:?}"))?;
        shows(ending, &run).with_context(|| format!("under {implementation:?}"))?;
        anyhow::Ok(run)
    };
    let differences = if at_once(ending) {
        differences_at_once
    } else {
        differences
    };
    let started = Instant::now();
    loop {
        let before = under(Implementation::C)?;
        let rust = under(Implementation::Rust)?;
        let after = under(Implementation::C)?;
        let moved = differences(&before, &after);
        if moved.is_empty() {
            let found = differences(&before, &rust);
            ensure!(
                found.is_empty(),
                "Rust differs from C (C's value first):\n{}",
                found.join("\n")
            );
            return Ok(());
        }
        ensure!(
            started.elapsed() < limit(),
            "C differs from C:\n{}",
            moved.join("\n")
        );
    }
}

/// Whether all threads go at once, each when it is its turn: in which order is left to chance.
fn at_once(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::GroupExit | Ending::GroupExitByThread | Ending::GroupKilled
    )
}

/// Everything that is to be equal and is not, of processes whose threads go in any order.
fn differences_at_once(a: &Run, b: &Run) -> Vec<String> {
    let mut found = Vec::new();
    let (of_a, of_b) = (a.by_name(), b.by_name());
    if !of_a.keys().eq(of_b.keys()) {
        found.push(format!("{:?} versus {:?}", a.names(), b.names()));
        return found;
    }
    for ((name, x), y) in of_a.iter().zip(of_b.values()) {
        // Which one is the last is in no record but as this flag.
        let [mut x, mut y] = [(*x).clone(), (*y).clone()];
        x.ac_flag &= !AGROUP;
        y.ac_flag &= !AGROUP;
        compare(name, false, &x, &y, &mut found);
    }
    match (a.process(), b.process()) {
        (Some(x), Some(y)) => compare("process", true, x, y, &mut found),
        (x, y) => found.push(format!("process: {x:?} versus {y:?}")),
    }
    found
}

/// Everything that is to be equal and is not.
fn differences(a: &Run, b: &Run) -> Vec<String> {
    let mut found = Vec::new();
    if a.names() != b.names() {
        found.push(format!("{:?} versus {:?}", a.names(), b.names()));
        return found;
    }
    for ((name, x), y) in a.names().iter().zip(&a.messages).zip(&b.messages) {
        compare(name, false, &x.task, &y.task, &mut found);
        if let (Some((_, x)), Some((_, y))) = (&x.process, &y.process) {
            compare(name, true, x, y, &mut found);
        }
    }
    found
}

fn compare(name: &str, process: bool, x: &Taskstats, y: &Taskstats, found: &mut Vec<String>) {
    for field in FIELDS.iter().filter(|field| !moves(field, x, process)) {
        if field.bytes(x) != field.bytes(y) {
            let (x, y) = (field.show(x), field.show(y));
            found.push(format!("{name}: {}: {x} versus {y}", field.name));
        }
    }
}

/// That the records show what was done: else the comparison would be one of zeros.
fn shows(ending: Ending, run: &Run) -> anyhow::Result<()> {
    let names = run.names();
    let last = &run.messages.last().context("no message")?.task;
    let exited = |flags: u8, code: u32| last.ac_flag == flags && last.ac_exitcode == code;
    let alone = names == ["process"];
    let forked = AFORK | AGROUP;
    let shown = match ending {
        Ending::Plain => alone && exited(forked, 0),
        Ending::PidNamespace => alone && exited(forked, 0),
        Ending::Status => alone && exited(forked, STATUS << 8),
        Ending::Killed => alone && exited(forked | AXSIG, 15),
        Ending::Dumped => alone && exited(forked | ASU | ACORE | AXSIG, 0x80 | 6),
        Ending::Executed => alone && last.ac_flag & !ASU == AGROUP && last.comm() == b"exe",
        Ending::SetUserId => {
            alone && last.ac_flag & !ASU == AGROUP && last.ac_uid == 5678 && last.ac_gid == 1234
        }
        Ending::Batch => last.ac_nice == 7 && last.ac_sched == 3,
        Ending::RoundRobin => last.ac_sched == 2 && last.ac_flag & !ASU == forked,
        Ending::Eager => last.ac_nice as i8 == -5 && exited(forked | ASU, 0),
        Ending::User | Ending::UserNamespace => {
            last.ac_uid == 5678 && last.ac_gid == 1234 && exited(forked | ASU, 0)
        }
        Ending::InputOutput => {
            let calls = 3_100;
            last.read_char & !0x3ff == 400_000 & !0x3ff
                && last.read_syscalls == calls & !0x3ff
                && last.write_char >= 2_200_000 & !0x3ff
                && last.write_char < 2_210_000
                && last.write_syscalls == 2_200 & !0x3ff
        }
        Ending::Worked => {
            last.ac_utime + last.ac_stime >= 30_000
                && last.nvcsw >= 5
                && last.wpcopy_count >= 100
                && last.read_syscalls >= 1024
        }
        Ending::Named => last.comm().len() == 15 && last.comm()[0] == 0xe4,
        Ending::TwoThreads => names == ["thread-1", "process, with the process"],
        Ending::ManyThreads => {
            names.len() == 64 && names[0] == "thread-1" && names[63] == "process, with the process"
        }
        Ending::GroupExit | Ending::GroupExitByThread | Ending::GroupKilled => {
            all_went_at_once(ending, run)
        }
        Ending::Leaderless => names == ["process", "survivor, with the process"],
        Ending::ThreadExecutes => names == ["process", "process, with the process"],
        Ending::OnceThreaded => names == ["thread", "process, with the process"],
        Ending::InStages | Ending::AtOnce => bail!("no workload"),
    };
    let bytes = [last.read_char, last.write_char, last.read_syscalls];
    let whole = bytes.iter().all(|bytes| bytes & 0x3ff == 0);
    ensure!(
        shown && whole && last.ac_exe_inode != 0,
        "the records of {ending:?} do not show what it did: {names:?} {last:#?}"
    );
    Ok(())
}

/// That all threads lived when the process went, by whom and by what.
fn all_went_at_once(ending: Ending, run: &Run) -> bool {
    let (by_itself, code) = match ending {
        Ending::GroupExit => (Some("process"), STATUS << 8),
        Ending::GroupExitByThread => (Some("thread-1"), STATUS << 8),
        _ => (None, libc::SIGKILL as u32),
    };
    let tasks = run.by_name();
    let as_told = |(name, record): (&&str, &&Taskstats)| {
        let killed = record.ac_flag & AXSIG != 0;
        killed == (by_itself != Some(*name)) && record.ac_exitcode == code
    };
    run.messages.len() == AT_ONCE
        && tasks.len() == AT_ONCE
        && tasks.iter().all(as_told)
        && run.process().is_some()
}

/// A process of which each thread ends under another implementation: its record is the sum of all.
fn partly_under_c(context: &Context, _: &str) -> anyhow::Result<()> {
    let orders = [
        [Implementation::C, Implementation::Rust, Implementation::C],
        [
            Implementation::Rust,
            Implementation::C,
            Implementation::Rust,
        ],
        [
            Implementation::C,
            Implementation::Rust,
            Implementation::Rust,
        ],
    ];
    for order in orders {
        let mut parent = Parent::spawn(Ending::InStages)?;
        let mut heard = Vec::new();
        let mut report = None;
        for (stage, implementation) in order.into_iter().enumerate() {
            context.switch.to(implementation)?;
            let mut listener = Listener::on(&CPU.to_string())?;
            parent.next_stage()?;
            if stage + 1 == order.len() {
                report = Some(parent.report()?);
            }
            heard.extend(listener.hear_all()?);
        }
        let run = Run::new(Ending::InStages, report.context("no report")?, heard);
        run.whole().with_context(|| format!("{order:?}"))?;
        let names = run.names();
        ensure!(
            names == ["thread-1", "thread-2", "process, with the process"],
            "{order:?}: {names:?}"
        );
    }
    Ok(())
}

/// The program that the kernel starts to load a module.
const LOADER: &str = "/proc/sys/kernel/modprobe";

/// A task of the kernel's that never had memory of its own: it was to become the module loader, but
/// there is none.
fn without_memory(context: &Context, _: &str) -> anyhow::Result<()> {
    let loader = fs::read_to_string(LOADER)?;
    fs::write(LOADER, "/there/is/none")?;
    let result = same_without_memory(context);
    fs::write(LOADER, loader.trim_end())?;
    result
}

fn same_without_memory(context: &Context) -> anyhow::Result<()> {
    let under = |implementation| {
        context.switch.to(implementation)?;
        let mut listener = Listener::on("0-1")?;
        // SAFETY: Takes no pointer.
        let socket = unsafe { libc::socket(libc::AF_DECnet, libc::SOCK_STREAM, 0) };
        ensure!(socket < 0, "there is a module for DECnet");
        let mut found = None;
        wait_until("a task without memory to end", || {
            let heard = listener.hear_all()?.into_iter();
            let is_it = |it: &ExitMessage| it.task.ac_exe_inode == 0;
            found = found
                .take()
                .or_else(|| heard.map(Box::new).find(|it| is_it(it)));
            Ok(found.is_some())
        })?;
        let message = found.context("no message")?;
        let record = &message.task;
        ensure!(
            message.process.is_none()
                && record.ac_exe_dev == 0
                && record.comm().starts_with(b"kworker/")
                && record.ac_ppid != 0
                && record.ac_pid == record.ac_tgid
                && record.ac_flag == AFORK | AGROUP
                && [record.hiwater_rss, record.hiwater_vm, record.coremem] == [0; 3]
                && record.virtmem == 0,
            "under {implementation:?}: {record:#?}"
        );
        anyhow::Ok(message)
    };
    let c = under(Implementation::C)?;
    let rust = under(Implementation::Rust)?;
    let mut found = Vec::new();
    compare("task", false, &c.task, &rust.task, &mut found);
    // Named like the worker that it comes from, of which there are several.
    found.retain(|difference| !difference.starts_with("task: ac_comm"));
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}
