// SPDX-License-Identifier: GPL-2.0

//! The oracle: what C makes of the same task at the same moment. In the test build alone.
//!
//! Wherever the module fills a record, C fills one before it and one after it. Each field must lie
//! between the two: what does not move is equal, and what moves only grows, or only shrinks, while
//! C, Rust and C look at it one after the other. Bytes that belong to no field must be zero. What
//! may step forth and back meanwhile, and how far, is in [`slack`]; what grows and is gone then, in
//! [`is_gone_with_memory`]; what only shrinks once it is there, in [`is_shortest`].
//!
//! C's functions come by way of a module of their own, `rust/test/oracle_c.c`, which also counts. A
//! difference is reported in the kernel's log as a bug.

use crate::{
    abstractions::{
        namespace::Namespaces,
        task::TaskView, //
    },
    accounting::{
        layout::{
            fields,
            Field, //
        },
        record::{
            Oracle,
            Record,
            ORACLE, //
        },
    },
};
use kernel::{
    prelude::*,
    time::NSEC_PER_USEC, //
};
use taskstats_bindings as bindings;

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

/// From now on, records are compared with C's.
pub(crate) fn install() {
    ORACLE.populate(&C);
}

/// C's taskstats.
struct C;

impl Oracle for C {
    fn fill(&self, task: TaskView<'_>, namespaces: Namespaces<'_>) -> Record {
        let mut record = zeroed();
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

    fn add(&self, sum: &Record, task: TaskView<'_>, now_ns: u64) -> Record {
        let mut record = sum.clone();
        // SAFETY: Record and task are valid.
        unsafe { taskstats_oracle_add(&mut record, task.as_ptr(), now_ns) };
        record
    }

    fn compare(&self, before: &Record, record: &Record, after: &Record) {
        let (before, record, after) = (bytes(before), bytes(record), bytes(after));
        let mut differences = 0;
        let mut end = 0;

        for field in fields() {
            let range = field.offset..field.offset + field.size;
            let is_zero = record[end..field.offset].iter().all(|byte| *byte == 0);
            end = range.end;

            let (c, rust, c_after) = (
                &before[range.clone()],
                &record[range.clone()],
                &after[range],
            );
            if !is_zero || !is_between(&field, c, rust, c_after) {
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

fn zeroed() -> Record {
    // SAFETY: Any bytes make a record.
    unsafe { core::mem::zeroed() }
}

fn bytes(record: &Record) -> &[u8; size_of::<Record>()] {
    // SAFETY: All bytes of a record are initialized, its padding consists of fields.
    unsafe { &*core::ptr::from_ref(record).cast() }
}

/// How much CPU time a task may have that is neither shown nor lost.
///
/// Where it is counted at each entry to the kernel, what a task has used in user space and in the
/// kernel is added to its times when each comes to a tick. Until then, `task_cputime()` shows only
/// that of the two which the task is in, and neither while it does not run: less than a tick of
/// each comes and goes.
const PENDING_NS: u64 = if cfg!(CONFIG_VIRT_CPU_ACCOUNTING_GEN) {
    bindings::TICK_NSEC as u64
} else {
    0
};

/// How far a field may be off the values that C had before and after, in its own unit.
fn slack(field: &Field) -> u64 {
    match field.name {
        // The difference of two clocks, rounded: it may step forth and back while both tick.
        "ac_btime" | "ac_btime64" => 1,
        "ac_utime" | "ac_stime" | "ac_utimescaled" | "ac_stimescaled" => {
            PENDING_NS.div_ceil(NSEC_PER_USEC as u64)
        }
        "cpu_run_real_total" | "cpu_scaled_run_real_total" => 2 * PENDING_NS,
        _ => 0,
    }
}

/// The most memory that a task has had: it grows until the task has given its memory away.
fn is_gone_with_memory(field: &Field) -> bool {
    matches!(field.name, "hiwater_rss" | "hiwater_vm")
}

/// The shortest delay: 0 before the first one, and it only shrinks from then on.
fn is_shortest(field: &Field) -> bool {
    field.name.ends_with("_delay_min")
}

/// Returns whether `rust` lies between the values that C had before and after.
pub(super) fn is_between(field: &Field, before: &[u8], rust: &[u8], after: &[u8]) -> bool {
    let slack = slack(field);

    match field.size {
        1 | 2 | 4 | 8 => {
            let (before, rust, after) = (number(before), number(rust), number(after));
            if is_gone_with_memory(field) && after == 0 {
                return rust == 0 || rust >= before;
            }
            let shortest = |value| match value {
                0 if is_shortest(field) => u64::MAX,
                value => value,
            };
            let [before, rust, after] = [before, rust, after].map(shortest);
            let (low, high) = (before.min(after), before.max(after));
            (low.saturating_sub(slack)..=high.saturating_add(slack)).contains(&rust)
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
