// SPDX-License-Identifier: GPL-2.0

//! Who is told of exits: several listeners, on some CPUs and on all, and those that behave badly.
//! The same is demanded of C, of Rust and of C again; a module that is loaded again has no
//! listeners.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use taskstats::record::Taskstats;

use crate::{
    clone_as_vfork::end_on,
    context::Context,
    implementation::Implementation,
    listener::{ExitMessage, Listener},
};

/// All CPUs.
pub(super) const CPUS: [usize; 2] = [0, 1];

/// How many tasks end on each CPU.
const TASKS: usize = 4;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for number in [0, 1, 2, 8] {
        for (name, mask) in [("one_cpu", "1"), ("all_cpus", "0-1")] {
            let name = format!("listeners::{number}_on_{name}");
            trials.push(context.trial(name, move |context, _| several(context, number, mask)));
        }
    }
    type Scenario = fn() -> anyhow::Result<Vec<Listener>>;
    let scenarios: [(&str, Scenario); 8] = [
        ("one_is_closed", one_is_closed),
        ("the_only_one_is_closed", the_only_one_is_closed),
        ("one_never_reads", one_never_reads),
        ("one_registers_twice", one_registers_twice),
        ("masks_overlap", masks_overlap),
        ("one_cpu_of_two_is_deregistered", one_cpu_of_two),
        ("a_stranger_deregisters", a_stranger_deregisters),
        ("a_refused_mask_registers_nobody", a_refused_mask),
    ];
    for (name, scenario) in scenarios {
        let name = format!("listeners::{name}");
        trials.push(context.trial(name, move |context, _| under_each(context, scenario)));
    }
    trials
}

/// Has the scenario happen under each; whom it returns is registered still.
pub(super) fn under_each(
    context: &Context,
    scenario: impl Fn() -> anyhow::Result<Vec<Listener>>,
) -> anyhow::Result<()> {
    for implementation in [Implementation::C, Implementation::Rust, Implementation::C] {
        context.switch.to(implementation)?;
        let mut registered = scenario().with_context(|| format!("under {implementation:?}"))?;
        if implementation == Implementation::Rust && !context.switch.oracle_only() {
            context.switch.to(Implementation::C)?;
            context.switch.to(Implementation::Rust)?;
            for listener in &mut registered {
                listener.hear_all()?;
            }
            end_on_all()?;
            for listener in &mut registered {
                let heard = pids(&listener.hear_all()?);
                ensure!(
                    heard.is_empty(),
                    "registered in a module that was loaded anew: {heard:?}"
                );
            }
        }
    }
    Ok(())
}

/// Some tasks that end on each CPU, by turns.
pub(super) fn end_on_all() -> anyhow::Result<[Vec<u32>; 2]> {
    let mut ended = [Vec::new(), Vec::new()];
    for _ in 0..TASKS {
        for cpu in CPUS {
            ended[cpu].push(end_on(cpu)?);
        }
    }
    Ok(ended)
}

pub(super) fn pids(messages: &[ExitMessage]) -> Vec<u32> {
    let pids = messages.iter().map(|message| message.task.ac_pid);
    pids.collect()
}

/// Only what is about these tasks: others may end as well.
pub(super) fn about(messages: Vec<ExitMessage>, tasks: &[Vec<u32>]) -> Vec<ExitMessage> {
    let ours = |message: &ExitMessage| tasks.iter().flatten().any(|&it| it == message.task.ac_pid);
    messages.into_iter().filter(ours).collect()
}

/// Fails unless the listener hears of each of these tasks once, in the order of each CPU, and of
/// none of the others.
pub(super) fn hears(
    listener: &mut Listener,
    all: &[Vec<u32>; 2],
    cpus: &[usize],
) -> anyhow::Result<Vec<ExitMessage>> {
    let heard = match cpus {
        [_] => {
            let is_ours = |task: &Taskstats| all.iter().flatten().any(|&pid| pid == task.ac_pid);
            listener.hear_numbered(is_ours)?
        }
        _ => listener.hear_all()?,
    };
    let ours = about(heard, all);
    for cpu in CPUS {
        let here: Vec<_> = pids(&ours)
            .into_iter()
            .filter(|pid| all[cpu].contains(pid))
            .collect();
        let expected = if cpus.contains(&cpu) {
            &all[cpu][..]
        } else {
            &[]
        };
        ensure!(
            here == expected,
            "of CPU {cpu}: heard of {here:?} instead of {expected:?}"
        );
    }
    Ok(ours)
}

/// Of how many of these tasks the listener hears, and how many they are; it may have lost something
/// else.
pub(super) fn heard_of(
    listener: &mut Listener,
    all: &[Vec<u32>; 2],
) -> anyhow::Result<(usize, usize)> {
    let heard = about(listener.hear()?.messages, all).len();
    Ok((heard, all.iter().flatten().count()))
}

fn cpus_of(mask: &str) -> &'static [usize] {
    match mask {
        "0" => &[0],
        "1" => &[1],
        _ => &[0, 1],
    }
}

