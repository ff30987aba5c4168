// SPDX-License-Identifier: GPL-2.0

//! The records of tasks of all kinds, byte for byte.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use libtest_mimic::Trial;
use taskstats::{
    Client, Options, Stats,
    record::Taskstats,
    uapi::{ACORE, AFORK, AXSIG, TASKSTATS_VERSION},
};

use crate::{
    cases::ask_all,
    context::Context,
    differential::differential,
    exchange::Answer,
    requests,
    workload::{Kind, Task},
};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in Kind::value_variants() {
        let value = kind.to_possible_value().expect("no kind is skipped");
        let name = format!("records::{}", value.get_name().replace('-', "_"));
        trials.push(context.trial_under_either(name, |context, case| {
            let task = Task::spawn(*kind)?;
            let records = same_records(context, case, &task.pids)?;
            shows(*kind, &task.pids, &records)
        }));
    }
    // Nobody can stop these two; they sleep most of the time.
    for (name, pid) in [("init", 1), ("kthreadd", 2)] {
        trials.push(context.trial_under_either(
            format!("records::{name}"),
            move |context, case| {
                let records = same_records(context, case, &[pid])?;
                ensure!(records[0].ac_pid == pid, "{:?}", records[0]);
                let kernel_thread = records[0].ac_exe_inode == 0;
                ensure!(kernel_thread == (pid == 2), "{:?}", records[0]);
                Ok(())
            },
        ));
    }
    trials
}

fn same_records(context: &Context, case: &str, pids: &[u32]) -> anyhow::Result<Vec<Taskstats>> {
    let mut client = Client::connect(Options::default())?;
    let family = client.family();
    let requests: Vec<_> = pids
        .iter()
        .map(|&pid| requests::record(family, pid))
        .collect();
    let answers = differential(context, case, || ask_all(&mut client, &requests))?;
    answers.iter().map(record).collect()
}

/// The one record of an answer.
fn record(answer: &Answer) -> anyhow::Result<Taskstats> {
    let datagram = answer.datagrams().next().context("no answer")?;
    let messages = datagram.messages()?;
    let stats = Stats::of(messages.first().context("no message")?)?;
    Ok(stats.into_iter().next().context("no record")?.record)
}

/// That the records show what these tasks did: else the comparison would be one of zeros.
fn shows(kind: Kind, pids: &[u32], records: &[Taskstats]) -> anyhow::Result<()> {
    for (pid, record) in pids.iter().zip(records) {
        ensure!(
            record.version == TASKSTATS_VERSION,
            "version {}",
            record.version
        );
        ensure!(record.ac_pid == *pid, "the record of {}", record.ac_pid);
        ensure!(record.ac_etime > 0, "no time has passed");
    }
    let record = &records[0];
    let shown = match kind {
        Kind::Worked | Kind::Unlinked => {
            record.ac_utime + record.ac_stime >= 30_000
                && record.cpu_run_virtual_total >= 30_000_000
                && record.nvcsw >= 5
                && record.cpu_count > 5
                && record.ac_minflt >= 1024
                && record.wpcopy_count >= 100
                && record.hiwater_rss >= 4096
                && record.read_char >= 1500 * 4096
                && record.write_char >= 1 << 20
                && record.read_syscalls >= 1024
                && record.ac_exe_inode != 0
                && record.ac_flag & AFORK == 0
        }
        Kind::Forked => record.ac_flag & AFORK != 0,
        Kind::Exited => record.ac_exitcode == 3 << 8 && record.ac_exe_inode == 0,
        Kind::Killed => record.ac_exitcode == 15 && record.ac_flag & AXSIG != 0,
        Kind::Dumped => record.ac_flag & ACORE != 0,
        Kind::Threads => {
            records.len() == 3
                && records.iter().all(|thread| thread.ac_tgid == pids[0])
                && records[1].ac_tgetime > records[1].ac_etime
        }
        Kind::Leaderless => records.len() == 2 && records[1].ac_tgid == pids[0],
        Kind::Batch => record.ac_nice == 7 && record.ac_sched == 3,
        Kind::RoundRobin => record.ac_sched == 2,
        Kind::Eager => record.ac_nice as i8 == -5,
        Kind::User | Kind::UserNamespace => record.ac_uid == 5678 && record.ac_gid == 1234,
        Kind::Named => record.comm().len() == 15 && record.comm()[0] == 0xe4,
        Kind::Asleep => record.nvcsw > 0,
    };
    ensure!(
        shown,
        "the record of {kind:?} does not show what it did: {records:#?}"
    );
    Ok(())
}
