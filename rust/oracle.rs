// SPDX-License-Identifier: GPL-2.0

//! The oracle: what C makes of the same task at the same moment. In the test build alone.
//!
//! Wherever the module fills a record, C fills one before it and one after it. Each field must lie
//! between the two: what does not move is equal, and what moves only grows, or only shrinks, while C,
//! Rust and C look at it one after the other. Bytes that belong to no field must be zero. One thing
//! grows and then shrinks: where CPU time is counted at each entry to the kernel, a task that ends
//! loses what has not been added to its time yet.
//!
//! C's functions come by way of a module of their own, `rust/oracle_c.c`, which also counts. A
//! difference is reported in the kernel's log as a bug.

use crate::{
    layout::{
        Field,
        FIELDS, //
    },
    namespace::Namespaces,
    record::Record,
    task::TaskView,
};
use kernel::{
    bindings,
    prelude::*, //
};

// As in the bindings: structs that are empty in this configuration are behind pointers only.
#[allow(improper_ctypes)]
extern "C" {
    /// C's `fill_stats()`.
    fn taskstats_oracle_fill(
        user_ns: *mut bindings::user_namespace,
        pid_ns: *mut bindings::pid_namespace,
        task: *mut bindings::task_struct,
        stats: *mut Record,
    );

    /// C's `tgid_stats_add_task()`.
    fn taskstats_oracle_add(stats: *mut Record, task: *mut bindings::task_struct, now_ns: u64);

    /// Counts one record that was compared, and the fields in it that differ.
    fn taskstats_oracle_count(differences: c_uint);
}

/// How C fills a record. On the stack, for a short while: in a box it would change what it measures.
#[allow(clippy::large_enum_variant)]
enum Fill<'a> {
    Task(Namespaces<'a>),
    Sum { before: Record, now_ns: u64 },
}

/// A record that is being filled, as C would fill it.
pub(crate) struct Check<'a> {
    task: TaskView<'a>,
    fill: Fill<'a>,
    before: Record,
}

impl<'a> Check<'a> {
    /// Before the record of a task is filled.
    pub(crate) fn of_task(task: TaskView<'a>, namespaces: Namespaces<'a>) -> Self {
        Self::new(task, Fill::Task(namespaces))
    }

    /// Before a thread is added to the sum over its process.
    pub(crate) fn of_sum(sum: &Record, task: TaskView<'a>, now_ns: u64) -> Self {
        let before = sum.clone();
        Self::new(task, Fill::Sum { before, now_ns })
    }

    fn new(task: TaskView<'a>, fill: Fill<'a>) -> Self {
        let before = filled_by_c(task, &fill);
        Self { task, fill, before }
    }

    /// After `record` has been filled.
    pub(crate) fn compare(self, record: &Record) {
        let after = filled_by_c(self.task, &self.fill);
        let (before, record, after) = (self.before.bytes(), record.bytes(), after.bytes());
        let mut differences = 0;
        let mut end = 0;

        for field in FIELDS {
            let range = field.offset..field.offset + field.size;
            let is_zero = record[end..field.offset].iter().all(|byte| *byte == 0);
            end = range.end;

            let (c, rust, c_after) = (
                &before[range.clone()],
                &record[range.clone()],
                &after[range],
            );
            if !is_zero || !is_between(field, c, rust, c_after) {
                pr_err!(
                    "BUG: oracle: {} is {:x?} in Rust, {:x?} and {:x?} in C\n",
                    field.name,
                    rust,
                    c,
                    c_after
                );
                differences += 1;
            }
        }
        // SAFETY: There are no requirements.
        unsafe { taskstats_oracle_count(differences) };
    }
}

fn filled_by_c(task: TaskView<'_>, fill: &Fill<'_>) -> Record {
    match fill {
        Fill::Task(namespaces) => {
            let mut record = Record::zeroed();
            // SAFETY: Namespaces, task and record are valid.
            unsafe {
                taskstats_oracle_fill(
                    namespaces.user.as_ptr(),
                    namespaces.pid.as_ptr(),
                    task.as_ptr(),
                    &mut record,
                )
            };
            record
        }
        Fill::Sum { before, now_ns } => {
            let mut record = before.clone();
            // SAFETY: Record and task are valid.
            unsafe { taskstats_oracle_add(&mut record, task.as_ptr(), *now_ns) };
            record
        }
    }
}

/// Tells whether `rust` lies between the values that C had before and after.
fn is_between(field: &Field, before: &[u8], rust: &[u8], after: &[u8]) -> bool {
    // The difference of two clocks, rounded: it may step forth and back while both tick.
    let slack = u64::from(field.name == "ac_btime" || field.name == "ac_btime64");

    match field.size {
        1 | 2 | 4 | 8 => {
            let (before, rust, after) = (number(before), number(rust), number(after));
            let (low, high) = (before.min(after), before.max(after));
            let high = if cfg!(CONFIG_VIRT_CPU_ACCOUNTING_GEN) && after < before {
                u64::MAX
            } else {
                high.saturating_add(slack)
            };
            (low.saturating_sub(slack)..=high).contains(&rust)
        }
        // A point in time: seconds, and nanoseconds. It only grows.
        16 => {
            let time = |bytes: &[u8]| (number(&bytes[..8]), number(&bytes[8..]));
            (time(before)..=time(after)).contains(&time(rust))
        }
        _ => rust == before || rust == after,
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    // All that this runs on are little-endian; the order of equal sizes is all that matters.
    number[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(number)
}
