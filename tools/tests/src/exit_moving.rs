// SPDX-License-Identifier: GPL-2.0

//! The fields of an exit record that cannot be equal in two runs of the same workload.
//!
//! They are not skipped: each is held against what the task knew of itself before it ended, what
//! `wait4` reported of it afterwards, or the other fields of the same record. These are bounds that
//! hold however slow or busy the machine is: counters only grow, and whatever is read later is at
//! least as large.

use taskstats::{
    record::{Field, Taskstats, Timespec},
    uapi::{ACORE, AFORK},
};

use crate::{
    exit::{COMPUTED_US, Report},
    kernel_config,
    thread_usage::ThreadUsage,
};

/// A record and what is known of the task.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The record.
    pub record: &'a Taskstats,
    /// What the parent reported.
    pub report: &'a Report,
    /// Where the record is a process's: the records of all its tasks, that of the one that left it
    /// dead last.
    pub tasks: &'a [&'a Taskstats],
    /// Whether the tasks ended one after the other. Otherwise one that ended can have been
    /// preempted before it was added to its process, and the process's record lacks it: who is the
    /// last is decided before (`do_exit()`).
    pub one_by_one: bool,
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

/// By how much the time that is counted by ticks can exceed the time that passed: the first tick
/// belongs to the time before, and one that came late is followed by one that comes in time.
pub const TICKS_US: u64 = 2 * TICK_US;

/// How much resident memory the counters of all CPUs can hide: a counter of a CPU is added to the
/// total when it reaches 32 pages (`percpu_counter_batch`), and there are three kinds of pages. Two
/// readings on two CPUs can be off in both directions.
const RESIDENT_KIB: u64 = 3 * 32 * 4 * 2 * 2;

