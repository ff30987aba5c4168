// SPDX-License-Identifier: GPL-2.0
//! How a guest ended, and what that means for whoever ran it.

use std::{fmt::Write, time::Duration};

use crate::{
    complaints::{Complaint, excerpt},
    log::Log,
};

/// The exit status for a guest that did not end in time.
pub const TIME_LIMIT: u8 = 124;
/// The exit status for a guest that ended as it should, but whose kernel complained.
pub const COMPLAINT: u8 = 125;
/// The exit status for a guest that crashed, that did not come up, or that could not be started.
pub const CRASH: u8 = 126;

/// Lines of the log shown when nothing in it says what is wrong.
const TAIL: usize = 30;

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The command ended with this exit status, and the guest powered off.
    Command(u8),
    /// The guest was still running when its time was over.
    TimeLimit(Duration),
    /// The guest did not come as far as to start the command.
    SetUp(String),
    /// The guest ended otherwise than by powering off after the command.
    Crash(String),
}

impl End {
    /// Judges by the kernel's log how far the guest came.
    pub(crate) fn of(log: &Log) -> Self {
        let started = log.command_started();
        if let Some(panic) = log.panic() {
            Self::Crash(panic.to_owned())
        } else if let Some(failure) = log.setup_failure() {
            Self::SetUp(failure.to_owned())
        } else if log.text().trim().is_empty() {
            Self::SetUp("the kernel wrote nothing".into())
        } else if !log.powered_off() {
            Self::Crash("the kernel's log stops without a regular power-off".into())
        } else if let Some(status) = log.command_status() {
            Self::Command(status)
        } else if started {
            Self::Crash("the guest powered off before the command ended".into())
        } else {
            Self::SetUp("the guest powered off before it could start the command".into())
        }
    }
}

/// What became of a guest.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What the command wrote to its standard output; empty if that was passed on.
    pub stdout: Vec<u8>,
    /// What the command wrote to its standard error; empty if that was passed on. What the virtual
    /// machine itself has to say is here as well.
    pub stderr: Vec<u8>,
    /// The kernel's log.
    pub log: Log,
    /// The kernel's complaints in the log.
    pub complaints: Vec<Complaint>,
}

impl Outcome {
    /// Judges a guest that has ended.
    pub(crate) fn new(end: End, stdout: Vec<u8>, stderr: Vec<u8>, log: Log) -> Self {
        let complaints = log.complaints();
        Self {
            end,
            stdout,
            stderr,
            log,
            complaints,
        }
    }

    /// The exit status that says it in one number: the command's own if all is well otherwise.
    pub fn status(&self) -> u8 {
        match self.end {
            End::TimeLimit(_) => TIME_LIMIT,
            End::SetUp(_) | End::Crash(_) => CRASH,
            End::Command(_) if !self.complaints.is_empty() => COMPLAINT,
            End::Command(status) => status,
        }
    }

    /// Whether the command succeeded, the kernel had nothing to complain about, and the guest ended
    /// as it should.
    pub fn success(&self) -> bool {
        self.status() == 0
    }

    /// What is wrong with the guest, with the log's lines that show it. None if nothing is,
    /// whatever the command's own exit status.
    pub fn report(&self) -> Option<String> {
        let mut report = match &self.end {
            End::Command(_) => String::new(),
            End::TimeLimit(limit) => format!(
                "the guest was ended after {} seconds\n",
                limit.as_secs_f32()
            ),
            End::SetUp(why) => format!("the guest did not come up: {why}\n"),
            End::Crash(why) => format!("the guest crashed: {why}\n"),
        };
        if !self.complaints.is_empty() {
            let count = match self.complaints.len() {
                1 => "one complaint".to_owned(),
                many => format!("{many} complaints"),
            };
            let first = self.complaints[0].reason;
            let _ = writeln!(report, "the kernel's log has {count}, the first: {first}");
            report += &excerpt(self.log.text(), &self.complaints);
        }
        if report.is_empty() {
            return None;
        }
        if self.complaints.is_empty() && !self.log.text().is_empty() {
            let _ = writeln!(report, "the kernel's log ends with:");
            for line in self.log.tail(TAIL).lines() {
                let _ = writeln!(report, "  {line}");
            }
        }
        let _ = writeln!(
            report,
            "the kernel's whole log is in {}",
            self.log.path().display()
        );
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS: &str = "[    1.0] guest: the command starts\n";
    const ENDED: &str = "[    2.0] guest: the command ended with 7\n";
    const OFF: &str = "[    2.1] reboot: Power down\n";

    fn outcome(text: &str) -> Outcome {
        let log = Log::new("log", text);
        Outcome::new(End::of(&log), Vec::new(), Vec::new(), log)
    }

    #[test]
    fn a_regular_end_has_the_commands_status() {
        let outcome = outcome(&[STARTS, ENDED, OFF].concat());
        assert_eq!(outcome.end, End::Command(7));
        assert_eq!(outcome.status(), 7);
        assert_eq!(outcome.report(), None);
    }

    #[test]
    fn a_complaint_counts_whatever_the_command_says() {
        let outcome = outcome(&[STARTS, "[    1.5] BUG: planted\n", ENDED, OFF].concat());
        assert_eq!(outcome.end, End::Command(7));
        assert_eq!(outcome.status(), COMPLAINT);
        assert!(
            outcome
                .report()
                .unwrap()
                .contains("> [    1.5] BUG: planted\n")
        );
    }

    #[test]
    fn a_log_that_stops_is_a_crash() {
        for text in [
            STARTS.to_owned(),
            [STARTS, ENDED].concat(),
            [STARTS, OFF].concat(),
        ] {
            let outcome = outcome(&text);
            assert!(matches!(outcome.end, End::Crash(_)), "{text}");
            assert_eq!(outcome.status(), CRASH);
            assert!(
                outcome
                    .report()
                    .unwrap()
                    .contains("the kernel's whole log is in log\n")
            );
        }
    }

    #[test]
    fn a_panic_is_named() {
        let panic = "Kernel panic - not syncing: Attempted to kill init!";
        let outcome = outcome(&format!("{STARTS}[    1.5] {panic}\n"));
        assert_eq!(outcome.end, End::Crash(panic.into()));
        assert_eq!(outcome.status(), CRASH);
    }

    #[test]
    fn a_guest_without_its_command_did_not_come_up() {
        for (text, why) in [
            (String::new(), "the kernel wrote nothing"),
            (
                format!("[    1.0] guest: set-up failed: no module\n{OFF}"),
                "no module",
            ),
            (
                OFF.to_owned(),
                "the guest powered off before it could start the command",
            ),
        ] {
            let outcome = outcome(&text);
            assert_eq!(outcome.end, End::SetUp(why.into()));
            assert_eq!(outcome.status(), CRASH);
        }
    }
}
