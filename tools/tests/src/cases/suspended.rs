// SPDX-License-Identifier: GPL-2.0

//! C's listeners while Rust is in charge: they hear nothing, and the kernel's log says that there
//! are some.

use std::sync::Arc;

use anyhow::ensure;
use libtest_mimic::Trial;

use crate::{
    cases::listeners::{CPUS, end_on_all, hears},
    context::Context,
    implementation::Implementation,
    kernel_log::KernelLog,
    listener::Listener,
};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![context.trial("suspended::listeners_of_c", listeners_of_c)]
}

/// What the log says of them.
fn said(log: &mut KernelLog) -> anyhow::Result<Vec<String>> {
    let mut lines = log.lines()?;
    lines.retain(|line| line.contains("suspended"));
    Ok(lines)
}

fn listeners_of_c(context: &Context, _: &str) -> anyhow::Result<()> {
    // C forgets a closed socket once it has sent to it in vain.
    end_on_all()?;
    let mut log = KernelLog::from_now()?;
    context.switch.to(Implementation::Rust)?;
    context.switch.to(Implementation::C)?;
    let lines = said(&mut log)?;
    ensure!(lines.is_empty(), "without listeners: {lines:#?}");

    let mut both = Listener::on("0-1")?;
    let mut one = Listener::on("1")?;
    let before = end_on_all()?;
    context.switch.to(Implementation::Rust)?;
    let expected = "taskstats: 3 registrations suspended until it detaches";
    let lines = said(&mut log)?;
    ensure!(lines == [expected], "{lines:#?}");
    hears(&mut both, &before, &CPUS)?;
    hears(&mut one, &before, &[1])?;
    let ended = end_on_all()?;
    hears(&mut both, &ended, &[])?;
    hears(&mut one, &ended, &[])?;

    context.switch.to(Implementation::C)?;
    let ended = end_on_all()?;
    hears(&mut both, &ended, &CPUS)?;
    hears(&mut one, &ended, &[1])?;
    both.deregister("0-1")?;
    one.deregister("1")
}
