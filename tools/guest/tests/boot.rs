// SPDX-License-Identifier: GPL-2.0
//! Guests that really boot, on the built kernel, without the module.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use guest::{CRASH, End, Guest, HUNG, Implementation, Outcome, TIME_LIMIT};

/// One guest at a time: a machine may have two CPUs.
static ONE: Mutex<()> = Mutex::new(());

fn one() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn guest() -> Guest {
    Guest::builder().implementation(Implementation::C)
}

fn run(guest: Guest) -> Outcome {
    let _one = one();
    guest.run().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The command lines of all processes that know a log file: the machine's own among them, while it
/// runs.
fn users_of(log: &Path) -> Vec<String> {
    let log = log.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|process| fs::read_to_string(process.ok()?.path().join("cmdline")).ok())
        .filter(|command| command.contains(log))
        .collect()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < HUNG, "{what} did not come");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn output_arguments_and_status_come_through() {
    let script = r#"
        printf '[%s]' "$@"; echo; pwd; echo "$WORD"; id -u; cat; echo complaint >&2
        head -c 1048576 /dev/zero | tr '\0' x; exit 7"#;
    let words = [
        "sh",
        "-c",
        script,
        "sh",
        "a b",
        "it's",
        "\"quoted\"",
        "$HOME",
        "",
        "new\nline",
    ];
    let outcome = run(guest()
        .command(words)
        .env("WORD", "a 'word'")
        .directory("/etc"));
    let (stdout, large) =
        text(&outcome.stdout).split_at(outcome.stdout.len().saturating_sub(1 << 20));
    assert_eq!(
        stdout,
        "[a b][it's][\"quoted\"][$HOME][][new\nline]\n/etc\na 'word'\n0\n"
    );
    assert!(large.len() == 1 << 20 && large.bytes().all(|byte| byte == b'x'));
    assert_eq!(text(&outcome.stderr), "complaint\n");
    assert_eq!(outcome.end, End::Command(7));
    assert_eq!((outcome.status(), outcome.report()), (7, None));
    assert!(
        outcome.log.text().contains("Linux version"),
        "the log has its beginning"
    );
    assert!(outcome.log.powered_off(), "the log has its end");
    assert!(outcome.log.text().contains(" delayacct "));
}

#[test]
fn success_is_silent() {
    let outcome = run(guest().shell("exit 0"));
    assert!(outcome.success(), "{:?}", outcome.report());
    assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), ("", ""));
}

#[test]
fn time_counts_instructions() {
    // A clock that runs as it does on the wall differs from one run of this loop to the next by
    // more than a tenth, on a busy machine by far.
    let script = "import time\n\
                  def turns():\n\
                  \tstart = time.monotonic_ns()\n\
                  \tfor _ in range(100000): pass\n\
                  \treturn time.monotonic_ns() - start\n\
                  turns(); print(*[turns() for _ in range(5)])";
    let outcome = run(guest()
        .icount(true)
        .cpus(1)
        .command(["python3", "-c", script]));
    assert!(outcome.success(), "{:?}", outcome.report());
    let times: Vec<f64> = text(&outcome.stdout)
        .split_whitespace()
        .map(|time| time.parse().unwrap())
        .collect();
    let (least, most) = times
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), time| {
            (least.min(*time), most.max(*time))
        });
    assert!(times.len() == 5 && most < least * 1.1, "{times:?}");
}

