// SPDX-License-Identifier: GPL-2.0

//! Who may register, and ask for processes and control groups: callers of every standing.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use libtest_mimic::Trial;
use nix::libc;

use crate::{
    caller::{Acks, Caller, Standing},
    cases::{
        cgroups,
        masks::{self, ask_undoing, errno},
        processes::{self, differential_sums},
    },
    cgroup::Hierarchy,
    compare::holds_record,
    context::Context,
    exchange::Ask,
    requests::NOBODY,
    workload::{Kind, Task},
};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &standing in Standing::value_variants() {
        let value = standing.to_possible_value().expect("none is skipped");
        let name = value.get_name().replace('-', "_");
        trials.push(
            context.trial_under_either(format!("callers::{name}"), move |context, case| {
                asks(context, case, standing)
            }),
        );
        trials.push(context.trial_under_either(
            format!("callers::{name}_masks"),
            move |context, case| {
                let mut caller = Caller::spawn(standing, Acks::default())?;
                let mut masks = masks::masks()?;
                // Long lists are the same to all: root's cases have them. And who may not register
                // is refused before his list is read.
                masks.retain(|mask| mask.len() < 500);
                if refused(standing) != 0 {
                    masks.retain(|mask| masks::is_telling(mask));
                }
                let requests = masks::requests(caller.family(), &masks);
                differential_sums(context, case, 0, || ask_undoing(&mut caller, &requests))?;
                Ok(())
            },
        ));
    }
    trials
}

/// With what such a caller's registration is refused, or 0.
fn refused(standing: Standing) -> i32 {
    match standing {
        Standing::Root | Standing::NetworkNamespace => 0,
        Standing::PidNamespace => libc::EINVAL,
        _ => libc::EPERM,
    }
}

fn asks(context: &Context, case: &str, standing: Standing) -> anyhow::Result<()> {
    let outside = Task::spawn(Kind::Worked)?;
    let hierarchy = Hierarchy::mount("none,name=taskstats")?;
    let group = hierarchy.group("asked")?;
    group.add(outside.pid())?;
    let directory = group.inheritable()?;
    let mut caller = Caller::spawn(standing, Acks::default())?;
    let family = caller.family();
    let tgids = [outside.pid(), 0, NOBODY].into_iter();
    let mut requests: Vec<_> = tgids
        .chain(caller.pids.clone())
        .map(|tgid| processes::of(family, tgid))
        .collect();
    // Process 2 of a pid namespace has the id of kthreadd outside.
    requests.sort();
    requests.dedup();
    for (label, fd) in [
        ("group", directory.number()),
        ("standard input", 0),
        ("no descriptor", NOBODY),
    ] {
        requests.push(cgroups::of(family, label, fd));
    }
    let listed = ["0", "0-1", "1-0", "", "a", "999999", "64"].map(|mask| mask.as_bytes().to_vec());
    requests.extend(masks::requests(family, &listed));
    let answers = differential_sums(context, case, 1, || ask_undoing(&mut caller, &requests))?;
    let find = |label: &str| {
        let answer = answers.iter().find(|answer| answer.label == label);
        answer.with_context(|| format!("no answer for {label}"))
    };

    // As Rust is equal, what follows holds for both.
    let sees = match standing {
        Standing::PidNamespace => libc::ESRCH,
        _ => refused(standing),
    };
    let answer = find(&format!("tgid {}", outside.pid()))?;
    if sees == 0 {
        ensure!(
            answer.datagrams().any(|datagram| holds_record(&datagram)),
            "{answer:?}"
        );
    } else {
        ensure!(errno(answer)? == sees, "{answer:?}");
    }
    for label in ["register \"0\"", "deregister \"0-1\""] {
        let answer = find(label)?;
        ensure!(errno(answer)? == refused(standing), "{answer:?}");
    }
    // Anybody may ask for a group that he can open.
    ensure!(errno(find("group")?).is_err(), "the group was refused");
    Ok(())
}
