// SPDX-License-Identifier: GPL-2.0

//! What the patches change in the kernel, each test in a guest of its own: see [`tests::seam`].

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Parser;
use guest::{End, Guest, Implementation};
use kbuild::{Config, Project};
use libtest_mimic::Trial;
use tests::seam::Act;

/// Tests what the patches change in the kernel.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    harness: libtest_mimic::Arguments,
}

/// For how long the crowd is there.
const SECONDS: &str = "40";

/// Runs this program in a guest.
fn run(act: &[&str]) -> anyhow::Result<()> {
    let mut command = vec![env::current_exe()?.to_string_lossy().into_owned()];
    command.extend(act.iter().map(|&word| word.to_owned()));
    let outcome = Guest::builder()
        .implementation(Implementation::None)
        .command(command)
        .run()?;
    let said = String::from_utf8_lossy(&outcome.stdout);
    if outcome.success() {
        print!("{said}");
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&outcome.stderr);
    let report = outcome.report().unwrap_or_default();
    match outcome.end {
        End::Command(_) => bail!("{said}{errors}{report}"),
        end => bail!("{end:?}: {said}{errors}{report}"),
    }
}

fn text(path: PathBuf) -> anyhow::Result<String> {
    path.into_os_string()
        .into_string()
        .ok()
        .context("a path is not UTF-8")
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { act, mut harness } = Arguments::parse();
    if let Some(act) = act {
        return act.run().map(|()| ExitCode::SUCCESS);
    }
    guest::kill_guests_on_signals()?;
    let source = Project::find()?.top().join("tools/tests/seam");
    let folder = text(kbuild::module::build_others(&source, Config::Lean)?)?;
    let module = text(kbuild::built(Config::Lean)?.module)?;
    let trials: [(&str, Vec<String>); 4] = [
        (
            "a_family_is_exchanged_in_a_crowd",
            vec![
                "exchange".into(),
                folder.clone(),
                module.clone(),
                SECONDS.into(),
            ],
        ),
        (
            "a_family_is_unregistered_in_a_crowd",
            vec!["unregister".into(), folder.clone(), module, SECONDS.into()],
        ),
        (
            "a_failed_attempt_to_attach_loses_no_exit",
            vec!["refused".into(), folder.clone()],
        ),
        (
            "a_dump_goes_on_after_the_exchange",
            vec!["dump".into(), folder],
        ),
    ];
    let trials = trials.map(|(name, act)| {
        Trial::test(name, move || {
            let act: Vec<_> = act.iter().map(String::as_str).collect();
            run(&act).map_err(|error| format!("{error:#}").into())
        })
    });
    harness.test_threads = Some(1);
    Ok(libtest_mimic::run(&harness, trials.into()).exit_code())
}
