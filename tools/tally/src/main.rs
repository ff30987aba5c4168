// SPDX-License-Identifier: GPL-2.0

//! Runs test commands one after the other or some at a time, lets their output through, and closes
//! with one line of counts over all of them: `N passed, N failed`.

mod children;
mod counts;
mod results;
mod stage;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, value_parser};
use tally::ktap::Ktap;

use crate::{
    counts::Counts,
    stage::{Outcome, Stage},
};

/// Runs test commands and sums up their results.
///
/// What a command's tests came to is read off its closing lines: those of Rust's libtest, or a
/// plain `N passed, N failed`. A command without such a line counts as one test, passed if it exits
/// with 0. A test that was skipped counts as failed.
#[derive(Parser)]
struct Arguments {
    /// How many commands run at a time. Their output appears in their order all the same.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    jobs: u64,
    /// Writes the results to this file as well, in KTAP version 1.
    #[arg(long, value_name = "FILE")]
    ktap: Option<PathBuf>,
    /// Shell command lines, each optionally with a name before it, as in `name: command`.
    #[arg(required = true)]
    commands: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    children::end_on_signals()?;
    let stages: Vec<_> = arguments
        .commands
        .iter()
        .map(|argument| Stage::parse(argument))
        .collect();

    let mut summary = String::new();
    let mut total = Counts::default();
    let outcomes = stage::run(&stages, usize::try_from(arguments.jobs)?);
    children::end_if_interrupted();
    let outcomes = outcomes?;
    if let Some(path) = &arguments.ktap {
        write_ktap(path, &stages, &outcomes).with_context(|| path.display().to_string())?;
    }
    for (stage, outcome) in stages.iter().zip(outcomes) {
        let counts = outcome.counts;
        summary += &format!(
            "{:<24} {:>6} passed {:>6} failed {:>8.1} s\n",
            stage.name,
            counts.passed,
            counts.failed,
            outcome.took.as_secs_f64()
        );
        total += counts;
    }
    println!("\n{summary}{total}");

    Ok(if total.failed == 0 && total.passed != 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes a test for each stage. Its tests are subtests where it has named them all.
fn write_ktap(path: &Path, stages: &[Stage], outcomes: &[Outcome]) -> Result<()> {
    let mut ktap = Ktap::begin(File::create(path)?, stages.len())?;
    for (stage, outcome) in stages.iter().zip(outcomes) {
        let Counts { passed, failed } = outcome.counts;
        let results = &outcome.results;
        let named = results.len() as u64 == passed + failed
            && results.iter().filter(|result| result.passed).count() as u64 == passed;
        if named && !results.is_empty() {
            ktap.begin_subtests(results.len())?;
            for result in results {
                ktap.result(&result.name, result.passed)?;
            }
            ktap.end_subtests(&stage.name)?;
        } else {
            ktap.diagnostic(&outcome.counts.to_string())?;
            ktap.result(&stage.name, failed == 0 && passed != 0)?;
        }
    }
    Ok(())
}
