// SPDX-License-Identifier: GPL-2.0

//! On the machine itself, not in a guest, the suite does nothing.

use std::{fs, process::Command};

#[test]
fn every_command_is_refused_outside_a_guest() {
    let folder = tempfile::tempdir().unwrap();
    let ktap = folder.path().join("ktap");
    let run = [
        "run",
        "--module",
        "/none",
        "--clients",
        "/none",
        "--headers",
        "/none",
        "--faults",
        "--ktap",
        ktap.to_str().unwrap(),
    ];
    for arguments in [
        &run[..],
        &["fuzz", "--module", "/none"],
        &["soak", "--module", "/none"],
        &["snapshot"],
        &["leaks"],
        &["exit", "set-user-id"],
        &["storm", "0", "1"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_suite"))
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(error.contains("for guests only"), "{arguments:?}: {error}");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?}: {:?}",
            output.stdout
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
