// SPDX-License-Identifier: GPL-2.0

//! The result of each test, read off the lines of Rust's libtest.

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestResult {
    pub(crate) name: String,
    pub(crate) passed: bool,
}

/// Reads what a test program prints.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    results: Vec<TestResult>,
    /// A test that has begun: what it prints comes between its name and its result.
    begun: Option<String>,
}

impl Reader {
    /// Reads one line. A test that is ignored has failed.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        let begins = line.strip_prefix("test ");
        let begins = begins.and_then(|rest| rest.split_once("... "));
        let result = match begins {
            Some((name, rest)) => {
                self.begun = Some(name.trim_end().to_owned());
                rest
            }
            None => line,
        };
        // A reason follows in the same line.
        let ignored = result == "ignored" || result.starts_with("ignored, ");
        let passed = match result {
            "ok" => true,
            "FAILED" => false,
            _ if ignored => false,
            _ => return,
        };
        if let Some(name) = self.begun.take() {
            self.results.push(TestResult { name, passed });
        }
    }

    /// The results, in their order.
    pub(crate) fn finish(self) -> Vec<TestResult> {
        self.results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_whatever_the_tests_print() {
        let mut reader = Reader::default();
        for line in [
            "running 4 tests",
            "test one            ... ok",
            "test exits::two  ... Totals { ticks: 7 }",
            "ok, nearly",
            "ok",
            "test three ... FAILED",
            "test four ... ignored, not here",
            "ok",
            "test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out",
        ] {
            reader.line(line);
        }
        let result = |name: &str, passed| TestResult {
            name: name.into(),
            passed,
        };
        assert_eq!(
            reader.finish(),
            [
                result("one", true),
                result("exits::two", true),
                result("three", false),
                result("four", false),
            ]
        );
    }
}
