// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading, each at the wrong time too.

use std::{fs, path::Path, sync::Arc};

use crate::request::policy_request;
use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::errno::Errno;
use taskstats::{Client, GenlSocket, Options};

use crate::{
    context::Context,
    implementation::{Implementation, MODULE, references_unused, unload},
    kernel_log::{KernelLog, PROVIDER},
};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("module::a_second_load_is_refused", second_load),
        context.trial("module::an_unload_of_nothing_is_refused", unload_of_nothing),
        context.trial("module::is_seen_while_loaded", seen),
        context.trial("module::the_log_says_who_is_in_charge", log),
        context.trial("module::is_in_use_while_policies_are_listed", in_use),
    ]
}

fn answers() -> anyhow::Result<()> {
    let pid = std::process::id();
    let stats = Client::connect(Options::default())?.pid(pid)?;
    ensure!(
        stats.record.ac_pid == pid,
        "answered for {}",
        stats.record.ac_pid
    );
    Ok(())
}

fn second_load(context: &Context, _: &str) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    for _ in 0..3 {
        let error = context.switch.load().err().context("loaded twice")?;
        let errno = error.downcast_ref::<Errno>();
        ensure!(errno == Some(&Errno::EEXIST), "the second load: {error:#}");
        ensure!(
            Implementation::in_charge()? == Implementation::Rust,
            "the second load took the first one out"
        );
        answers()?;
    }
    Ok(())
}

fn unload_of_nothing(context: &Context, _: &str) -> anyhow::Result<()> {
    for _ in 0..3 {
        let errno = unload().err().context("unloaded what was not loaded")?;
        ensure!(errno == Errno::ENOENT, "unloading nothing: {errno}");
        answers()?;
    }
    context.switch.to(Implementation::Rust)
}

fn seen(context: &Context, _: &str) -> anyhow::Result<()> {
    let folder = Path::new("/sys/module").join(MODULE);
    ensure!(!folder.exists(), "there before it was loaded");
    context.switch.to(Implementation::Rust)?;
    ensure!(folder.exists(), "not in /sys/module");
    answers()?;
    let users = fs::read_to_string(folder.join("refcnt"))?;
    let unused = references_unused()?.to_string();
    ensure!(users.trim() == unused, "{} users", users.trim());
    context.switch.to(Implementation::C)?;
    ensure!(!folder.exists(), "there after it was unloaded");
    answers()
}

fn log(context: &Context, _: &str) -> anyhow::Result<()> {
    for (wanted, says) in [
        (Implementation::Rust, "attached"),
        (Implementation::C, "detached"),
    ] {
        let mut log = KernelLog::from_now()?;
        context.switch.to(wanted)?;
        let lines = log.lines()?;
        let line = format!("{PROVIDER}{MODULE} {says}");
        ensure!(
            lines.iter().filter(|other| **other == line).count() == 1,
            "not once {line:?} when {wanted:?} takes over: {lines:#?}"
        );
    }
    Ok(())
}

/// Netlink's list of policies is half-way: the first part is there to be received.
fn in_use(context: &Context, _: &str) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    let family = Client::connect(Options::default())?.family();
    let mut socket = GenlSocket::open(Options::default())?;
    socket.send(&policy_request(family).encode())?;
    let errno = unload().err().context("unloaded while it was in use")?;
    ensure!(errno == Errno::EAGAIN, "unloading while in use: {errno}");
    answers()?;
    socket.drain()?;
    context.switch.to(Implementation::C)?;
    answers()
}
