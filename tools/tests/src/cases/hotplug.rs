// SPDX-License-Identifier: GPL-2.0

//! A CPU with listeners is taken away and comes back: its listeners stay, and so does the order of
//! its messages.

use std::{slice, sync::Arc};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use taskstats::record::Taskstats;

use super::listeners::{CPUS, about, end_on_all, hears, pids, under_each};
use crate::{
    clone_as_vfork::end_on, context::Context, hotplug::Offline, implementation::Implementation,
    listener::Listener,
};

/// The CPU that goes; the other one is what the machine was booted with.
const GOING: usize = 1;

/// How many tasks end while it is away.
const TASKS: usize = 4;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("hotplug::listeners_stay", |context, _| {
            under_each(context, listeners_stay)
        }),
        context.trial("hotplug::listeners_come_while_it_is_away", |context, _| {
            under_each(context, listeners_come)
        }),
        context.trial("hotplug::the_module_comes_while_it_is_away", module_comes),
        context.trial("hotplug::the_module_goes_while_it_is_away", module_goes),
    ]
}

fn end_on_the_other() -> anyhow::Result<[Vec<u32>; 2]> {
    let ended: Result<_, _> = (0..TASKS).map(|_| end_on(CPUS[0])).collect();
    Ok([ended?, Vec::new()])
}

fn listeners_stay() -> anyhow::Result<Vec<Listener>> {
    let mut both = Listener::on("0-1")?;
    let mut one = Listener::on("1")?;
    let ended = end_on_all()?;
    hears(&mut both, &ended, &CPUS)?;
    let before = ended[GOING].clone();

    let away = Offline::take(GOING)?;
    let ended = end_on_the_other()?;
    hears(&mut both, &ended, &[0])?;
    away.bring_back()?;

    let ended = end_on_all()?;
    hears(&mut both, &ended, &CPUS)?;
    let tasks = [before, ended[GOING].clone()].concat();
    let is_ours = |task: &Taskstats| tasks.contains(&task.ac_pid);
    let heard = one.hear_numbered(is_ours);
    let heard = heard.context("over the time that the CPU was away")?;
    let heard = pids(&about(heard, slice::from_ref(&tasks)));
    ensure!(heard == tasks, "heard of {heard:?} instead of {tasks:?}");
    Ok(vec![both, one])
}

fn listeners_come() -> anyhow::Result<Vec<Listener>> {
    let mut before = Listener::on("1")?;
    let mut leaves = Listener::on("0-1")?;
    let away = Offline::take(GOING)?;
    let mut comes = Listener::on("0-1")?;
    let mut twice = Listener::on("1")?;
    twice.register("1")?;
    leaves.deregister("1")?;
    let ended = end_on_the_other()?;
    hears(&mut comes, &ended, &[0])?;
    away.bring_back()?;

    let ended = end_on_all()?;
    hears(&mut before, &ended, &[1])?;
    hears(&mut comes, &ended, &CPUS)?;
    hears(&mut twice, &ended, &[1])?;
    let heard = about(leaves.hear_all()?, &[ended[GOING].clone()]);
    ensure!(heard.is_empty(), "deregistered, but hears {heard:?}");
    Ok(vec![before, leaves, comes, twice])
}

/// What the module keeps for each CPU is there for one that was away when it was loaded.
fn module_comes(context: &Context, _: &str) -> anyhow::Result<()> {
    let away = Offline::take(GOING)?;
    context.switch.to(Implementation::Rust)?;
    let mut listener = Listener::on("0-1")?;
    let ended = end_on_the_other()?;
    hears(&mut listener, &ended, &[0])?;
    away.bring_back()?;
    let ended = end_on_all()?;
    hears(&mut listener, &ended, &CPUS)?;
    Ok(())
}

/// C's listeners of a CPU that was away when it was handed back hear again.
fn module_goes(context: &Context, _: &str) -> anyhow::Result<()> {
    let mut of_c = Listener::on("0-1")?;
    context.switch.to(Implementation::Rust)?;
    let mut of_rust = Listener::on("0-1")?;
    let away = Offline::take(GOING)?;
    context.switch.to(Implementation::C)?;
    away.bring_back()?;
    let ended = end_on_all()?;
    hears(&mut of_c, &ended, &CPUS)?;
    if !context.switch.oracle_only() {
        hears(&mut of_rust, &ended, &[])?;
    }
    Ok(())
}
