// SPDX-License-Identifier: GPL-2.0
//! What the kernel's log says when something is wrong.

use std::{fmt, sync::LazyLock};

use regex::RegexSet;

/// Patterns of the kernel's complaints, each with what it means. The first that matches gives the
/// reason.
///
/// They follow `lib/`, `mm/` and `kernel/` of Linux 7.3. All are case-sensitive: the kernel's own
/// boot messages name `kasan`, `oops` and the like in lower case.
const RULES: &[(&str, &str)] = &[
    // The end of the kernel.
    (r"Kernel panic", "the kernel panicked"),
    (r"kernel BUG at", "an assertion of the kernel failed"),
    (r"\bOops\b", "the kernel faulted"),
    (r"general protection fault[,:]", "the kernel faulted"),
    (
        r"[Uu]nable to handle (kernel|page fault)",
        "the kernel faulted",
    ),
    (r"stack-protector:", "a kernel stack was overwritten"),
    (r"stack guard page was hit", "a kernel stack overflowed"),
    (
        r"Fixing recursive fault",
        "the kernel faulted while it handled a fault",
    ),
    (
        r"exited with (preempt_count|irqs disabled)",
        "a task died inside a critical section",
    ),
    (r"panicked at", "Rust code in the kernel panicked"),
    // Sanitizers.
    (r"KASAN:", "KASAN: a bad access to memory"),
    (r"KFENCE:", "KFENCE: a bad access to memory"),
    (r"KMSAN:", "KMSAN: a use of uninitialised memory"),
    (r"KCSAN:", "KCSAN: a data race"),
    (r"UBSAN:", "UBSAN: undefined behaviour"),
    (
        r"unreferenced object|[1-9][0-9]* new suspected memory leaks",
        "kmemleak: a memory leak",
    ),
    (
        r"kmemleak: (Cannot|Memory pool empty|Kernel memory leak detector disabled)",
        "kmemleak turned itself off",
    ),
    (r"ODEBUG:", "a kernel object was misused"),
    // Locking.
    (
        r"possible (circular|recursive) locking|possible irq lock inversion",
        "lockdep: a possible deadlock",
    ),
    (
        r"inconsistent lock state",
        "lockdep: a lock is taken in conflicting contexts",
    ),
    (
        r"lock order detected|bad unlock balance|bad contention|held lock freed|Nested lock was not taken",
        "lockdep: a lock was misused",
    ),
    (
        r"lock held when returning|still has locks held",
        "lockdep: a lock was not released",
    ),
    (r"Invalid wait context", "lockdep: a lock was misused"),
    (
        r"trying to register non-static key",
        "lockdep: a lock was not initialised",
    ),
    (
        r"turning off the locking correctness validator",
        "lockdep turned itself off",
    ),
    (r"DEBUG_LOCKS_WARN_ON", "a lock was misused"),
    (
        r"suspicious RCU usage|RCU used illegally",
        "RCU was misused",
    ),
    (
        r"within RCU read-side critical section",
        "a task slept inside an RCU section",
    ),
    (
        r"sleeping function called from invalid context",
        "a task slept in atomic context",
    ),
    (
        r"scheduling (while atomic|in a non-blocking section|from the idle thread)",
        "a task slept in atomic context",
    ),
    (
        r"using \S+\(\) in preemptible",
        "a CPU's own data were used where a task can move to another CPU",
    ),
    // Tasks and CPUs that make no progress.
    (r"blocked (in I/O wait )?for more than", "a task hangs"),
    (
        r"self-detected stall|detected (expedited )?stalls?\b|kthread starved",
        "RCU: a CPU makes no progress",
    ),
    (
        r"soft lockup|hard LOCKUP|workqueue lockup",
        "a CPU makes no progress",
    ),
    // Data structures and memory.
    (r"refcount_t:", "a reference count went wrong"),
    (
        r"list_(add|del) (corruption|double add)",
        "a list is corrupt",
    ),
    (
        r"[Ss]lab corruption|\bBUG \S+ .*\((Not tainted|Tainted)",
        "an object of a slab is corrupt",
    ),
    (
        r"Bad (page state|page map|rss-counter)",
        "the state of a page is bad",
    ),
    (
        r"alloc_tag (was )?not (set|cleared)",
        "an allocation has no place that it is accounted to",
    ),
    (
        r"page allocation failure|Unable to allocate memory on",
        "the kernel ran out of memory",
    ),
    (
        r"invoked oom-killer|Out of memory:",
        "the kernel ran out of memory",
    ),
    (
        r"cannot create duplicate filename|kobject_add_internal failed",
        "a name was registered twice",
    ),
    (
        r"unregister_netdevice: waiting for",
        "a network device is still in use",
    ),
    (r"nobody cared", "an interrupt has no handler"),
    // In-kernel tests, in TAP: a skipped test is a failed test.
    (r"(^|\] )\s*not ok [0-9]+", "a KUnit test failed"),
    (r"(^|\] )\s*ok [0-9]+ .*# SKIP", "a KUnit test was skipped"),
    // What every report has, for those that have no line above.
    (r"\bBUG:", "a bug in the kernel"),
    (r"WARNING:", "a warning of the kernel"),
    (r"RIP:", "a register dump"),
    (r"Call Trace:", "a stack dump"),
    (r"-\[ cut here \]-|-\[ end trace", "a report of the kernel"),
];

