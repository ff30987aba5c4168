// SPDX-License-Identifier: GPL-2.0
//! Runs test commands one after the other, lets their output through, and closes with one line of
//! counts over all of them: `N passed, N failed`.

mod counts;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::counts::{Counts, Reader};

/// Runs test commands one after the other and sums up their results.
///
/// What a command's tests came to is read off its closing lines: those of Rust's libtest, or a plain
/// `N passed, N failed`. A command without such a line counts as one test, passed if it exits with 0.
/// A test that was skipped counts as failed.
#[derive(Parser)]
struct Arguments {
    /// Shell command lines, each optionally with a name before it, as in `name: command`.
    #[arg(required = true)]
    commands: Vec<String>,
}

/// A command with the name that the summary shows.
struct Stage {
    name: String,
    command: String,
}

impl Stage {
    fn parse(argument: &str) -> Self {
        let (name, command) = argument.split_once(": ").unwrap_or((argument, argument));
        Self {
            name: name.to_owned(),
            command: command.to_owned(),
        }
    }

    /// Runs the command; its standard output is passed on as it comes.
    fn run(&self) -> Result<Counts> {
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.command))?;
        let Some(output) = child.stdout.take() else {
            bail!("{} has no output", self.command);
        };

        let mut reader = Reader::default();
        let mut stdout = std::io::stdout().lock();
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? != 0 {
            stdout.write_all(&line)?;
            stdout.flush()?;
            reader.line(&String::from_utf8_lossy(&line));
            line.clear();
        }
        Ok(reader.finish(child.wait()?.success()))
    }
}

fn main() -> Result<ExitCode> {
    let stages: Vec<_> = Arguments::parse()
        .commands
        .iter()
        .map(|argument| Stage::parse(argument))
        .collect();

    let mut summary = String::new();
    let mut total = Counts::default();
    for stage in &stages {
        println!("==> {}", stage.name);
        let begin = Instant::now();
        let counts = stage.run()?;
        summary += &format!(
            "{:<24} {:>6} passed {:>6} failed {:>8.1} s\n",
            stage.name,
            counts.passed,
            counts.failed,
            begin.elapsed().as_secs_f64()
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
