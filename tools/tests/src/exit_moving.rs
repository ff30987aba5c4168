// SPDX-License-Identifier: GPL-2.0

//! The fields of an exit record that cannot be equal in two runs of the same workload.
//!
//! They are not skipped: each is held against what the parent knows of the task, against `wait4`'s
//! report, or against the other fields of the same record.

use taskstats_client::{
    record::{Field, Taskstats, Timespec},
    uapi::{ACORE, AFORK},
};

use crate::{
    exit::{COMPUTED_US, Report},
    kernel_config, pace,
};

/// A record and what is known of the task.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The record.
    pub record: &'a Taskstats,
    /// What the parent reported.
    pub report: &'a Report,
    /// Where the record is a process's: the records of all its tasks.
    pub tasks: &'a [&'a Taskstats],
}

/// Fields that move, and what holds of them all the same.
pub struct Rule {
    /// Their names.
    pub fields: &'static [&'static str],
    /// Why they move.
    pub reason: &'static str,
    /// What holds, in words.
    pub says: &'static str,
    /// What holds.
    holds: fn(Known<'_>) -> bool,
}

/// A tick, by which user and system time are counted, at the slowest `CONFIG_HZ`.
const TICK_US: u64 = 10_000;

/// What can pass between a task's two readings of the clock, on a machine that is emulated and busy.
const SLACK_US: u64 = 20_000;

/// Rules for a task's record.
pub const TASK: &[Rule] = &[
    Rule {
        fields: &["ac_pid", "ac_tgid", "ac_ppid"],
        reason: "each run has new ids",
        says: "the task is one of the process's, and the process the parent's",
        holds: |it| {
            let pid = it.record.ac_pid;
            it.report.tasks.iter().any(|(_, other)| *other == pid)
                && it.record.ac_tgid == it.report.process
                && it.record.ac_ppid == it.report.parent
        },
    },
    Rule {
        fields: &["ac_etime", "ac_tgetime"],
        reason: "ktime_get_ns() minus the start of the task and of the leader",
        says: "between what was computed and what the parent waited; equal for a leader",
        holds: |it| {
            let (task, process) = (it.record.ac_etime, it.record.ac_tgetime);
            let leader = it.record.ac_pid == it.record.ac_tgid;
            (COMPUTED_US..=lifetime_us(it.report)).contains(&process)
                && task > 0
                && if leader {
                    task == process
                } else {
                    task <= process
                }
        },
    },
    Rule {
        fields: &["ac_btime", "ac_btime64"],
        reason: "real seconds minus elapsed seconds, both rounded down",
        says: "plus ac_etime they are the time of the exit",
        holds: |it| {
            let elapsed_s = it.record.ac_etime / 1_000_000;
            let exited_s = (it.record.ac_btime64 + elapsed_s) as i64;
            u64::from(it.record.ac_btime) == it.record.ac_btime64
                && (it.report.begun.real_s..=it.report.ended.real_s).contains(&exited_s)
        },
    },
    Rule {
        fields: &[
            "ac_utime",
            "ac_stime",
            "ac_utimescaled",
            "ac_stimescaled",
            "cpu_run_real_total",
            "cpu_scaled_run_real_total",
        ],
        reason: "counted by the tick",
        says: "add up to cpu_run_real_total, which is read first, or there was a tick between; scaled by \
               nothing; no more than the time there was",
        holds: |it| {
            let sum = it.record.ac_utime + it.record.ac_stime;
            agree_but_for_a_tick(it.record)
                && scaled_by_nothing(it.record.ac_utime, it.record.ac_utimescaled, 1)
                && scaled_by_nothing(it.record.ac_stime, it.record.ac_stimescaled, 1)
                && scaled_run_by_nothing(it.record)
                && sum <= lifetime_us(it.report) + TICK_US
        },
    },
    Rule {
        fields: &["cpu_run_virtual_total"],
        reason: "measured by the scheduler's clock",
        says: "no more than wait4 reports, no less than was computed",
        holds: |it| {
            let used_us = it.record.cpu_run_virtual_total / 1_000;
            let leader = it.record.ac_pid == it.record.ac_tgid;
            used_us <= it.report.usage.time_us + 1 && (!leader || used_us >= COMPUTED_US)
        },
    },
    Rule {
        fields: &["nvcsw", "nivcsw"],
        reason: "depend on what else the CPU has to do",
        says: "no more than wait4 reports",
        holds: |it| {
            it.record.nvcsw <= it.report.usage.voluntary
                && it.record.nivcsw <= it.report.usage.involuntary
        },
    },
    Rule {
        fields: &["ac_minflt", "ac_majflt"],
        reason: "depend on what the page cache holds",
        says: "no more than wait4 reports",
        holds: |it| {
            it.record.ac_minflt <= it.report.usage.minor_faults
                && it.record.ac_majflt <= it.report.usage.major_faults
        },
    },
    Rule {
        fields: &["hiwater_rss", "hiwater_vm"],
        reason: "resident memory is counted per CPU, and addresses are random",
        says: "resident no more than wait4 reports, and less than virtual",
        holds: |it| {
            let resident = it.record.hiwater_rss;
            resident > 0 && resident <= it.report.usage.resident && resident < it.record.hiwater_vm
        },
    },
    Rule {
        fields: &["coremem", "virtmem"],
        reason: "memory over time that is counted by the tick",
        says: "no more than the most memory over all of the time, of what was before exec too",
        holds: |it| {
            // A tick can come between the times and the memory.
            let time_us = u128::from(it.record.ac_utime + it.record.ac_stime + TICK_US);
            let most = |kib: u64| (u128::from(kib) * time_us).div_ceil(1_000) + 1;
            it.record.coremem <= it.record.virtmem
                && u128::from(it.record.coremem) <= most(it.report.usage.resident)
                && (it.record.ac_flag & AFORK == 0
                    || u128::from(it.record.virtmem) <= most(it.record.hiwater_vm))
        },
    },
    Rule {
        fields: DELAYS,
        reason: "waiting depends on what else there is to do",
        says: "as long as the task lived at most, but for blkio; count, total, maximum, minimum and \
               moment agree",
        holds: |it| {
            KINDS.iter().all(|kind| {
                let delay = Delay::of(kind, it.record);
                let count_is_of_waits = *kind != "cpu";
                delay.agrees(count_is_of_waits)
                    // A wait for I/O of which the kernel missed the begin counts from the boot on.
                    && (*kind == "blkio" || delay.total / 1_000 <= it.record.ac_etime)
                    && delay.moment_within(it.report)
            })
        },
    },
];