/// Lines that quote words from outside, and so are no complaints whatever they contain.
const HARMLESS: &[(&str, &str)] = &[
    (r"Kernel command line: ", "quotes the command line"),
    (
        r"Unknown kernel command line parameters",
        "quotes the command line",
    ),
];

static COMPLAINTS: LazyLock<RegexSet> = LazyLock::new(|| set(RULES));
static EXCEPTIONS: LazyLock<RegexSet> = LazyLock::new(|| set(HARMLESS));

fn set(rules: &[(&str, &str)]) -> RegexSet {
    RegexSet::new(rules.iter().map(|(pattern, _)| pattern)).expect("the patterns are constants")
}

/// One line of the kernel's log that says that something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line's number in the log, from 1.
    pub number: usize,
    /// The line.
    pub line: String,
    /// What it means.
    pub reason: &'static str,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.number, self.reason, self.line)
    }
}

/// Says what is wrong if the line is a complaint of the kernel.
pub fn reason(line: &str) -> Option<&'static str> {
    let rule = COMPLAINTS.matches(line).iter().next()?;
    (!EXCEPTIONS.is_match(line)).then_some(RULES[rule].1)
}

/// Finds all complaints in a kernel's log.
pub fn scan(log: &str) -> Vec<Complaint> {
    log.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let reason = reason(line)?;
            Some(Complaint {
                number: index + 1,
                line: line.trim_end().to_owned(),
                reason,
            })
        })
        .collect()
}

/// Lines shown around a complaint.
const BEFORE: usize = 3;
const AFTER: usize = 12;
/// Lines shown of all complaints together: the rest is in the log.
const MOST: usize = 120;

