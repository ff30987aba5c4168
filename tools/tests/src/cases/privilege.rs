// SPDX-License-Identifier: GPL-2.0

//! Callers that may not ask for a record: none of them gets one, whatever it sends.

use std::sync::Arc;

use anyhow::ensure;
use clap::ValueEnum;
use libtest_mimic::Trial;

use crate::{
    caller::{Acks, Caller, Standing},
    cases::ask_all,
    compare::holds_record,
    context::Context,
    debug_kernel_limits,
    differential::differential,
    exchange::Ask,
    requests,
    workload::{Kind, Task},
};

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
    let trial = |&standing: &Standing| {
        let value = standing.to_possible_value().expect("none is skipped");
        let name = format!("privilege::{}", value.get_name().replace('-', "_"));
        context.trial_under_either(name, move |context, case| {
            without_privilege(context, case, standing)
        })
    };
    UNPRIVILEGED.iter().map(trial).collect()
}

fn without_privilege(context: &Context, case: &str, standing: Standing) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    let mut caller = Caller::spawn(standing, Acks::default())?;
    let family = caller.family();
    let mut requests = vec![requests::record(family, task.pid())];
    let all = requests::all(family, task.pid());
    requests.extend(debug_kernel_limits::some(all, |_| false));
    let answers = differential(context, case, || ask_all(&mut caller, &requests))?;
    // As C refuses all and Rust is equal, this holds for both.
    for answer in answers {
        let told = answer.datagrams().any(|datagram| holds_record(&datagram));
        ensure!(!told, "{standing:?} was given a record: {}", answer.label);
    }
    Ok(())
}
