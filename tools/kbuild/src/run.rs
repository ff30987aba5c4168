// SPDX-License-Identifier: GPL-2.0
//! Running other programs: for their answer, or with a log and progress.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use duct::Expression;

use crate::progress::Step;

/// How many lines of a log are shown when a step fails.
const LAST_LINES: usize = 30;

/// How many lines that tell of errors are shown from further up.
const FIRST_ERRORS: usize = 10;

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A program with its arguments, without what `make` and `cargo run` put into the environment for
/// their own children.
///
/// A `MAKEFLAGS` of the outer make would hand its variables to the kernel's, and cargo's library
/// path would give clang the libraries of rustc.
pub(crate) fn program<T>(program: T, arguments: &[&str]) -> Expression
where
    T: duct::IntoExecutablePath,
{
    [
        "MAKEFLAGS",
        "MAKELEVEL",
        "MAKEOVERRIDES",
        "MFLAGS",
        "GNUMAKEFLAGS",
        "LD_LIBRARY_PATH",
    ]
    .iter()
    .fold(duct::cmd(program, arguments), |expression, name| {
        expression.env_remove(name)
    })
    .env("LC_ALL", "C")
}

/// Runs a program for what it prints. What it says on stderr becomes the error.
pub(crate) fn answer(expression: &Expression) -> Result<String> {
    let output = expression
        .stdin_null()
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .run()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ({})", said.trim(), output.status);
    }
    String::from_utf8(output.stdout).context("a program printed what is no UTF-8")
}

/// Runs a program that says on stdout or stderr what it finds wrong, and fails then.
pub(crate) fn verdict(expression: &Expression) -> Result<()> {
    let output = expression
        .stdin_null()
        .stderr_to_stdout()
        .stdout_capture()
        .unchecked()
        .run()?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{}", String::from_utf8_lossy(&output.stdout).trim_end())
}

/// Runs a program with its whole output in `log`. While it runs, `status` tells from the new part
/// of the log what to show. On failure the end of the log becomes the error.
pub(crate) fn logged(
    title: &str,
    expression: &Expression,
    log: &Path,
    mut status: impl FnMut(&str) -> Option<String>,
) -> Result<()> {
    if let Some(directory) = log.parent() {
        fs::create_dir_all(directory)?;
    }
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut reader = Tail::open(log)?;
    let mut step = Step::start(title);
    let running = expression
        .stdin_null()
        .stderr_to_stdout()
        .stdout_file(file)
        .unchecked()
        .start()
        .with_context(|| format!("{title}: cannot run what does it"))?;
    let exit = loop {
        let ended = running
            .wait_timeout(LOOK_EVERY)?
            .map(|output| output.status);
        step.show(status(&reader.read()?).as_deref());
        if let Some(exit) = ended {
            break exit;
        }
    };
    if exit.success() {
        step.done();
        return Ok(());
    }
    step.failed();
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    bail!(
        "{title} failed ({exit}). From {}:\n{}",
        log.display(),
        telling(&text)
    )
}

/// A status for [`logged`]: the last line, cut to what fits on a terminal.
pub(crate) fn last_line(new: &str) -> Option<String> {
    Some(new.lines().last()?.trim().chars().take(60).collect())
}

/// Lets a program end with this one, even if this one is killed.
pub(crate) fn bound_to_us(program: &str, arguments: &[String]) -> Expression {
    let mut all: Vec<String> = ["--pdeathsig", "TERM", "--", program]
        .map(String::from)
        .into();
    all.extend_from_slice(arguments);
    duct::cmd("setpriv", all)
}

/// The end of a log, and before it the first errors where they are further up: a parallel build
/// goes on for a while after one.
fn telling(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let end = lines.len().saturating_sub(LAST_LINES);
    let is_error =
        |line: &str| line.contains("error") || line.contains("Error ") || line.contains("***");
    let errors = (0..end)
        .filter(|&at| is_error(lines[at]))
        .take(FIRST_ERRORS);
    errors
        .chain(end..lines.len())
        .map(|at| lines[at])
        .collect::<Vec<_>>()
        .join("\n")
}

/// Reads what is appended to a growing file, in whole lines.
struct Tail {
    file: File,
    rest: Vec<u8>,
}

impl Tail {
    fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self {
            file,
            rest: Vec::new(),
        })
    }

    fn read(&mut self) -> Result<String> {
        self.file.read_to_end(&mut self.rest)?;
        let whole = self
            .rest
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        Ok(String::from_utf8_lossy(&lines).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn failure_shows_what_was_said() {
        let error = answer(&program("sh", &["-c", "echo the reason >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("the reason"), "{error}");
    }

    #[test]
    fn outer_make_is_not_seen() {
        let expression = program("sh", &["-c", "echo \"[$MAKEFLAGS]\""]);
        assert_eq!(answer(&expression).unwrap(), "[]\n");
    }

    #[test]
    fn failed_step_shows_the_end_of_its_log() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("log/step.log");
        let expression = program("sh", &["-c", "echo an error; seq 100; exit 1"]);
        let mut seen = String::new();
        let error = logged("counting", &expression, &log, |new| {
            seen.push_str(new);
            None
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains(":\nan error\n71\n") && error.ends_with("\n100"),
            "{error}"
        );
        assert!(
            seen.starts_with("an error\n1\n") && seen.ends_with("100\n"),
            "{seen}"
        );
    }

    #[test]
    fn tail_gives_whole_lines() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        let mut file = File::create(&path).unwrap();
        let mut tail = Tail::open(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(tail.read().unwrap(), "one\n");
        file.write_all(b"o\n").unwrap();
        assert_eq!(tail.read().unwrap(), "two\n");
    }
}