/// Further rules for the record of a task that dumped core.
pub const DUMPED: &[Rule] = &[Rule {
    fields: &["write_char"],
    reason: "the core has the pages that were there, which random addresses change",
    says: "something, and no more than the task's memory",
    holds: |it| {
        let most = it.record.hiwater_vm << 10;
        (1..=most).contains(&it.record.write_char) && it.record.write_char & 0x3ff == 0
    },
}];

/// Rules for a process's record.
pub const PROCESS: &[Rule] = &[
    Rule {
        fields: &["ac_etime"],
        reason: "the sum of what each of its tasks lived, taken before that task's own record",
        says: "the sum of the tasks' records, or a little less",
        holds: |it| sums_up(it, |record| record.ac_etime, pace::slack(SLACK_US)),
    },
    Rule {
        fields: &[
            "ac_utime",
            "ac_stime",
            "cpu_run_real_total",
            "cpu_scaled_run_real_total",
            "cpu_run_virtual_total",
        ],
        reason: "the sum of what each of its tasks used, taken before that task's own record",
        says: "the sum of the tasks' records, or some ticks less",
        holds: |it| {
            let tick_us = pace::slack(TICK_US);
            sums_up(it, |record| record.ac_utime, tick_us)
                && sums_up(it, |record| record.ac_stime, tick_us)
                && sums_up(it, |record| record.cpu_run_real_total, tick_us * 1_000)
                && sums_up(it, |record| record.cpu_run_virtual_total, tick_us * 1_000)
                && scaled_run_by_nothing(it.record)
        },
    },
    Rule {
        fields: &["nvcsw", "nivcsw"],
        reason: "the sum over its tasks",
        says: "the sum of the tasks' records, or one less for each",
        holds: |it| {
            let one = pace::slack(1);
            sums_up(it, |record| record.nvcsw, one) && sums_up(it, |record| record.nivcsw, one)
        },
    },
    Rule {
        fields: DELAYS,
        reason: "the sum over its tasks; maximum, minimum and moment are the last task's",
        says: "the sum of the tasks' records; the last task's maximum, minimum and moment",
        holds: |it| {
            KINDS.iter().all(|kind| {
                let own = Delay::of(kind, it.record);
                let slack = if *kind == "cpu" { pace::slack(1) } else { 0 };
                let slack_ns = pace::slack(SLACK_US) * 1_000;
                sums_up(it, |record| Delay::of(kind, record).count, slack)
                    && sums_up(it, |record| Delay::of(kind, record).total, slack_ns)
                    && last(it.tasks).any(|last| {
                        let last = Delay::of(kind, last);
                        // The last task may have waited longer once more before its own record.
                        (own.max, own.min, own.moment) == (last.max, last.min, last.moment)
                            || (*kind == "cpu" && own.max <= last.max)
                    })
            })
        },
    },
];

