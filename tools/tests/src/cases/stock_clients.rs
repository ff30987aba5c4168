// SPDX-License-Identifier: GPL-2.0

//! The stock clients print the same, whoever answers.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;

use crate::{
    context::Context,
    implementation::Implementation,
    stock::Printed,
    workload::{Kind, Task},
};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials: Vec<_> = [
        ("delays", &["-d"][..]),
        ("io", &["-i"]),
        ("context_switches", &["-q"]),
        ("everything", &["-d", "-i", "-q", "-v"]),
    ]
    .into_iter()
    .map(|(name, flags)| {
        context.trial(format!("stock_clients::getdelays_{name}"), |context, _| {
            let task = Task::spawn(Kind::Worked)?;
            same(context, || context.clients.getdelays(flags, task.pid()))
        })
    })
    .collect();
    trials.push(context.trial("stock_clients::delaytop", |context, _| {
        let task = Task::spawn(Kind::Worked)?;
        same(context, || delaytop(context, task.pid()))
    }));
    trials.push(
        context.trial("stock_clients::getdelays_is_refused", |context, _| {
            for implementation in [Implementation::C, Implementation::Rust] {
                context.switch.to(implementation)?;
                let refused = context.clients.getdelays(&["-d"], crate::requests::NOBODY);
                let error = refused.err().context("getdelays of nobody succeeded")?;
                let error = error.to_string();
                ensure!(error.contains("errno -3"), "{implementation:?}: {error}");
            }
            Ok(())
        }),
    );
    trials
}

/// The same under C, Rust and C.
fn same(context: &Context, mut run: impl FnMut() -> anyhow::Result<Printed>) -> anyhow::Result<()> {
    let mut under = |implementation| {
        context.switch.to(implementation)?;
        run().with_context(|| format!("under {implementation:?}"))
    };
    let before = under(Implementation::C)?;
    let rust = under(Implementation::Rust)?;
    let after = under(Implementation::C)?;
    ensure!(
        before == after,
        "C before:\n{before:#?}\nC after:\n{after:#?}"
    );
    ensure!(before == rust, "C:\n{before:#?}\nRust:\n{rust:#?}");
    Ok(())
}

/// What delaytop shows of one task; above it are the machine's pressure figures, which move.
fn delaytop(context: &Context, pid: u32) -> anyhow::Result<Printed> {
    let pid = pid.to_string();
    let mut printed = context
        .clients
        .run("delaytop", &["--once", "--pid", &pid])?;
    ensure!(printed.status == Some(0), "delaytop: {printed:?}");
    let of_task = |line: &&str| line.split_whitespace().next() == Some(pid.as_str());
    let lines: Vec<_> = printed.stdout.lines().filter(of_task).collect();
    ensure!(
        lines.len() == 1,
        "delaytop shows {} tasks: {printed:?}",
        lines.len()
    );
    printed.stdout = lines.concat();
    Ok(printed)
}
