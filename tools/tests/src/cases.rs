// SPDX-License-Identifier: GPL-2.0

//! The tests.

mod callers;
mod cgroups;
mod client_modes;
mod exit_records;
mod exit_storm;
pub mod family;
pub mod faults;
mod handover;
mod hotplug;
mod ktap;
mod layout;
pub mod leaks;
mod listeners;
mod masks;
mod module;
mod namespaces;
mod processes;
mod records;
mod refusals;
mod registrations;
mod selfcheck;
mod shapes;
mod sockets;
mod stock_clients;
mod tracing;
mod words;

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::{
    context::Context,
    exchange::{Answer, Ask},
    requests::Labelled,
};

/// All tests, but for the one that looks for leaks after them.
pub fn all(context: &Arc<Context>) -> Vec<Trial> {
    [
        selfcheck::trials(context),
        layout::trials(context),
        ktap::trials(context),
        family::trials(context),
        module::trials(context),
        stock_clients::trials(context),
        records::trials(context),
        refusals::trials(context),
        words::trials(context),
        namespaces::trials(context),
        processes::trials(context),
        shapes::trials(context),
        masks::trials(context),
        callers::trials(context),
        cgroups::trials(context),
        client_modes::trials(context),
        handover::trials(context),
        exit_records::trials(context),
        listeners::trials(context),
        registrations::trials(context),
        tracing::trials(context),
        sockets::trials(context),
        hotplug::trials(context),
        exit_storm::trials(context),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Puts these requests one after the other.
fn ask_all(who: &mut impl Ask, requests: &[Labelled]) -> anyhow::Result<Vec<Answer>> {
    requests
        .iter()
        .map(|(label, request)| who.ask(label, request))
        .collect()
}
