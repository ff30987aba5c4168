// SPDX-License-Identifier: GPL-2.0

//! Requests of every shape: the same datagrams, the same errno.

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::{
    caller::{Acks, Caller, Standing},
    cases::ask_all,
    context::Context,
    debug_kernel_limits,
    differential::differential,
    exchange::Ask,
    requests::{self, Labelled},
    workload::{Kind, Task},
};

/// Makes requests for a family and a task.
type Requests = fn(u16, u32) -> Vec<Labelled>;

const REQUESTS: &[(&str, Requests)] = &[
    ("absent_tasks", |family, _| requests::absent_tasks(family)),
    ("attributes", requests::attributes),
    ("commands", requests::commands),
    ("flags", requests::flags),
    ("headers", requests::headers),
    ("lengths", requests::lengths),
];

const ACKS: &[(&str, Acks)] = &[
    (
        "extended_ack",
        Acks {
            extended: true,
            capped: false,
        },
    ),
    (
        "capped_ack",
        Acks {
            extended: false,
            capped: true,
        },
    ),
    (
        "extended_and_capped_ack",
        Acks {
            extended: true,
            capped: true,
        },
    ),
];

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, requests) in REQUESTS {
        trials.push(
            context.trial_under_either(format!("requests::{name}"), move |context, case| {
                of_root(context, case, Acks::default(), requests)
            }),
        );
    }
    for &(name, acks) in ACKS {
        trials.push(context.trial_under_either(
            format!("requests::all_with_{name}"),
            move |context, case| {
                of_root(context, case, acks, |family, pid| {
                    debug_kernel_limits::some(requests::all(family, pid), |_| false)
                })
            },
        ));
    }
    trials
}

fn of_root(context: &Context, case: &str, acks: Acks, requests: Requests) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    let mut caller = Caller::spawn(Standing::Root, acks)?;
    let requests = requests(caller.family(), task.pid());
    differential(context, case, || ask_all(&mut caller, &requests))?;
    Ok(())
}
