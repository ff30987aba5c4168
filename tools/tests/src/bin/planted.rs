// SPDX-License-Identifier: GPL-2.0

//! That the debug kernel sees faults, and that what it says of them is taken for a complaint.
//!
//! The faults are in two modules, in the folder `planted` of this package. One guest makes them
//! all, one after the other: what is said of each tells them apart.

use std::{env, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, ensure};
use clap::Parser;
use guest::{COMPLAINT, Complaint, End, Guest, Implementation, Outcome};
use kbuild::{Config, Project};
use libtest_mimic::Trial;

/// Plants faults in a guest on the debug kernel, each of which has to be seen.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    harness: libtest_mimic::Arguments,
}

/// A fault: which load of which module makes it, what the guest's report has to give as the
/// reason, and words that the kernel's log has to have for it, first of the line complained of.
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
            "sleep_in_atomic_context",
        ],
    },
    Fault {
        load: "planted_c fault=unaccounted_allocation",
        reason: "an allocation has no place that it is accounted to",
        words: &["alloc_tag not set"],
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

impl Fault {
    /// Whether the guest's report says of a line that it is about this one.
    fn is_of(&self, complaint: &Complaint) -> bool {
        complaint.reason == self.reason && complaint.line.contains(self.words[0])
    }

    fn check(&self, outcome: &Outcome) -> anyhow::Result<()> {
        ensure!(
            outcome.complaints.iter().any(|line| self.is_of(line)),
            "nobody complained of {:?}: {:?}",
            self.words[0],
            outcome.complaints
        );
        for words in self.words {
            ensure!(
                outcome.log.text().contains(words),
                "the log does not say {words:?}"
            );
        }
        Ok(())
    }
}

/// Makes all faults in one guest.
fn plant() -> anyhow::Result<Outcome> {
    let source = Project::find()?.top().join("tools/tests/planted");
    let modules = kbuild::module::build_others(&source, Config::Debug)?;
    let suite = env::current_exe()?.with_file_name("suite");
    Guest::builder()
        .config(Config::Debug)
        .implementation(Implementation::None)
        .directory(modules)
        // KASAN otherwise reports once, and is silent.
        .append("kasan_multi_shot")
        .shell(script(&suite)?)
        .run()
}

fn script(suite: &Path) -> anyhow::Result<String> {
    let mut script = String::from("set -e; echo 5 >/proc/sys/kernel/hung_task_timeout_secs\n");
    for fault in FAULTS {
        let (module, parameter) = fault.load.split_once(' ').context("no parameter")?;
        script += &format!(
            "echo '<5>planted: {module} {parameter}' >/dev/kmsg\n\
             insmod {module}.ko {parameter}; rmmod {module}\n"
        );
    }
    // A leak is the one fault that nobody sees who does not look for it.
    let suite = suite.to_str().context("the suite's path is not UTF-8")?;
    script += &format!("! '{suite}' leaks\n");
    Ok(script)
}

/// What holds of all of them together.
fn check(outcome: &Outcome) -> anyhow::Result<()> {
    let report = || outcome.report().unwrap_or_default();
    ensure!(
        outcome.end == End::Command(0),
        "{:?}\n{}",
        outcome.end,
        report()
    );
    ensure!(
        outcome.status() == COMPLAINT,
        "the guest ends with {}, as if nothing had been wrong",
        outcome.status()
    );
    // The module is gone, so that the kernel has no names for where in it that was.
    let found = String::from_utf8_lossy(&outcome.stdout);
    let objects = found.matches("unreferenced object").count();
    ensure!(
        objects >= 10 && found.contains("comm \"insmod\"") && found.contains("07 00 00 00"),
        "the leak is not what was found: {found}"
    );
    Ok(())
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::parse().harness;
    guest::kill_guests_on_signals()?;
    let outcome = Arc::new(plant()?);
    let failed = |error: anyhow::Error| format!("{error:#}").into();
    let mut trials: Vec<_> = FAULTS
        .iter()
        .map(|fault| {
            let outcome = Arc::clone(&outcome);
            Trial::test(fault.load, move || fault.check(&outcome).map_err(failed))
        })
        .collect();
    trials.push(Trial::test("all together", move || {
        check(&outcome).map_err(failed)
    }));
    arguments.test_threads = Some(1);
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
