// SPDX-License-Identifier: GPL-2.0

//! The commands that run, and what becomes of them.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    children,
    counts::{self, Counts},
    results::{self, TestResult},
};

/// A command with the name that the summary shows.
pub(crate) struct Stage {
    pub(crate) name: String,
    command: String,
}

/// What became of a stage.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) took: Duration,
    /// The results of its tests, of those whose names it printed.
    pub(crate) results: Vec<TestResult>,
}

impl Stage {
    pub(crate) fn parse(argument: &str) -> Self {
        let (name, command) = argument.split_once(": ").unwrap_or((argument, argument));
        Self {
            name: name.to_owned(),
            command: command.to_owned(),
        }
    }

    /// Runs the command, and hands the lines of its standard output over as they come.
    fn run(&self, lines: &Sender<Vec<u8>>) -> Result<Outcome> {
        let begin = Instant::now();
        children::check()?;
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A signal of the terminal's comes to this program alone, which ends its children.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", self.command))?;
        let Some(output) = child.stdout.take() else {
            bail!("{} has no output", self.command);
        };

        let mut reader = counts::Reader::default();
        let mut results = results::Reader::default();
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? != 0 {
            let text = String::from_utf8_lossy(&line);
            reader.line(&text);
            results.line(&text);
            // The receiver is gone only after an error, which ends all commands.
            let _ = lines.send(std::mem::take(&mut line));
        }
        Ok(Outcome {
            counts: reader.finish(child.wait()?.success()),
            took: begin.elapsed(),
            results: results.finish(),
        })
    }
}

/// Runs the stages, `jobs` at a time, and shows the output of one after the other. If that fails,
/// all commands are ended.
pub(crate) fn run(stages: &[Stage], jobs: usize) -> Result<Vec<Outcome>> {
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
            if let Err(error) = show(stage, &lines) {
                children::end_all();
                return Err(error);
            }
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
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "==> {}", stage.name)?;
    for line in lines {
        stdout.write_all(&line)?;
        stdout.flush()?;
    }
    Ok(())
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
                "touch {folder}/{mine}; for _ in $(seq 1200); do \
                 [ -e {folder}/{other} ] && exit 0; sleep 0.05; done; exit 1"
            )
        };
        let (one, two) = (meet("one", "two"), meet("two", "one"));
        assert_eq!(passed(&[&one, &two], 2), [1, 1]);
    }
}
