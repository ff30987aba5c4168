// SPDX-License-Identifier: GPL-2.0

//! That nothing goes on running when `tally` is ended, and what it writes beside its summary.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(120);

fn tally(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
    command.args(arguments).stdout(Stdio::null());
    command
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs; a zombie does not.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn pid_in(file: &Path) -> Option<i32> {
    fs::read_to_string(file)
        .ok()?
        .strip_suffix('\n')?
        .parse()
        .ok()
}

/// Two stages: one has a child that leaves its session and its parent, the other ignores SIGTERM.
fn started(folder: &Path) -> (Child, Vec<i32>) {
    let path = |name: &str| folder.join(name).display().to_string();
    let daemon = format!(
        "one: (setsid sh -c 'echo $$ >{}; exec sleep 1000' &); echo $$ >{}; sleep 1000",
        path("daemon"),
        path("one")
    );
    let stubborn = format!(
        "two: trap '' TERM; echo $$ >{}; while :; do sleep 1; done",
        path("two")
    );
    let child = tally(&["--jobs", "2", &daemon, &stubborn]).spawn().unwrap();
    let mut pids = Vec::new();
    for name in ["daemon", "one", "two"] {
        wait_until(name, || pid_in(&folder.join(name)).is_some());
        pids.extend(pid_in(&folder.join(name)));
    }
    (child, pids)
}

#[test]
fn a_signal_ends_all_descendants() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, pids) = started(folder.path());
        assert!(pids.iter().all(|pid| runs(*pid)), "{pids:?}");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status:?}");
        let left: Vec<_> = pids.into_iter().filter(|pid| runs(*pid)).collect();
        assert!(left.is_empty(), "{left:?} run after {signal:?}");
    }
}

#[test]
fn a_reader_that_is_gone_ends_all_descendants() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let stage = format!(
        "one: echo $$ >{}; while :; do echo line; sleep 0.1; done",
        file.display()
    );
    let mut child = tally(&[&stage])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the stage", || pid_in(&file).is_some());
    drop(child.stdout.take());
    assert!(!child.wait().unwrap().success());
    assert!(!runs(pid_in(&file).unwrap()));
}

#[test]
fn results_are_written_as_ktap() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.ktap");
    let status = tally(&["--ktap", file.to_str().unwrap()])
        .args([
            "suite: printf 'test a ... ok\\ntest b ... FAILED\\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\\n'; false",
            "tools: echo 12 passed, 0 failed",
            "plain: true",
        ])
        .status()
        .unwrap();
    assert!(!status.success());
    let expected = "KTAP version 1
1..3
  KTAP version 1
  1..2
  ok 1 a
  not ok 2 b
not ok 1 suite
# 12 passed, 0 failed
ok 2 tools
# 1 passed, 0 failed
ok 3 plain
";
    assert_eq!(fs::read_to_string(file).unwrap(), expected);
}
