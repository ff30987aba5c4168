// SPDX-License-Identifier: GPL-2.0

//! Callers in namespaces of their own: ids are theirs, and what they cannot see is not there.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use taskstats::{
    Stats,
    answer::{Body, Datagram},
};

use crate::{
    caller::{Acks, Caller, Standing},
    cases::ask_all,
    context::Context,
    debug_kernel_limits,
    differential::differential,
    exchange::{Answer, Ask},
    requests,
    workload::{Kind, Task},
};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial_under_either("namespaces::pid", pid_namespace),
        context.trial_under_either("namespaces::pid_requests", |context, case| {
            let mut caller = Caller::spawn(Standing::PidNamespace, Acks::default())?;
            let requests = requests::all(caller.family(), caller.pids[0]);
            let requests = debug_kernel_limits::some(requests, |_| false);
            differential(context, case, || ask_all(&mut caller, &requests))?;
            Ok(())
        }),
        context.trial_under_either("namespaces::network", network_namespace),
    ]
}

fn first(answer: &Answer) -> anyhow::Result<Datagram> {
    answer.datagrams().next().context("no answer")
}

fn pid_namespace(context: &Context, case: &str) -> anyhow::Result<()> {
    let outside = Task::spawn(Kind::Worked)?;
    let mut caller = Caller::spawn(Standing::PidNamespace, Acks::default())?;
    let family = caller.family();
    let inside = caller.pids[0];
    let requests = [
        requests::record(family, inside),
        requests::record(family, outside.pid()),
    ];
    let answers = differential(context, case, || ask_all(&mut caller, &requests))?;

    let datagram = first(&answers[0])?;
    let stats = Stats::of(&datagram.messages()?[0])?;
    let record = &stats.first().context("no record")?.record;
    let ids = (record.ac_pid, record.ac_tgid, record.ac_ppid);
    ensure!(ids == (inside, inside, 1), "pid, tgid, ppid: {ids:?}");

    let datagram = first(&answers[1])?;
    match &datagram.messages()?[0].body {
        Body::Error(report) if report.code == -nix::libc::ESRCH => Ok(()),
        body => anyhow::bail!("a task outside is answered with {body:?}"),
    }
}

fn network_namespace(context: &Context, case: &str) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    let mut caller = Caller::spawn(Standing::NetworkNamespace, Acks::default())?;
    let family = caller.family();
    let mut requests = vec![requests::record(family, task.pid())];
    let all = requests::all(family, task.pid());
    requests.extend(debug_kernel_limits::some(all, |_| false));
    requests.extend(crate::cases::family::requests(family));
    let answers = differential(context, case, || ask_all(&mut caller, &requests))?;
    let datagram = first(&answers[0])?;
    let stats = Stats::of(&datagram.messages()?[0])?;
    ensure!(stats[0].record.ac_pid == task.pid(), "{:?}", stats[0]);
    Ok(())
}