/// Rules for a task's record.
pub const TASK: &[Rule] = &[
    Rule {
        fields: &["ac_pid", "ac_tgid", "ac_ppid"],
        reason: "each run has new ids",
        says: "the task is one of the process's, and the process the parent's",
        holds: |it| {
            let pid = it.record.ac_pid;
            it.report.task(pid).is_some()
                && it.record.ac_tgid == it.report.process
                && it.record.ac_ppid == it.report.parent
        },
    },
    Rule {
        fields: &["ac_etime", "ac_tgetime"],
        reason: "ktime_get_ns() minus the start of the task and of the leader",
        says: "between what the task knew and what the parent waited; equal for a leader",
        holds: |it| {
            let (task, process) = (it.record.ac_etime, it.record.ac_tgetime);
            let leader = it.record.ac_pid == it.record.ac_tgid;
            (it.used().elapsed_us.max(1)..=process).contains(&task)
                && process <= lifetime_us(it.report)
                && (!leader || task == process)
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
        says: "what is read later is no less: cpu_run_real_total, the same scaled, user and system \
               time, these scaled; no more than the time there was",
        holds: |it| {
            let it_was = it.record.ac_utime + it.record.ac_stime;
            let scaled = it.record.ac_utimescaled + it.record.ac_stimescaled;
            let total_us = it.record.cpu_scaled_run_real_total / 1_000;
            it.record.cpu_run_real_total <= it.record.cpu_scaled_run_real_total
                // Two roundings to microseconds against one.
                && total_us <= it_was + 1
                && it.record.ac_utime <= it.record.ac_utimescaled
                && it.record.ac_stime <= it.record.ac_stimescaled
                && scaled <= lifetime_us(it.report) + TICKS_US
        },
    },
    Rule {
        fields: &["cpu_run_virtual_total"],
        reason: "measured by the scheduler's clock",
        says: "no less than the task knew, no more than wait4 reports; of a leader, no less than \
               was computed",
        holds: |it| {
            let used_ns = it.record.cpu_run_virtual_total;
            let leader = it.record.ac_pid == it.record.ac_tgid;
            it.used().cpu_ns <= used_ns
                && used_ns / 1_000 <= it.report.usage.time_us + 1
                && (!leader || used_ns >= COMPUTED_US * 1_000)
        },
    },
    Rule {
        fields: &["nvcsw", "nivcsw"],
        reason: "depend on what else the CPU has to do",
        says: "between what the task knew and what wait4 reports",
        holds: |it| {
            (it.used().voluntary..=it.report.usage.voluntary).contains(&it.record.nvcsw)
                && (it.used().involuntary..=it.report.usage.involuntary).contains(&it.record.nivcsw)
        },
    },
    Rule {
        fields: &["ac_minflt", "ac_majflt"],
        reason: "depend on what the page cache holds",
        says: "between what the task knew and what wait4 reports",
        holds: |it| {
            (it.used().minor_faults..=it.report.usage.minor_faults).contains(&it.record.ac_minflt)
                && (it.used().major_faults..=it.report.usage.major_faults)
                    .contains(&it.record.ac_majflt)
        },
    },
    Rule {
        fields: &["hiwater_rss", "hiwater_vm"],
        reason: "resident memory is counted per CPU, and addresses are random",
        says: "resident no more than wait4 reports, and less than virtual",
        holds: |it| {
            let resident = it.record.hiwater_rss;
            resident > 0
                && resident <= it.report.usage.resident + RESIDENT_KIB
                && resident < it.record.hiwater_vm
        },
    },
    Rule {
        fields: &["coremem", "virtmem"],
        reason: "memory over time that is counted by the tick",
        says: "no more than the most memory over all of the time, of what was before exec too",
        holds: |it| {
            let time_us = u128::from(lifetime_us(it.report) + TICKS_US);
            let most = |kib: u64| (u128::from(kib) * time_us).div_ceil(1_000) + 1;
            it.record.coremem <= it.record.virtmem
                && u128::from(it.record.coremem) <= most(it.report.usage.resident + RESIDENT_KIB)
                && (it.record.ac_flag & AFORK == 0
                    || u128::from(it.record.virtmem) <= most(it.record.hiwater_vm))
        },
    },
    Rule {
        fields: DELAYS,
        reason: "waiting depends on what else there is to do",
        says: "as long as the task lived at most, but for blkio; count, total, maximum, minimum \
               and moment agree",
        holds: |it| {
            KINDS.iter().all(|kind| {
                let delay = Delay::of(kind, it.record);
                let count_is_of_waits = *kind != "cpu";
                delay.agrees(count_is_of_waits)
                    // A wait for I/O of which the kernel missed the begin counts from the boot on.
                    && (*kind == "blkio" || within(delay.total / 1_000, it.record.ac_etime))
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
///
/// A task is added to its process before its own record is filled in, so that the process has of
/// each task no more than the task's own record says.
pub const PROCESS: &[Rule] = &[
    Rule {
        fields: &["ac_etime"],
        reason: "the sum of what each of its tasks lived, taken before that task's own record",
        says: "between the sums of what the tasks knew and of their records",
        holds: |it| it.adds_up(|used| used.elapsed_us, |record| record.ac_etime),
    },
    Rule {
        fields: &[
            "ac_utime",
            "ac_stime",
            "cpu_run_real_total",
            "cpu_scaled_run_real_total",
        ],
        reason: "the sum of what each of its tasks used, taken before that task's own record",
        says: "no more than the sums of the tasks' records; equal to each other, where only ticks \
               count",
        holds: |it| {
            let nothing = |_: ThreadUsage| 0;
            let real_us = it.record.cpu_run_real_total / 1_000;
            let sum_us = it.record.ac_utime + it.record.ac_stime;
            // No tick comes between the two, as interrupts are off. Both are rounded for each task.
            let roundings = 2 * it.tasks.len() as u64;
            it.adds_up(nothing, |record| record.ac_utime)
                && it.adds_up(nothing, |record| record.ac_stime)
                && it.adds_up(nothing, |record| record.cpu_run_real_total)
                && it.record.cpu_run_real_total <= it.record.cpu_scaled_run_real_total
                && real_us <= sum_us + roundings
                && (kernel_config::cpu_time_is_exact() || sum_us <= real_us)
        },
    },
    Rule {
        fields: &["cpu_run_virtual_total"],
        reason: "the sum of what each of its tasks used, taken before that task's own record",
        says: "between the sums of what the tasks knew and of their records",
        holds: |it| it.adds_up(|used| used.cpu_ns, |record| record.cpu_run_virtual_total),
    },
    Rule {
        fields: &["nvcsw", "nivcsw"],
        reason: "the sum over its tasks, taken before each task's own record",
        says: "between the sums of what the tasks knew and of their records",
        holds: |it| {
            it.adds_up(|used| used.voluntary, |record| record.nvcsw)
                && it.adds_up(|used| used.involuntary, |record| record.nivcsw)
        },
    },
    Rule {
        fields: DELAYS,
        reason: "the sum over its tasks; maximum, minimum and moment are those of the task that \
                 was added last",
        says: "no more than the sums of the tasks' records, and of copies on write the sums \
               themselves; maximum, minimum and moment are those of one task, or of a time when it \
               had waited less",
        holds: |it| {
            KINDS.iter().all(|kind| {
                let own = Delay::of(kind, it.record);
                let nothing = |_: ThreadUsage| 0;
                // Nothing is copied on write after a task was added to its process.
                let is_sum = |value: fn(Delay) -> u64| {
                    let sum: u64 = it
                        .tasks
                        .iter()
                        .map(|task| value(Delay::of(kind, task)))
                        .sum();
                    value(own) == sum
                };
                let whole = it.one_by_one && *kind == "wpcopy";
                it.adds_up(nothing, |record| Delay::of(kind, record).count)
                    && it.adds_up(nothing, |record| Delay::of(kind, record).total)
                    && (!whole || is_sum(|delay| delay.count) && is_sum(|delay| delay.total))
                    && (*kind != "cpu" || own.count >= it.added().count() as u64)
                    && it
                        .added_last()
                        .any(|task| own.was_before(Delay::of(kind, task)))
            })
        },
    },
];

impl<'a> Known<'a> {
    /// What the task knew of itself.
    fn used(&self) -> ThreadUsage {
        let task = self.report.task(self.record.ac_pid);
        task.map_or_else(ThreadUsage::default, |task| task.used)
    }

    /// The tasks that are in the process's record for certain.
    fn added(&self) -> impl Iterator<Item = &'a Taskstats> {
        let first = match self.one_by_one {
            true => 0,
            false => self.tasks.len().saturating_sub(1),
        };
        self.tasks[first..].iter().copied()
    }

    /// The tasks of which one was the last to be added to the process.
    fn added_last(&self) -> impl Iterator<Item = &'a Taskstats> {
        let first = match self.one_by_one {
            true => self.tasks.len().saturating_sub(1),
            false => 0,
        };
        self.tasks[first..].iter().copied()
    }

    /// Whether a field of the process's record is at least the sum of what the tasks that were
    /// added knew, and at most that of all tasks' records.
    fn adds_up(
        &self,
        used: impl Fn(ThreadUsage) -> u64,
        value: impl Fn(&Taskstats) -> u64,
    ) -> bool {
        let known = |task: &Taskstats| {
            let task = self.report.task(task.ac_pid);
            task.map_or(0, |task| used(task.used))
        };
        let least: u64 = self.added().map(known).sum();
        let most: u64 = self.tasks.iter().map(|task| value(task)).sum();
        (least..=most).contains(&value(self.record))
    }
}

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

    /// Whether this can be the same task's, at a time when it had waited as long or less.
    fn was_before(self, later: Self) -> bool {
        self.max <= later.max
            && (self.max < later.max || self.moment == later.moment)
            && (self.min == 0 || (1..=self.min).contains(&later.min))
    }

    /// Whether the longest wait ended during the task's life.
    fn moment_within(self, report: &Report) -> bool {
        let within = report.begun.real_s - 1..=report.ended.real_s + 1;
        self.moment == Timespec::default() || within.contains(&self.moment.tv_sec)
    }
}

/// Whether a time by the scheduler's clock is within one by the monotonic clock.
///
/// The two are calibrated apart, to better than a percent, and where the scheduler has to correct
/// its own it is off by a tick (`kernel/sched/clock.c`).
fn within(scheduler_us: u64, monotonic_us: u64) -> bool {
    scheduler_us <= monotonic_us + monotonic_us / 100 + TICKS_US
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
    use taskstats::record::RECORD_SIZE;

    use super::*;
    use crate::{
        exchange::Moment,
        exit::{Task, Usage},
        listener::in_process,
    };

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

    fn delay(count: u64, total: u64, max: u64, min: u64) -> Delay {
        Delay {
            count,
            total,
            max,
            min,
            moment: Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            },
        }
    }

    #[test]
    fn a_delay_only_grows() {
        let later = delay(3, 60, 30, 10);
        assert!(later.was_before(later));
        assert!(delay(2, 30, 20, 10).was_before(later));
        assert!(delay(1, 30, 30, 30).was_before(later));
        assert!(delay(0, 0, 0, 0).was_before(later));
        assert!(!delay(2, 41, 31, 10).was_before(later));
        assert!(!delay(2, 30, 20, 9).was_before(later));
        let elsewhen = Delay {
            moment: Timespec::default(),
            ..later
        };
        assert!(!elsewhen.was_before(later));
    }

    /// A process of two tasks that end, of which the first was not seen by its process where they
    /// do not end one by one.
    #[test]
    fn a_task_that_the_process_lacks_is_seen() {
        let record = |pid: u32, switches: u64| {
            let mut record = Taskstats::from_payload(&[0; RECORD_SIZE]).unwrap();
            (record.ac_pid, record.nvcsw) = (pid, switches);
            record
        };
        let task = |pid, voluntary| Task {
            name: String::new(),
            pid,
            used: ThreadUsage {
                voluntary,
                ..ThreadUsage::default()
            },
        };
        let report = Report {
            parent: 1,
            process: 3,
            tasks: vec![task(2, 10), task(3, 20)],
            usage: Usage::default(),
            begun: Moment::now(),
            ended: Moment::now(),
        };
        let (first, last) = (record(2, 11), record(3, 22));
        let adds_up = |sum, one_by_one| {
            Known {
                record: &record(0, sum),
                report: &report,
                tasks: &[&first, &last],
                one_by_one,
            }
            .adds_up(|used| used.voluntary, |record| record.nvcsw)
        };
        for sum in [30, 31, 33] {
            assert!(adds_up(sum, true), "{sum}");
        }
        for sum in [0, 20, 29, 34, 66] {
            assert!(!adds_up(sum, true), "{sum}");
        }
        assert!(adds_up(20, false) && !adds_up(19, false) && !adds_up(34, false));
    }

    #[test]
    fn delays_that_do_not_agree_are_seen() {
        assert!(delay(2, 30, 20, 10).agrees(true));
        assert!(!delay(0, 30, 20, 10).agrees(true));
        assert!(!delay(2, 10, 20, 10).agrees(true));
        assert!(!delay(2, 50, 20, 10).agrees(true));
        assert!(!delay(2, 30, 20, 25).agrees(true));
        assert!(!delay(4, 30, 20, 10).agrees(true));
        assert!(delay(4, 30, 20, 10).agrees(false));
    }
}
