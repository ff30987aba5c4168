// SPDX-License-Identifier: GPL-2.0
//! What the user sees while a step takes its time: a live line on a terminal, elsewhere now and
//! then a line.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// Says one line.
pub(crate) fn say(text: &str) {
    eprintln!("kbuild: {text}");
}

/// A step that is under way.
#[must_use]
pub(crate) struct Step {
    title: String,
    begun: Instant,
    said: Instant,
    status: String,
    bar: ProgressBar,
}

impl Step {
    pub(crate) fn start(title: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("kbuild: {spinner} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.set_message(title.to_owned());
        let now = Instant::now();
        Self {
            title: title.to_owned(),
            begun: now,
            said: now,
            status: String::new(),
            bar,
        }
    }

    /// Shows that the step goes on, and where it stands if that is known.
    pub(crate) fn show(&mut self, status: Option<&str>) {
        if let Some(status) = status {
            self.status = format!(": {status}");
            self.bar
                .set_message(format!("{}{}", self.title, self.status));
        }
        self.bar.tick();
        if self.bar.is_hidden() && self.said.elapsed() >= LINE_EVERY {
            say(&format!(
                "{}{} [{}]",
                self.title,
                self.status,
                seconds(self.begun.elapsed())
            ));
            self.said = Instant::now();
        }
    }

    /// Ends the step. One line stays.
    pub(crate) fn done(self) {
        self.bar.finish_and_clear();
        say(&format!(
            "{} [{}]",
            self.title,
            seconds(self.begun.elapsed())
        ));
    }

    /// Ends the step without a line: the error that follows says more.
    pub(crate) fn failed(self) {
        self.bar.finish_and_clear();
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        short @ 0..60 => format!("{short} s"),
        long => format!("{} min {} s", long / 60, long % 60),
    }
}