fn several(context: &Context, number: usize, mask: &'static str) -> anyhow::Result<()> {
    under_each(context, || {
        let mut bystander = Listener::open(0)?;
        let listeners: Result<Vec<_>, _> = (0..number).map(|_| Listener::on(mask)).collect();
        let mut listeners = listeners?;
        let ended = end_on_all()?;
        let mut first: Option<Vec<ExitMessage>> = None;
        for listener in &mut listeners {
            let heard = hears(listener, &ended, cpus_of(mask))?;
            match &first {
                None => first = Some(heard),
                Some(first) => ensure!(*first == heard, "not the same to all listeners"),
            }
        }
        ensure!(
            bystander.hear_all()?.is_empty(),
            "one that is not registered hears something"
        );
        Ok(listeners)
    })
}

fn one_is_closed() -> anyhow::Result<Vec<Listener>> {
    // In the middle of the list, and at both ends.
    let mut listeners = Vec::new();
    for _ in 0..5 {
        listeners.push(Listener::on("0-1")?);
    }
    for gone in [4, 2, 0] {
        drop(listeners.remove(gone));
        let ended = end_on_all()?;
        for listener in &mut listeners {
            hears(listener, &ended, &CPUS)?;
        }
    }
    Ok(listeners)
}

fn the_only_one_is_closed() -> anyhow::Result<Vec<Listener>> {
    drop(Listener::on("0-1")?);
    end_on_all()?;
    let mut next = Listener::on("0-1")?;
    let ended = end_on_all()?;
    hears(&mut next, &ended, &CPUS)?;
    Ok(vec![next])
}

fn one_never_reads() -> anyhow::Result<Vec<Listener>> {
    const MANY: usize = 60;
    let mut deaf = Listener::open(0)?;
    // Room for a few messages.
    deaf.room(8 << 10)?;
    let mut others = vec![Listener::on("0-1")?];
    deaf.register("0-1")?;
    others.push(Listener::on("0-1")?);
    let mut ended = [Vec::new(), Vec::new()];
    for index in 0..MANY {
        ended[index % 2].push(end_on(index % 2)?);
    }
    for other in &mut others {
        hears(other, &ended, &CPUS)?;
    }
    let heard = deaf.hear()?;
    let (got, losses) = (heard.messages.len(), heard.losses);
    ensure!(losses == 1, "told of lost messages {losses} times");
    ensure!(got > 0 && got < MANY, "{got} messages in the queue");
    // It is registered still, and hears again now that there is room.
    let again = [vec![end_on(0)?], vec![end_on(1)?]];
    hears(&mut deaf, &again, &CPUS)?;
    others.push(deaf);
    Ok(others)
}

fn one_registers_twice() -> anyhow::Result<Vec<Listener>> {
    let mut other = Listener::on("0-1")?;
    let mut twice = Listener::on("0-1")?;
    twice.register("0-1")?;
    twice.register("1")?;
    let ended = end_on_all()?;
    hears(&mut twice, &ended, &CPUS)?;
    // Once is enough to be gone.
    twice.deregister("0-1")?;
    let ended = end_on_all()?;
    hears(&mut twice, &ended, &[])?;
    hears_later(&mut other, &ended)?;
    twice.register("0")?;
    let ended = end_on_all()?;
    hears(&mut twice, &ended, &[0])?;
    Ok(vec![other, twice])
}

fn hears_later(listener: &mut Listener, ended: &[Vec<u32>; 2]) -> anyhow::Result<()> {
    let heard = about(listener.hear_all()?, ended);
    ensure!(heard.len() == 2 * TASKS, "{:?} of {ended:?}", pids(&heard));
    Ok(())
}

fn masks_overlap() -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for mask in ["0", "0-1", "1", "1,0", "1"] {
        listeners.push((Listener::on(mask)?, cpus_of(mask)));
    }
    let ended = end_on_all()?;
    for (listener, cpus) in &mut listeners {
        hears(listener, &ended, cpus)?;
    }
    Ok(listeners
        .into_iter()
        .map(|(listener, _)| listener)
        .collect())
}

fn one_cpu_of_two() -> anyhow::Result<Vec<Listener>> {
    let mut other = Listener::on("0-1")?;
    let mut half = Listener::on("0-1")?;
    half.deregister("0")?;
    let ended = end_on_all()?;
    hears(&mut half, &ended, &[1])?;
    hears(&mut other, &ended, &CPUS)?;
    // Where it is not registered any more, nothing happens.
    half.deregister("0")?;
    half.register("0")?;
    half.deregister("1")?;
    let ended = end_on_all()?;
    hears(&mut half, &ended, &[0])?;
    hears(&mut other, &ended, &CPUS)?;
    Ok(vec![other, half])
}

fn a_stranger_deregisters() -> anyhow::Result<Vec<Listener>> {
    let mut listener = Listener::on("0-1")?;
    Listener::open(0)?.deregister("0-1")?;
    let ended = end_on_all()?;
    hears(&mut listener, &ended, &CPUS)?;
    Ok(vec![listener])
}

fn a_refused_mask() -> anyhow::Result<Vec<Listener>> {
    let mut listener = Listener::open(0)?;
    for mask in ["0-9999", "1-0", "x", "0,x"] {
        ensure!(listener.register(mask).is_err(), "{mask:?} is taken");
    }
    let ended = end_on_all()?;
    hears(&mut listener, &ended, &[])?;
    Ok(vec![listener])
}
