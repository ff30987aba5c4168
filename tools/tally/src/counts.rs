// SPDX-License-Identifier: GPL-2.0
//! How many tests passed and failed, read off the lines that test programs close with.

use std::{fmt, ops::AddAssign, sync::LazyLock};

use regex::Regex;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

static LIBTEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored; \d+ measured; ")
        .expect("a valid pattern")
});
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$").expect("a valid pattern")
});

/// Reads what a command prints.
#[derive(Default)]
pub(crate) struct Reader {
    sum: Counts,
    last_plain: Option<Counts>,
    any: bool,
}

impl Reader {
    /// Reads one line. The results of libtest add up, one for each test binary; of plain lines the
    /// last one is the sum already. One before a result of libtest is what a test has printed.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();

        if let Some(counts) = counts(&LIBTEST, line) {
            self.sum += counts;
            self.any = true;
            self.last_plain = None;
        } else if let Some(counts) = counts(&PLAIN, line) {
            self.last_plain = Some(counts);
        }
    }

    /// Returns the result of the command, which exited with 0 or not.
    pub(crate) fn finish(self, success: bool) -> Counts {
        let mut counts = match self.last_plain {
            Some(plain) => plain,
            None if self.any => self.sum,
            None => Counts {
                passed: u64::from(success),
                failed: 0,
            },
        };
        // A failure that no test names is one all the same.
        if !success && counts.failed == 0 {
            counts.failed = 1;
        }
        counts
    }
}

fn counts(pattern: &Regex, line: &str) -> Option<Counts> {
    let captures = pattern.captures(line)?;
    let number = |i| captures.get(i).map_or(Ok(0), |m| m.as_str().parse::<u64>());

    Some(Counts {
        passed: number(1).ok()?,
        failed: number(2).ok()? + number(3).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str], success: bool) -> Counts {
        let mut reader = Reader::default();
        for line in lines {
            reader.line(line);
        }
        reader.finish(success)
    }

    #[test]
    fn a_plain_line_that_a_test_prints_is_no_sum() {
        let lines = [
            "1 passed, 0 failed",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ];
        let counts = Counts {
            passed: 3,
            failed: 0,
        };
        assert_eq!(read(&lines, true), counts);
    }

    #[test]
    fn libtest_results_add_up() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            "test a ... ok\n",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        ];
        assert_eq!(
            read(&lines, false),
            Counts {
                passed: 7,
                failed: 2
            }
        );
    }

    #[test]
    fn a_skipped_test_has_failed() {
        let libtest = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(
            read(&[libtest], true),
            Counts {
                passed: 3,
                failed: 1
            }
        );
        assert_eq!(
            read(&["3 passed, 0 failed, 2 skipped"], true),
            Counts {
                passed: 3,
                failed: 2
            }
        );
    }

    #[test]
    fn the_last_plain_line_is_the_sum() {
        let lines = ["1 passed, 0 failed", "8 passed, 1 failed"];
        assert_eq!(
            read(&lines, false),
            Counts {
                passed: 8,
                failed: 1
            }
        );
    }

    #[test]
    fn a_command_without_counts_is_one_test() {
        assert_eq!(
            read(&["fine"], true),
            Counts {
                passed: 1,
                failed: 0
            }
        );
        assert_eq!(
            read(&["9 passed, 9 failed or so"], false),
            Counts {
                passed: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn a_failure_that_no_test_names_counts() {
        assert_eq!(
            read(&["8 passed, 0 failed"], false),
            Counts {
                passed: 8,
                failed: 1
            }
        );
    }
}