/// The kinds of delays that are seen to move: there is no swap, and memory is plenty.
const KINDS: &[&str] = &["cpu", "blkio", "wpcopy", "thrashing"];

/// The fields of [`KINDS`].
const DELAYS: &[&str] = &[
    "cpu_count",
    "cpu_delay_total",
    "cpu_delay_max",
    "cpu_delay_min",
    "cpu_delay_max_ts",
    "blkio_count",
    "blkio_delay_total",
    "blkio_delay_max",
    "blkio_delay_min",
    "blkio_delay_max_ts",
    "wpcopy_count",
    "wpcopy_delay_total",
    "wpcopy_delay_max",
    "wpcopy_delay_min",
    "wpcopy_delay_max_ts",
    "thrashing_count",
    "thrashing_delay_total",
    "thrashing_delay_max",
    "thrashing_delay_min",
    "thrashing_delay_max_ts",
];

/// The fields of a record about one kind of delay.
#[derive(Clone, Copy, Debug)]
struct Delay {
    count: u64,
    total: u64,
    max: u64,
    min: u64,
    moment: Timespec,
}

impl Delay {
    fn of(kind: &str, record: &Taskstats) -> Self {
        match kind {
            "cpu" => Self {
                count: record.cpu_count,
                total: record.cpu_delay_total,
                max: record.cpu_delay_max,
                min: record.cpu_delay_min,
                moment: record.cpu_delay_max_ts,
            },
            "blkio" => Self {
                count: record.blkio_count,
                total: record.blkio_delay_total,
                max: record.blkio_delay_max,
                min: record.blkio_delay_min,
                moment: record.blkio_delay_max_ts,
            },
            "wpcopy" => Self {
                count: record.wpcopy_count,
                total: record.wpcopy_delay_total,
                max: record.wpcopy_delay_max,
                min: record.wpcopy_delay_min,
                moment: record.wpcopy_delay_max_ts,
            },
            _ => Self {
                count: record.thrashing_count,
                total: record.thrashing_delay_total,
                max: record.thrashing_delay_max,
                min: record.thrashing_delay_min,
                moment: record.thrashing_delay_max_ts,
            },
        }
    }

    /// Whether count, total, maximum and minimum can be of the same waits. A task can get a CPU
    /// without having waited.
    fn agrees(self, count_is_of_waits: bool) -> bool {
        let none = self.total == 0 && self.max == 0 && self.moment == Timespec::default();
        if self.count == 0 {
            return none && self.min == 0;
        }
        let waits = u128::from(self.count);
        let some = self.max <= self.total
            && self.min <= self.max
            && u128::from(self.total) <= waits * u128::from(self.max)
            && (!count_is_of_waits || u128::from(self.min) * waits <= u128::from(self.total));
        none || some
    }

    /// Whether the longest wait ended during the task's life.
    fn moment_within(self, report: &Report) -> bool {
        let within = report.begun.real_s - 1..=report.ended.real_s + 1;
        self.moment == Timespec::default() || within.contains(&self.moment.tv_sec)
    }
}

/// Whether a record's sums of user and system time agree: a tick can come between them.
pub fn agree_but_for_a_tick(record: &Taskstats) -> bool {
    let sum = record.ac_utime + record.ac_stime;
    let earlier = record.cpu_run_real_total / 1_000;
    (earlier.saturating_sub(1)..=earlier + pace::slack(TICK_US)).contains(&sum)
}

