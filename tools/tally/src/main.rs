// SPDX-License-Identifier: GPL-2.0
//! Runs test commands one after the other or some at a time, lets their output through, and closes
//! with one line of counts over all of them: `N passed, N failed`.

mod counts;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::{Parser, value_parser};

use crate::counts::{Counts, Reader};

/// Runs test commands and sums up their results.
///
/// What a command's tests came to is read off its closing lines: those of Rust's libtest, or a plain
/// `N passed, N failed`. A command without such a line counts as one test, passed if it exits with 0.
/// A test that was skipped counts as failed.
#[derive(Parser)]
struct Arguments {
    /// How many commands run at a time. What they print comes in their order all the same.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    jobs: u64,
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

    /// Runs the command, and hands the lines of its standard output over as they come.
    fn run(&self, lines: &Sender<Vec<u8>>) -> Result<Outcome> {
        let begin = Instant::now();
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
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? != 0 {
            reader.line(&String::from_utf8_lossy(&line));
            // Whoever shows it is gone only after an error, which ends all.
            let _ = lines.send(std::mem::take(&mut line));
        }
        Ok(Outcome {
            counts: reader.finish(child.wait()?.success()),
            took: begin.elapsed(),
        })
    }
}

/// What became of a stage.
struct Outcome {
    counts: Counts,
    took: Duration,
}

/// Runs the stages, `jobs` at a time, and shows the output of one after the other.
fn run(stages: &[Stage], jobs: usize) -> Result<Vec<Outcome>> {
    let (senders, receivers): (Vec<_>, Vec<_>) = stages.iter().map(|_| channel()).unzip();
    let queue = Mutex::new(stages.iter().zip(senders).enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut outcomes = Vec::new();
        while let Some((index, (stage, sender))) = next() {
            outcomes.push((index, stage.run(&sender)));
            // With the sender dropped, the next stage is shown.
        }
        outcomes
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        for (stage, lines) in stages.iter().zip(receivers) {
            show(stage, &lines)?;
        }
        let mut outcomes = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(some) => outcomes.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    })
}

fn show(stage: &Stage, lines: &Receiver<Vec<u8>>) -> Result<()> {
    println!("==> {}", stage.name);
    let mut stdout = std::io::stdout().lock();
    for line in lines {
        stdout.write_all(&line)?;
        stdout.flush()?;
    }
    Ok(())
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let stages: Vec<_> = arguments
        .commands
        .iter()
        .map(|argument| Stage::parse(argument))
        .collect();

    let mut summary = String::new();
    let mut total = Counts::default();
    let outcomes = run(&stages, usize::try_from(arguments.jobs)?)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(commands: &[&str], jobs: usize) -> Vec<u64> {
        let stages: Vec<_> = commands.iter().map(|line| Stage::parse(line)).collect();
        let outcomes = run(&stages, jobs).unwrap();
        outcomes
            .iter()
            .map(|outcome| outcome.counts.passed)
            .collect()
    }

    #[test]
    fn outcomes_come_in_the_order_of_the_commands() {
        let commands = [
            "slow: sleep 1; echo 1 passed, 0 failed",
            "quick: echo 2 passed, 0 failed",
            "echo 3 passed, 0 failed",
        ];
        for jobs in [1, 2, 8] {
            assert_eq!(passed(&commands, jobs), [1, 2, 3]);
        }
    }

    #[test]
    fn as_many_run_at_a_time_as_there_are_jobs() {
        // Each waits for the other's file: one at a time, none of them would end well.
        let folder = tempfile::tempdir().unwrap();
        let meet = |mine: &str, other: &str| {
            let folder = folder.path().display();
            format!(
                "touch {folder}/{mine}; for _ in $(seq 100); do \
                 [ -e {folder}/{other} ] && exit 0; sleep 0.05; done; exit 1"
            )
        };
        let (one, two) = (meet("one", "two"), meet("two", "one"));
        assert_eq!(passed(&[&one, &two], 2), [1, 1]);
    }
}