/// The log's lines around the complaints, the complaints themselves marked with `>`.
pub fn excerpt(log: &str, complaints: &[Complaint]) -> String {
    let mut text = String::new();
    let (mut shown, mut last) = (0, 0);
    for (index, line) in log.lines().enumerate() {
        let number = index + 1;
        let near = complaints
            .iter()
            .any(|c| c.number <= number + BEFORE && number <= c.number + AFTER);
        if !near {
            continue;
        }
        if shown == MOST {
            text.push_str("  ...\n");
            break;
        }
        if shown > 0 && last + 1 != number {
            text.push_str("  ...\n");
        }
        let mark = if complaints.iter().any(|c| c.number == number) {
            '>'
        } else {
            ' '
        };
        text.push_str(&format!("{mark} {}\n", line.trim_end()));
        (shown, last) = (shown + 1, number);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_reports_are_complaints() {
        for line in [
            "[    1.234567] BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "[    1.234567] BUG: sleeping function called from invalid context at mm/slub.c:100",
            "[    1.234567] BUG: scheduling while atomic: insmod/77/0x00000002",
            "[    1.234567] BUG: KASAN: slab-use-after-free in taskstats_exit+0x10/0x20",
            "[    1.234567] BUG kmalloc-64 (Not tainted): Poison overwritten",
            "[    1.234567] BUG task_struct(12:a) (Tainted: G    B      O       ): Object padding overwritten",
            "[    1.234567] kernel BUG at mm/slub.c:4000!",
            "[    1.234567] Oops: general protection fault, maybe for address 0x0: 0000 [#1] SMP",
            "[    1.234567] Oops: 0002 [#1] SMP NOPTI",
            "[    1.234567] RIP: 0010:init_module+0x5/0x10 [rust_taskstats]",
            "[    1.234567] Call Trace:",
            "[    1.234567] WARNING: kernel/taskstats.c:80 at taskstats_exit+0x1/0x2, CPU#1: sh/90",
            "[    1.234567] WARNING: possible circular locking dependency detected",
            "[    1.234567] WARNING: suspicious RCU usage",
            "[    1.234567] WARNING: inconsistent lock state",
            "[    1.234567] INFO: trying to register non-static key.",
            "[    1.234567] INFO: task insmod:77 blocked for more than 120 seconds.",
            "[    1.234567] rcu: INFO: rcu_preempt self-detected stall on CPU",
            "[    1.234567] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "[    1.234567] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:90]",
            "[    1.234567] watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0",
            "[    1.234567] UBSAN: shift-out-of-bounds in a.c:1:2",
            "[    1.234567] refcount_t: underflow; use-after-free.",
            "[    1.234567] list_add corruption. next->prev should be prev",
            "[    1.234567] list_del corruption, 0->next is LIST_POISON1",
            "[    1.234567] insmod: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)",
            "[    1.234567] tail invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0",
            "[    1.234567] rust_kernel: panicked at rust/query.rs:10:5:",
            "[    1.234567] kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "unreferenced object 0xffff888003f0a000 (size 64):",
            "[    1.234567] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
            "[    1.234567]     not ok 3 a_test",
            "[    1.234567][    T9] not ok 1 a_suite",
            "[    1.234567]     ok 2 a_test # SKIP not here",
            "[    1.234567] note: insmod[77] exited with preempt_count 1",
            "[    1.234567] ---[ end trace 0000000000000000 ]---",
        ] {
            assert!(reason(line).is_some(), "{line}");
        }
    }

    #[test]
    fn a_healthy_log_has_no_complaints() {
        for line in [
            "[    0.000000] Command line: console=ttyS0 oops=panic panic=-1",
            "[    0.000000] Kernel command line: console=ttyS0 x=BUG: oops=panic",
            "[    0.000000] kasan: KernelAddressSanitizer initialized",
            "[    0.000000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)",
            "[    0.000000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
            "[    0.000000] rcu: \tRCU debug extended QS entry/exit.",
            "[    0.100000]     ok 3 a_test",
            "[    0.100000] # a_suite: pass:3 fail:0 skip:0 total:3",
            "[    1.234567] traps: client[90] general protection fault ip:401000 sp:7ffe error:0",
            "[    1.234567] loading out-of-tree module taints kernel.",
            "[    1.234567] netlink: 'client': attribute type 1 has an invalid length.",
            "[    1.234567] reboot: Power down",
        ] {
            assert_eq!(reason(line), None, "{line}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_gives_the_reason() {
        let complaints = scan("[ 0.1] all is well\n[ 0.2] BUG: KASAN: double-free in a+0x1\r\n");
        assert_eq!(
            complaints,
            [Complaint {
                number: 2,
                line: "[ 0.2] BUG: KASAN: double-free in a+0x1".into(),
                reason: "KASAN: a bad access to memory"
            }]
        );
    }

    #[test]
    fn an_excerpt_shows_each_line_once_and_its_surroundings() {
        let mut lines: Vec<String> = (1..=100).map(|n| format!("line {n}")).collect();
        lines[49] = "BUG: one".into();
        lines[51] = "BUG: two".into();
        lines[99] = "BUG: three".into();
        let log = lines.join("\n");
        let text = excerpt(&log, &scan(&log));
        let expected: Vec<String> = (47..=64)
            .map(|n| match n {
                50 => "> BUG: one".into(),
                52 => "> BUG: two".into(),
                n => format!("  line {n}"),
            })
            .chain(["  ...".into()])
            .chain((97..=99).map(|n| format!("  line {n}")))
            .chain(["> BUG: three".into()])
            .collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
