// SPDX-License-Identifier: GPL-2.0

//! The results that the suite writes in KTAP, as the kernel's own tool reads them.

use std::{fs::File, path::Path, process::Command};

use tests::report::Report;

#[test]
fn kunit_reads_it() {
    let source = kbuild::built(kbuild::Config::Lean).unwrap().source;
    let kunit = source.join("tools/testing/kunit/kunit.py");
    let results = [("a::one", None), ("a::two", None), ("b::one", None)];
    reads(&kunit, &results, true, "Ran 3 tests: passed: 3");
    let results = [
        ("a::one", None),
        ("a::two", Some("not ok 2 # a reason\nof two lines")),
        ("b::one", None),
    ];
    reads(&kunit, &results, false, "Ran 3 tests: passed: 2, failed: 1");
}

fn reads(kunit: &Path, results: &[(&str, Option<&str>)], passed: bool, says: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tests: Vec<_> = results.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut report =
        Report::begin(Box::new(File::create(file.path()).unwrap()), &tests, 0).unwrap();
    for (name, failed) in results {
        report.test(name, *failed).unwrap();
    }
    let output = Command::new("python3")
        .arg("-B")
        .arg(kunit)
        .arg("parse")
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() == passed && text.contains(says) && !text.contains("[ERROR]"),
        "{}: {text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
