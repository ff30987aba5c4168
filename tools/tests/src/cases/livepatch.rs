// SPDX-License-Identifier: GPL-2.0

//! What the module does on a kernel that it takes over by livepatch; and what does not hold there.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use control::{Other, Status};
use libtest_mimic::Trial;
use taskstats_client::{Client, Options};

use crate::{
    cases::listeners::{CPUS, end_on_all, hears},
    context::Context,
    implementation::{Implementation, unload},
    listener::Listener,
    peer::wait_until,
};

/// Tests of every run that cannot pass there, each with the reason.
pub const CANNOT_PASS: &[(&str, &str)] = &[(
    "module::is_in_use_while_policies_are_listed",
    "the family is C's there, so listing its policies does not keep the module in use",
)];

/// How often the module is loaded to see that it answers at once.
const LOADS: usize = 20;

/// The tests; the module that replaces all livepatches is in `folder`.
pub fn trials(context: &Arc<Context>, folder: &Path) -> Vec<Trial> {
    let module = folder.join("replaces_all.ko");
    vec![
        context.trial("livepatch::when_loaded_every_exit_is_heard", loaded),
        context.trial("livepatch::when_replaced_c_answers", move |context, _| {
            replaced(context, &module)
        }),
        context.trial("livepatch::when_disabled_c_answers", disabled),
    ]
}

/// Leaves out what cannot pass, and says so.
pub fn without_what_cannot_pass(trials: Vec<Trial>) -> Vec<Trial> {
    for (name, reason) in CANNOT_PASS {
        println!("left out: {name}: {reason}");
    }
    let can = |trial: &Trial| CANNOT_PASS.iter().all(|(name, _)| *name != trial.name());
    trials.into_iter().filter(can).collect()
}

fn answers() -> anyhow::Result<()> {
    let pid = std::process::id();
    let stats = Client::connect(Options::default())?.pid(pid)?;
    ensure!(stats.record.ac_pid == pid, "it answered for another");
    Ok(())
}

fn loaded(context: &Context, _: &str) -> anyhow::Result<()> {
    for load in 0..LOADS {
        context.switch.to(Implementation::Rust)?;
        let mut listener = Listener::on("0-1")?;
        let ended = end_on_all()?;
        hears(&mut listener, &ended, &CPUS).with_context(|| format!("load {load}"))?;
        ensure!(
            control::status()? == Status::Answers,
            "{:?}",
            control::status()?
        );
        context.switch.to(Implementation::C)?;
        ensure!(
            control::status()? == Status::NotLoaded,
            "{:?}",
            control::status()?
        );
    }
    Ok(())
}

/// C answers whoever asks and whoever registers.
fn c_answers() -> anyhow::Result<()> {
    ensure!(
        control::status()? == Status::Disabled,
        "{:?}",
        control::status()?
    );
    answers()?;
    let mut listener = Listener::on("0-1")?;
    let ended = end_on_all()?;
    hears(&mut listener, &ended, &CPUS)?;
    listener.deregister("0-1")
}

fn replaced(context: &Context, module: &Path) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    let of_rust = Listener::on("0-1")?;
    let other = Other::load(module, "replaces_all")?;
    let result = c_answers();
    // The module may go while a listener of its is open.
    let unloaded = unload();
    drop(of_rust);
    other.unload()?;
    result?;
    unloaded?;
    ensure!(
        control::status()? == Status::NotLoaded,
        "{:?}",
        control::status()?
    );
    answers()
}

fn disabled(context: &Context, _: &str) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    let of_rust = Listener::on("0-1")?;
    let folder = Path::new("/sys/kernel/livepatch/rust_taskstats");
    fs::write(folder.join("enabled"), "0")?;
    wait_until("the end of the transition", || Ok(!folder.exists()))?;
    c_answers()?;
    unload()?;
    drop(of_rust);
    answers()
}