/// Whether a time is the same scaled, which is read after it, with no tick between. Where CPU time
/// moves without a tick, it moves between the two.
fn scaled_by_nothing(time: u64, scaled: u64, per_us: u64) -> bool {
    let moved = match kernel_config::cpu_time_is_exact() {
        true => pace::slack(TICK_US) * per_us,
        false => 0,
    };
    (time..=time + moved).contains(&scaled)
}

fn scaled_run_by_nothing(record: &Taskstats) -> bool {
    scaled_by_nothing(
        record.cpu_run_real_total,
        record.cpu_scaled_run_real_total,
        1_000,
    )
}

/// The task that was last to be added to its process: the one whose record came last. On the debug
/// kernel one can overtake the other between the two.
fn last<'a>(tasks: &'a [&'a Taskstats]) -> impl Iterator<Item = &'a Taskstats> {
    let candidates = if kernel_config::is_debug() {
        tasks.len()
    } else {
        1
    };
    tasks.iter().rev().take(candidates).copied()
}

/// Whether a field of a process's record is the sum of its tasks' records, less `slack` each.
///
/// Who is the last of a process is known before any of the last ones is added to the sum
/// (`do_exit()`), so the last one's record of the process can lack those that it overtakes. That is
/// rare, but for the debug kernel.
fn sums_up(it: Known<'_>, value: impl Fn(&Taskstats) -> u64, slack: u64) -> bool {
    let values = it.tasks.iter().map(|task| value(task));
    let sum: u64 = values.clone().sum();
    let least = if kernel_config::is_debug() {
        values.min().unwrap_or_default()
    } else {
        sum
    };
    let least = least.saturating_sub(slack * it.tasks.len() as u64);
    (least..=sum).contains(&value(it.record))
}

fn lifetime_us(report: &Report) -> u64 {
    let ns = report.ended.monotonic_ns - report.begun.monotonic_ns;
    ns.unsigned_abs() / 1_000 + 1
}

/// The rules for a task's or a process's record.
pub fn rules(record: &Taskstats, process: bool) -> impl Iterator<Item = &'static Rule> {
    let dumped = !process && record.ac_flag & ACORE != 0;
    let first = if process { PROCESS } else { TASK };
    first.iter().chain(if dumped { DUMPED } else { &[] })
}

/// Whether a field of this record is under a rule, so that it is not to be equal.
pub fn moves(field: &Field, record: &Taskstats, process: bool) -> bool {
    rules(record, process).any(|rule| rule.fields.contains(&field.name))
}

/// The rules that a record breaks, with the values.
pub fn broken(known: Known<'_>, process: bool) -> Vec<String> {
    rules(known.record, process)
        .filter(|rule| !(rule.holds)(known))
        .map(|rule| {
            let values = |record: &Taskstats| {
                let fields = rule.fields.iter().filter_map(|name| Field::named(name));
                let shown = fields.map(|field| format!("{} {}", field.name, field.show(record)));
                shown.collect::<Vec<_>>().join(", ")
            };
            let tasks: Vec<_> = known.tasks.iter().map(|task| values(task)).collect();
            format!(
                "not so: {} ({})\n    {}\n    tasks: {tasks:#?}\n    {:?}",
                rule.says,
                rule.reason,
                values(known.record),
                known.report
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::in_process;

    #[test]
    fn every_rule_is_about_fields() {
        for (rules, process) in [(TASK, false), (DUMPED, false), (PROCESS, true)] {
            for name in rules.iter().flat_map(|rule| rule.fields) {
                let field = Field::named(name);
                assert!(field.is_some(), "{name}");
                assert!(!process || field.is_some_and(in_process), "{name}");
            }
        }
    }

    #[test]
    fn delays_that_do_not_agree_are_seen() {
        let moment = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let delay = |count, total, max, min| Delay {
            count,
            total,
            max,
            min,
            moment,
        };
        assert!(delay(2, 30, 20, 10).agrees(true));
        assert!(!delay(0, 30, 20, 10).agrees(true));
        assert!(!delay(2, 10, 20, 10).agrees(true));
        assert!(!delay(2, 50, 20, 10).agrees(true));
        assert!(!delay(2, 30, 20, 25).agrees(true));
        assert!(!delay(4, 30, 20, 10).agrees(true));
        assert!(delay(4, 30, 20, 10).agrees(false));
    }
}
