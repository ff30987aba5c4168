// SPDX-License-Identifier: GPL-2.0

//! The n-th allocation fails, for each n until nothing fails any more. Afterwards all is as before:
//! requests are answered, and registered listeners get records. The same is done under C, for
//! comparison.

use std::{os::fd::AsFd, sync::Arc};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use libtest_mimic::Trial;
use nix::{
    errno::Errno,
    sys::wait::{Id, WaitPidFlag, waitid},
    unistd::Pid,
};
use taskstats::{Client, Options};

use crate::{
    cases::listeners::{CPUS, end_on_all, heard_of, hears},
    cgroup::Hierarchy,
    context::Context,
    faults::{Below, Faults, Last, has_failed},
    implementation::{Implementation, load},
    listener::Listener,
    peer::Peer,
};

/// More allocations than any of these makes.
const MOST: usize = 2000;

const BOTH: [Implementation; 2] = [Implementation::C, Implementation::Rust];

/// The tests; the kernel has to be able to let allocations fail.
pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("faults::loading", loading),
        context.trial("faults::a_task", |context, case| {
            asking(context, case, |client| {
                client.pid(std::process::id()).map(|_| ())
            })
        }),
        context.trial("faults::a_process", |context, case| {
            asking(context, case, |client| {
                client.tgid(std::process::id()).map(|_| ())
            })
        }),
        context.trial("faults::a_control_group", control_group),
        context.trial("faults::registering", registering),
        context.trial("faults::deregistering", deregistering),
        context.trial("faults::the_leader_exits_last", |context, case| {
            exit(context, case, Last::Leader)
        }),
        context.trial("faults::a_thread_exits_last", |context, case| {
            exit(context, case, Last::Thread)
        }),
    ]
}

/// Does something again and again, and lets its first allocation fail, its second one, and so on,
/// until none fails. Returns how many failed.
fn each<T>(
    mut act: impl FnMut() -> T,
    mut check: impl FnMut(T, bool) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let faults = Faults::of_this_thread()?;
    for nth in 1..MOST {
        let (done, failed) = faults.at(nth, &mut act)?;
        check(done, failed).with_context(|| format!("allocation {nth}"))?;
        if !failed {
            ensure!(nth > 1, "no allocation failed");
            return Ok(nth - 1);
        }
    }
    anyhow::bail!("there is no end of allocations")
}

fn report(case: &str, counts: [usize; 2]) {
    let [c, rust] = counts;
    println!("{case}: {c} allocations failed under C, {rust} under Rust");
}

/// Errors for want of memory, as they come from a request, an answer, or its acknowledgement.
fn is_for_want_of_memory(error: &taskstats::Error) -> bool {
    let errno = error.errno();
    errno == Some(Errno::ENOMEM as i32) || errno == Some(Errno::ENOBUFS as i32)
}

fn loading(context: &Context, case: &str) -> anyhow::Result<()> {
    // The loader's own allocations are not what is tested: where some of them fail, it warns.
    let _below = Below::function("do_one_initcall")?;
    let file = context.switch.open()?;
    let failed = each(
        || load(&file),
        |loaded, failed| {
            let expected = match loaded {
                Ok(()) => Implementation::Rust,
                Err(errno) => {
                    ensure!(failed && errno == Errno::ENOMEM, "{errno}");
                    Implementation::C
                }
            };
            let in_charge = Implementation::in_charge()?;
            ensure!(in_charge == expected, "{in_charge:?} is in charge");
            Client::connect(Options::default())?.pid(std::process::id())?;
            context.switch.to(Implementation::C)
        },
    )?;
    report(case, [0, failed]);
    Ok(())
}

fn asking(
    context: &Context,
    case: &str,
    ask: impl Fn(&mut Client) -> Result<(), taskstats::Error>,
) -> anyhow::Result<()> {
    let mut counts = [0; 2];
    for (count, implementation) in counts.iter_mut().zip(BOTH) {
        context.switch.to(implementation)?;
        let mut client = Client::connect(Options::default())?;
        let mut other = Client::connect(Options::default())?;
        *count = each(
            || ask(&mut client),
            |answer, failed| {
                if let Err(error) = answer {
                    ensure!(failed && is_for_want_of_memory(&error), "{error}");
                }
                // And without a failure it is answered.
                Ok(ask(&mut other)?)
            },
        )?;
    }
    report(case, counts);
    Ok(())
}

