// SPDX-License-Identifier: GPL-2.0

//! What the generic-netlink controller says of the family: the same before the module was ever
//! loaded, while it is, and afterwards.

use std::sync::Arc;

use crate::request::{RawAttribute, Request, family_request, policy_request};
use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use taskstats::{
    Client, Options,
    answer::Datagram,
    controller::{Family, Policy},
    uapi::{CGROUPSTATS_CMD_GET, TASKSTATS_CMD_GET, TASKSTATS_GENL_NAME},
};

use crate::{
    cases::ask_all, compare::compare, context::Context, differential::differential,
    exchange::Answer, implementation::Implementation, requests::Labelled,
};

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_OP: u16 = 10;

/// What `CTRL_CMD_GETFAMILY` says of each command: its flags.
const ADMIN_PERM: u32 = 0x01;
const CAP_DO: u32 = 0x02;
const HAS_POLICY: u32 = 0x08;

/// A socket from before the module was loaded for the first time, and its answers from then.
#[derive(Debug)]
pub(crate) struct Pristine {
    client: Client,
    answers: Vec<Answer>,
}

impl Pristine {
    /// Asks now.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let mut client = Client::connect(Options::default())?;
        let requests = requests(client.family());
        let answers = ask_all(&mut client, &requests)?;
        Ok(Self { client, answers })
    }
}

/// Questions to the controller about the family; about others see
/// [`crate::intended_differences::asks_about_other_families`] and `tools/tests/taskacct`.
pub(crate) fn requests(family: u16) -> Vec<Labelled> {
    let id = || RawAttribute::new(CTRL_ATTR_FAMILY_ID, family.to_ne_bytes());
    let get = || Request::new(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
    let mut requests = vec![
        ("family by name", family_request(TASKSTATS_GENL_NAME)),
        ("family by id", get().with(id())),
        ("policy", policy_request(family)),
    ];
    for (label, command) in [
        ("policy of TASKSTATS_CMD_GET", TASKSTATS_CMD_GET),
        ("policy of CGROUPSTATS_CMD_GET", CGROUPSTATS_CMD_GET),
        ("policy of no command", 3),
    ] {
        let operation = RawAttribute::number(CTRL_ATTR_OP, command.into());
        requests.push((label, policy_request(family).with(operation)));
    }
    requests
        .into_iter()
        .map(|(label, request)| (label.to_owned(), request.sequence(7).encode()))
        .collect()
}

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = vec![context.trial("family::differential", |context, case| {
        let mut client = Client::connect(Options::default())?;
        let requests = requests(client.family());
        differential(context, case, || ask_all(&mut client, &requests))?;
        Ok(())
    })];
    for (name, implementation) in [
        ("loaded", Implementation::Rust),
        ("unloaded", Implementation::C),
    ] {
        trials.push(context.trial(
            format!("family::unchanged_when_{name}"),
            move |context, _| {
                // Unloaded means: having been loaded.
                context.switch.to(Implementation::Rust)?;
                context.switch.to(implementation)?;
                as_at_first(context)
            },
        ));
        trials.push(context.trial(
            format!("family::as_documented_when_{name}"),
            move |context, _| {
                context.switch.to(implementation)?;
                as_documented()
            },
        ));
    }
    trials
}

fn as_at_first(context: &Context) -> anyhow::Result<()> {
    context.pristine(|pristine| {
        let requests = requests(pristine.client.family());
        let now = ask_all(&mut pristine.client, &requests)?;
        let found = compare(&pristine.answers, &now);
        ensure!(found.is_empty(), "since the start: {found:#?}");
        Ok(())
    })
}

fn as_documented() -> anyhow::Result<()> {
    let mut client = Client::connect(Options::default())?;
    let family = client.resolve()?;
    let command = |number: u8, flags| (u32::from(number), flags);
    let expected = Family {
        id: client.family(),
        name: TASKSTATS_GENL_NAME.into(),
        version: 1,
        hdrsize: 0,
        // The commands have policies of their own.
        maxattr: 0,
        operations: vec![
            command(TASKSTATS_CMD_GET, ADMIN_PERM | CAP_DO | HAS_POLICY),
            command(CGROUPSTATS_CMD_GET, CAP_DO | HAS_POLICY),
        ],
        groups: 0,
    };
    ensure!(family == expected, "{family:?} is not {expected:?}");
    let policy = client.policy()?;
    let kinds: Vec<_> = policy
        .attributes
        .iter()
        .map(|entry| (entry.index, entry.attr_policy.index))
        .collect();
    // One attribute of cgroupstats, four of taskstats.
    ensure!(kinds.len() == 5, "policy: {policy:?}");
    Ok(())
}

/// The family and its policy as parsed from the controller's answers.
pub(crate) fn describe(answers: &[Answer]) -> anyhow::Result<(Family, Policy)> {
    let of = |label: &str| {
        let answer = answers.iter().find(|answer| answer.label == label);
        let answer = answer.with_context(|| format!("no answer for {label}"))?;
        anyhow::Ok(answer.datagrams().collect::<Vec<Datagram>>())
    };
    Ok((
        Family::parse(&of("family by name")?)?,
        Policy::parse(&of("policy")?)?,
    ))
}
