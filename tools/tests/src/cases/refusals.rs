// SPDX-License-Identifier: GPL-2.0

//! Requests of every shape, and callers that may not ask: the same datagrams, the same errno.

use std::sync::Arc;

use anyhow::ensure;
use clap::ValueEnum;
use libtest_mimic::Trial;

use crate::{
    caller::{Acks, Caller, Standing},
    cases::ask_all,
    compare::holds_record,
    context::Context,
    differential::differential,
    exchange::Ask,
    requests::{self, Labelled},
    workload::{Kind, Task},
};

/// Makes requests for a family and a task.
type Requests = fn(u16, u32) -> Vec<Labelled>;

const SHAPES: &[(&str, Requests)] = &[
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

/// Callers that may not ask for a record.
const UNPRIVILEGED: &[Standing] = &[
    Standing::NoCapability,
    Standing::CapabilityDropped,
    Standing::User,
    Standing::UserWithSocket,
    Standing::UserNamespace,
    Standing::UserNamespaceWithSocket,
    Standing::AllNamespaces,
];

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, requests) in SHAPES {
        trials.push(
            context.trial(format!("requests::{name}"), move |context, case| {
                of_root(context, case, Acks::default(), requests)
            }),
        );
    }
    for &(name, acks) in ACKS {
        trials.push(context.trial(
            format!("requests::all_with_{name}"),
            move |context, case| of_root(context, case, acks, requests::all),
        ));
    }
    for &standing in UNPRIVILEGED {
        let value = standing.to_possible_value().expect("none is skipped");
        let name = format!("privilege::{}", value.get_name().replace('-', "_"));
        trials.push(context.trial(name, move |context, case| {
            without_privilege(context, case, standing)
        }));
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

fn without_privilege(context: &Context, case: &str, standing: Standing) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    let mut caller = Caller::spawn(standing, Acks::default())?;
    let family = caller.family();
    let mut requests = vec![requests::record(family, task.pid())];
    requests.extend(requests::all(family, task.pid()));
    let answers = differential(context, case, || ask_all(&mut caller, &requests))?;
    // As C refuses all and Rust is equal, this holds for both.
    for answer in answers {
        let told = answer.datagrams().any(|datagram| holds_record(&datagram));
        ensure!(!told, "{standing:?} was given a record: {}", answer.label);
    }
    Ok(())
}
