// SPDX-License-Identifier: GPL-2.0

//! The results that this suite writes in KTAP, as the kernel's own tool reads them.

use std::{fs::File, path::Path, process::Command, sync::Arc};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;

use crate::{context::Context, report::Report};

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![context.trial("ktap::kunit_reads_it", |context, _| {
        // The folder of the headers is include/uapi of the kernel's tree.
        let kunit = context.headers.join("../../tools/testing/kunit/kunit.py");
        let results = [("a::one", None), ("a::two", None), ("b::one", None)];
        reads(&kunit, &results, true, "Ran 3 tests: passed: 3")?;
        let results = [
            ("a::one", None),
            ("a::two", Some("not ok 2 # a reason\nof two lines")),
            ("b::one", None),
        ];
        reads(&kunit, &results, false, "Ran 3 tests: passed: 2, failed: 1")
    })]
}

fn reads(
    kunit: &Path,
    results: &[(&str, Option<&str>)],
    passed: bool,
    says: &str,
) -> anyhow::Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let tests: Vec<_> = results.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut report = Report::begin(Box::new(File::create(file.path())?), &tests, 0)?;
    for (name, failed) in results {
        report.test(name, *failed)?;
    }
    let output = Command::new("python3")
        .arg("-B")
        .arg(kunit)
        .arg("parse")
        .arg(file.path())
        .output()
        .context("starting python3")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() == passed && text.contains(says) && !text.contains("[ERROR]"),
        "{}: {text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