#[test]
fn complaints_of_the_kernel_are_found() {
    // A planted one, and a real one: the kernel shows its stack when a group of tasks runs out of
    // memory.
    let script = "echo '<4>BUG: planted' >/dev/kmsg
        cd /sys/fs/cgroup && echo +memory >cgroup.subtree_control && mkdir small && echo 8M >small/memory.max
        sh -c 'echo $$ >small/cgroup.procs; exec tail /dev/zero'
        exit 0";
    let outcome = run(guest().shell(script));
    assert_eq!(outcome.end, End::Command(0));
    assert_eq!(outcome.status(), guest::COMPLAINT);
    let report = outcome.report().unwrap();
    for line in ["BUG: planted", "tail invoked oom-killer", "Call Trace:"] {
        assert!(
            outcome
                .complaints
                .iter()
                .any(|complaint| complaint.line.contains(line)),
            "{line}: {report}"
        );
        assert!(report.contains(line), "{line}: {report}");
    }
    assert!(report.contains(outcome.log.path().to_str().unwrap()));
}

#[test]
fn a_panic_ends_the_guest() {
    let script = "echo before; echo 2 >/proc/sys/vm/panic_on_oom
        cd /sys/fs/cgroup && echo +memory >cgroup.subtree_control && mkdir small && echo 8M >small/memory.max
        echo $$ >small/cgroup.procs; exec tail /dev/zero";
    let outcome = run(guest().shell(script));
    assert!(
        matches!(&outcome.end, End::Crash(why) if why.starts_with("Kernel panic")),
        "{:?}",
        outcome.end
    );
    assert_eq!(outcome.status(), CRASH);
    assert_eq!(text(&outcome.stdout), "before\n");
    assert!(outcome.report().unwrap().contains("> "));
}

#[test]
fn a_kernel_that_never_comes_up_is_a_crash() {
    let outcome = run(guest()
        .append("root=/dev/none")
        .append("rootfstype=tmpfs")
        .append("init=/none")
        .shell("true"));
    assert_eq!(outcome.status(), CRASH, "{:?}", outcome.report());
}

#[test]
fn a_module_that_cannot_be_loaded_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("module.ko");
    fs::write(&module, "not a module").unwrap();
    let outcome = run(guest()
        .implementation(Implementation::Rust)
        .module(&module)
        .shell("echo started"));
    assert_eq!(
        outcome.end,
        End::SetUp("the module cannot be loaded".into())
    );
    assert_eq!(outcome.status(), CRASH);
    assert_eq!(text(&outcome.stdout), "");
    assert!(
        text(&outcome.stderr).contains("the kernel refuses the module: ENOEXEC"),
        "{}",
        text(&outcome.stderr)
    );
}

#[test]
fn a_guest_that_hangs_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let outcome = run(guest()
        .log(&log)
        .shell("sleep infinity")
        .time_limit(Duration::from_secs(20)));
    assert_eq!(outcome.end, End::TimeLimit(Duration::from_secs(20)));
    assert_eq!(outcome.status(), TIME_LIMIT);
    assert!(
        outcome
            .report()
            .unwrap()
            .contains("the kernel's log ends with:")
    );
    wait_for("the machine's end", || users_of(&log).is_empty());
}

#[test]
fn the_program_ends_as_its_command_does() {
    let _one = one();
    let output = Command::new(env!("CARGO_BIN_EXE_guest"))
        .args([
            "run",
            "--impl",
            "c",
            "--shell",
            "echo 'one  two'; echo three >&2; exit 3",
        ])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "one  two\n");
    // The first line says what the guest runs on.
    let (machine, rest) = text(&output.stderr).split_once('\n').unwrap();
    assert!(machine.starts_with("guest: 2 CPUs, "), "{machine}");
    assert_eq!(rest, "three\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_signal_ends_the_guest_with_the_program() {
    let _one = one();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut program = Command::new(env!("CARGO_BIN_EXE_guest"))
        .args([
            "run",
            "--impl",
            "c",
            "--log",
            log.to_str().unwrap(),
            "--",
            "sleep",
            "infinity",
        ])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = || fs::read_to_string(&log).is_ok_and(|text| text.contains("the command starts"));
    wait_for("the command's start", started);
    assert!(users_of(&log).len() > 1);
    let id = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let status = program.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15),
        "{status}"
    );
    wait_for("the machine's end", || users_of(&log).is_empty());
}
