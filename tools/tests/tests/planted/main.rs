// SPDX-License-Identifier: GPL-2.0

//! That the debug kernel sees faults, and that what it says of them is taken for a complaint.
//!
//! The faults are in two modules beside this file. One guest makes them all, one after the other:
//! a report names the function that the fault is in, so that each has to have its own.

use std::{path::Path, time::Duration};

use guest::{COMPLAINT, End, Guest, Implementation, Outcome};
use kernel::Config;

/// A fault: which load of which module makes it, what the guest's report has to give as the
/// reason, and words that the kernel's log has to have for it.
struct Fault {
    load: &'static str,
    reason: &'static str,
    words: &'static [&'static str],
}

const FAULTS: &[Fault] = &[
    Fault {
        load: "planted_rust fault=2",
        reason: "kmemleak: a memory leak",
        words: &["new suspected memory leaks"],
    },
    Fault {
        load: "planted_rust fault=3",
        reason: "a task slept in atomic context",
        words: &[
            "BUG: sleeping function called from invalid context at",
            "planted_rust.rs",
        ],
    },
    Fault {
        load: "planted_c fault=rcu_usage",
        reason: "RCU was misused",
        words: &["WARNING: suspicious RCU usage"],
    },
    Fault {
        load: "planted_c fault=preemptible",
        reason: "a CPU's own data were used where a task can move to another CPU",
        words: &["BUG: using smp_processor_id() in preemptible"],
    },
    Fault {
        load: "planted_c fault=undefined_behaviour",
        reason: "UBSAN: undefined behaviour",
        words: &["UBSAN: shift-out-of-bounds in", "planted_c.c"],
    },
    Fault {
        load: "planted_c fault=free_active",
        reason: "a kernel object was misused",
        words: &["ODEBUG: free active"],
    },
    Fault {
        load: "planted_c fault=list",
        reason: "a list is corrupt",
        words: &["list_del corruption"],
    },
    Fault {
        load: "planted_c fault=hung_task",
        reason: "a task hangs",
        words: &["INFO: task planted:"],
    },
    // Lockdep turns itself off once it has found something, and when KASAN has.
    Fault {
        load: "planted_rust fault=4",
        reason: "lockdep: a possible deadlock",
        words: &["WARNING: possible circular locking dependency detected"],
    },
    Fault {
        load: "planted_rust fault=1",
        reason: "KASAN: a bad access to memory",
        words: &["BUG: KASAN: slab-use-after-free in", "use_after_free"],
    },
    Fault {
        load: "planted_c fault=one_after_vmalloc",
        reason: "KASAN: a bad access to memory",
        words: &["BUG: KASAN: vmalloc-out-of-bounds in one_after_vmalloc"],
    },
    Fault {
        load: "planted_c fault=one_after_stack",
        reason: "KASAN: a bad access to memory",
        words: &["BUG: KASAN: stack-out-of-bounds in one_after_stack"],
    },
];

fn run(modules: &Path, script: &str) -> Outcome {
    Guest::builder()
        .config(Config::Debug)
        .implementation(Implementation::None)
        .directory(modules)
        .append("kasan_multi_shot")
        .time_limit(Duration::from_secs(600))
        .shell(script)
        .run()
        .unwrap()
}

fn modules() -> std::path::PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted");
    kernel::module::build_others(&source, Config::Debug).unwrap()
}

#[test]
fn each_fault_is_seen() {
    let mut script = String::from("set -e; echo 5 >/proc/sys/kernel/hung_task_timeout_secs\n");
    for fault in FAULTS {
        let module = fault.load.split(' ').next().unwrap();
        script += &format!(
            "echo '<5>planted: {load}' >/dev/kmsg; insmod {}; rmmod {module}\n",
            fault.load.replacen(' ', ".ko ", 1),
            load = fault.load,
        );
    }
    // The leak is the one fault that nobody sees who does not look for it.
    script += &format!("! {} leaks\n", env!("CARGO_BIN_EXE_suite"));
    let outcome = run(&modules(), &script);
    let log = outcome.log.text();
    assert_eq!(outcome.end, End::Command(0), "{log}");
    assert_eq!(outcome.status(), COMPLAINT);
    let missing: Vec<_> = FAULTS
        .iter()
        .filter(|fault| {
            let complained = outcome.complaints.iter().any(|complaint| {
                complaint.reason == fault.reason && complaint.line.contains(fault.words[0])
            });
            !complained || !fault.words.iter().all(|word| log.contains(word))
        })
        .map(|fault| fault.load)
        .collect();
    assert!(missing.is_empty(), "nobody saw {missing:?}:\n{log}");
    // The module is gone, so that the kernel has no name for where in it that was.
    let found = String::from_utf8_lossy(&outcome.stdout);
    let objects = found.matches("unreferenced object").count();
    assert!(
        objects >= 10 && found.contains("comm \"insmod\"") && found.contains("07 00 00 00"),
        "{found}"
    );
}