fn control_group(context: &Context, case: &str) -> anyhow::Result<()> {
    let hierarchy = Hierarchy::mount("none,name=faults")?;
    let directory = std::fs::File::open(hierarchy.path())?;
    asking(context, case, |client| {
        client.cgroup(directory.as_fd()).map(|_| ())
    })
}

/// Changes a registration while an allocation fails. It is changed on all CPUs or on none, and who
/// is registered besides hears all the time.
fn changing(
    context: &Context,
    case: &str,
    prepare: impl Fn() -> anyhow::Result<Listener>,
    change: impl Fn(&mut Listener) -> anyhow::Result<()>,
    hears_after: bool,
) -> anyhow::Result<()> {
    let mut counts = [0; 2];
    for (count, implementation) in counts.iter_mut().zip(BOTH) {
        context.switch.to(implementation)?;
        let mut other = Listener::on("0-1")?;
        let faults = Faults::of_this_thread()?;
        loop {
            let mut listener = prepare()?;
            let (changed, failed) = faults.at(*count + 1, || change(&mut listener))?;
            let ended = end_on_all()?;
            hears(&mut other, &ended, &CPUS).context("another listener")?;
            let (heard, all) = heard_of(&mut listener, &ended)?;
            let expected = if hears_after { all } else { 0 };
            match changed {
                Ok(()) => ensure!(heard == expected, "heard of {heard} of {all}"),
                // It may have been done, but for the acknowledgement.
                Err(error) => {
                    ensure!(failed, "{error:#}");
                    ensure!(
                        heard == 0 || heard == all,
                        "heard of {heard} of {all}: {error:#}"
                    );
                }
            }
            if !failed {
                break;
            }
            *count += 1;
            ensure!(*count < MOST, "there is no end of allocations");
        }
        ensure!(*count > 0, "no allocation failed");
        other.deregister("0-1")?;
    }
    report(case, counts);
    Ok(())
}

fn registering(context: &Context, case: &str) -> anyhow::Result<()> {
    let register = |listener: &mut Listener| listener.register("0-1");
    changing(context, case, || Listener::open(0), register, true)
}

fn deregistering(context: &Context, case: &str) -> anyhow::Result<()> {
    let deregister = |listener: &mut Listener| listener.deregister("0-1");
    changing(context, case, || Listener::on("0-1"), deregister, false)
}

/// The last thread of a process exits, with so many listeners.
const LISTENERS: usize = 3;

/// How many allocations of an exit fail where nobody can tell whether they did: more than there are
/// with a leader that exits last, which can be told.
const OF_A_THREAD: usize = 12;

fn exit(context: &Context, case: &str, last: Last) -> anyhow::Result<()> {
    let name = last.to_possible_value().context("a name")?;
    // What else an exit allocates, for filesystems and others, is not what is tested.
    let _below = Below::function("taskstats_exit")?;
    let mut counts = [0; 2];
    let mut lost = [0; 2];
    for ((count, lost), implementation) in counts.iter_mut().zip(&mut lost).zip(BOTH) {
        context.switch.to(implementation)?;
        let listeners: Result<Vec<_>, _> = (0..LISTENERS).map(|_| Listener::on("0-1")).collect();
        let mut listeners = listeners?;
        loop {
            let nth = *count + 1;
            let process = Peer::myself(&["dying", name.get_name(), &nth.to_string()])?;
            let pid = process.id();
            waitid(
                Id::Pid(Pid::from_raw(pid as i32)),
                WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
            )?;
            let failed = match last {
                Last::Leader => has_failed(pid)?,
                Last::Thread => nth < OF_A_THREAD,
            };
            drop(process);
            let mut told = 0;
            for listener in &mut listeners {
                let messages = listener.hear()?.messages;
                let of = |id: &Option<(u32, _)>| id.as_ref().is_some_and(|(tgid, _)| *tgid == pid);
                told += usize::from(messages.iter().any(|message| of(&message.process)));
            }
            *lost += LISTENERS - told;
            ensure!(
                failed || told == LISTENERS,
                "{told} were told without a failure"
            );
            if implementation == Implementation::Rust {
                ensure!(
                    told == 0 || told >= LISTENERS - 1,
                    "one allocation, and only {told} of {LISTENERS} were told"
                );
            }
            if !failed {
                break;
            }
            *count += 1;
            ensure!(*count < OF_A_THREAD, "there is no end of allocations");
        }
        ensure!(*count > 0, "no allocation failed");
        for listener in &mut listeners {
            listener.deregister("0-1")?;
        }
    }
    report(case, counts);
    let [c, rust] = lost;
    println!("{case}: {c} records were lost under C, {rust} under Rust");
    Ok(())
}
