// SPDX-License-Identifier: GPL-2.0

//! Writes KTAP version 1, `Documentation/dev-tools/ktap.rst` in the kernel's source.

use std::io::{self, Write};

/// A writer of KTAP. Each line is flushed, so that a run that is cut short leaves what it came to.
#[derive(Debug)]
pub struct Ktap<W> {
    out: W,
    /// The tests that have begun, the outermost first.
    levels: Vec<Level>,
}

/// What has been written of the subtests of one test.
#[derive(Debug, Default)]
struct Level {
    results: usize,
    failed: usize,
}

impl<W: Write> Ktap<W> {
    /// Begins a report of so many tests.
    pub fn begin(out: W, plan: usize) -> io::Result<Self> {
        let mut ktap = Self {
            out,
            levels: Vec::new(),
        };
        ktap.begin_subtests(plan)?;
        Ok(ktap)
    }

    /// Begins a test that has so many subtests.
    pub fn begin_subtests(&mut self, plan: usize) -> io::Result<()> {
        self.levels.push(Level::default());
        self.line("KTAP version 1")?;
        self.line(&format!("1..{plan}"))
    }

    /// Writes any text, which belongs to the next result.
    pub fn diagnostic(&mut self, text: &str) -> io::Result<()> {
        text.lines()
            .try_for_each(|line| self.line(format!("# {line}").trim_end()))
    }

    /// Writes the result of a test.
    pub fn result(&mut self, name: &str, passed: bool) -> io::Result<()> {
        let Some(level) = self.levels.last_mut() else {
            return Err(io::Error::other("a result of no test"));
        };
        level.results += 1;
        level.failed += usize::from(!passed);
        let number = level.results;
        let result = if passed { "ok" } else { "not ok" };
        self.line(&format!("{result} {number} {}", description(name)))
    }

    /// Ends the test that has begun last: it has failed if one of its subtests has, or if it has
    /// none.
    pub fn end_subtests(&mut self, name: &str) -> io::Result<()> {
        let level = self.levels.pop().unwrap_or_default();
        self.result(name, level.failed == 0 && level.results > 0)
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        let indent = 2 * self.levels.len().saturating_sub(1);
        writeln!(self.out, "{:indent$}{line}", "")?;
        self.out.flush()
    }
}

/// A name as a description, which is one line and has no directive.
fn description(name: &str) -> String {
    let is_special = |c: char| c == '#' || c.is_control();
    name.replace(is_special, "_").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_fails_with_its_subtests() {
        let mut text = Vec::new();
        let mut ktap = Ktap::begin(&mut text, 3).unwrap();
        ktap.begin_subtests(2).unwrap();
        ktap.result("one", true).unwrap();
        ktap.diagnostic("expected 1\n\nfound 2\n").unwrap();
        ktap.result("two # SKIP\nthree", false).unwrap();
        ktap.end_subtests("first").unwrap();
        ktap.begin_subtests(1).unwrap();
        ktap.result("one", true).unwrap();
        ktap.end_subtests("second").unwrap();
        ktap.begin_subtests(1).unwrap();
        ktap.end_subtests("cut short").unwrap();
        drop(ktap);
        let expected = "KTAP version 1
1..3
  KTAP version 1
  1..2
  ok 1 one
  # expected 1
  #
  # found 2
  not ok 2 two _ SKIP_three
not ok 1 first
  KTAP version 1
  1..1
  ok 1 one
ok 2 second
  KTAP version 1
  1..1
not ok 3 cut short
";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
