// SPDX-License-Identifier: GPL-2.0

//! The results of a run in KTAP, beside what is printed for people.

use std::io::{self, Write};

use tally::ktap::Ktap;

/// Writes the result of each test as it ends. Tests that are about the same, `name::`, are subtests
/// of one test.
pub struct Report {
    ktap: Ktap<Box<dyn Write + Send>>,
    /// The tests that are still to come, the next one first, each with how many subtests of the
    /// same test begin with it.
    groups: Vec<(String, usize)>,
    /// Subtests of the group that has begun which are still to come.
    left: usize,
}

impl Report {
    /// Begins the report of a run of these tests, in this order, and of so many further results.
    pub fn begin(out: Box<dyn Write + Send>, tests: &[String], further: usize) -> io::Result<Self> {
        let mut groups: Vec<(String, usize)> = Vec::new();
        for test in tests {
            let group = split(test).0;
            match groups.last_mut() {
                Some((last, number)) if last == group => *number += 1,
                _ => groups.push((group.to_owned(), 1)),
            }
        }
        groups.reverse();
        let ktap = Ktap::begin(out, groups.len() + further)?;
        Ok(Self {
            ktap,
            groups,
            left: 0,
        })
    }

    /// Writes the result of the next test, with the reason if it has failed.
    pub fn test(&mut self, name: &str, failed: Option<&str>) -> io::Result<()> {
        let (group, name) = split(name);
        if self.left == 0 {
            let (_, number) = self
                .groups
                .last()
                .filter(|(next, _)| next == group)
                .ok_or_else(|| io::Error::other(format!("{group}::{name} is not the next test")))?;
            self.left = *number;
            self.ktap.begin_subtests(self.left)?;
        }
        self.result(name, failed)?;
        self.left -= 1;
        if self.left == 0 {
            self.groups.pop();
            self.ktap.end_subtests(group)?;
        }
        Ok(())
    }

    /// Writes a further result, after those of all tests.
    pub fn result(&mut self, name: &str, failed: Option<&str>) -> io::Result<()> {
        if let Some(reason) = failed {
            self.ktap.diagnostic(reason)?;
        }
        self.ktap.result(name, failed.is_none())
    }
}

/// What a test is about, and its name among those that are about the same.
fn split(name: &str) -> (&str, &str) {
    name.split_once("::").unwrap_or((name, name))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn tests_are_grouped_by_what_they_are_about() {
        let buffer = Buffer::default();
        let tests = ["masks::one", "masks::two", "cgroups::one"].map(String::from);
        let mut report = Report::begin(Box::new(buffer.clone()), &tests, 1).unwrap();
        assert!(report.test("cgroups::one", None).is_err());
        report.test("masks::one", None).unwrap();
        report
            .test("masks::two", Some("errno 3\ninstead of 4"))
            .unwrap();
        report.test("cgroups::one", None).unwrap();
        report.result("oracle", None).unwrap();
        let expected = "KTAP version 1
1..3
  KTAP version 1
  1..2
  ok 1 one
  # errno 3
  # instead of 4
  not ok 2 two
not ok 1 masks
  KTAP version 1
  1..1
  ok 1 one
ok 2 cgroups
ok 3 oracle
";
        let text = buffer.0.lock().unwrap().clone();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
