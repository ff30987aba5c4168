// SPDX-License-Identifier: GPL-2.0

//! Delay accounting, which the scheduler and memory management collect.
//!
//! C headers: [`include/linux/delayacct.h`](srctree/include/linux/delayacct.h),
//! [`include/linux/sched.h`](srctree/include/linux/sched.h), `struct sched_info`

use super::task::TaskView;
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};
use taskstats_bindings as bindings;

use core::ptr::NonNull;

/// A point in time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Timespec {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: c_long,
}

impl Timespec {
    /// Returns the nanoseconds since 1970.
    #[inline]
    pub(crate) const fn as_nanoseconds(self) -> u64 {
        const NSEC_PER_SEC: u64 = 1_000_000_000;
        // CAST: Neither is negative.
        (self.seconds as u64)
            .wrapping_mul(NSEC_PER_SEC)
            .wrapping_add(self.nanoseconds as u64)
    }
}

/// Delays of one kind.
#[derive(Clone, Copy, Default)]
pub(crate) struct Delay {
    /// How often the task waited.
    pub(crate) count: u64,
    /// For how long altogether, in nanoseconds.
    pub(crate) total_ns: u64,
    /// The longest wait, in nanoseconds.
    pub(crate) longest_ns: u64,
    /// The shortest wait, in nanoseconds, 0 if there was none.
    pub(crate) shortest_ns: u64,
    /// When the longest wait ended: time of day.
    pub(crate) longest_end: Timespec,
}

/// Reads a word of the task's scheduling once, as [`TaskView`] does.
macro_rules! read {
    ($task:expr, $($field:ident).+) => {
        // SAFETY: The task is valid as long as the view is. Whoever writes to the field at the same
        // time writes a word, and volatile is what the kernel's memory model has for such reads.
        unsafe { (&raw const (*$task.as_ptr()).sched_info.$($field).+).read_volatile() }
    };
}

/// Returns the delays of the CPU, which the scheduler counts without a lock.
#[inline(always)]
#[cfg(CONFIG_SCHED_INFO)]
pub(crate) fn of_cpu(task: TaskView<'_>) -> Delay {
    Delay {
        // CAST: `unsigned long` is at most 64 bits wide.
        count: read!(task, pcount) as u64,
        total_ns: read!(task, run_delay),
        longest_ns: read!(task, max_run_delay),
        shortest_ns: read!(task, min_run_delay),
        longest_end: Timespec {
            seconds: read!(task, max_run_delay_ts.tv_sec),
            nanoseconds: read!(task, max_run_delay_ts.tv_nsec),
        },
    }
}

/// Returns zeroes: the scheduler counts no delays.
#[inline(always)]
#[cfg(not(CONFIG_SCHED_INFO))]
pub(crate) fn of_cpu(_task: TaskView<'_>) -> Delay {
    Delay::default()
}

/// Returns whether delays other than the CPU's are collected (`kernel.task_delayacct`).
pub(crate) fn are_collected() -> bool {
    #[cfg(CONFIG_TASK_DELAY_ACCT)]
    // SAFETY: The variable is a word, and lives for ever. Volatile, as it is changed at any time.
    let on = unsafe { (&raw const bindings::delayacct_on).read_volatile() } != 0;
    #[cfg(not(CONFIG_TASK_DELAY_ACCT))]
    let on = false;
    on
}

/// The delays of a task but for the CPU's, locked: none is added meanwhile, and interrupts are off.
///
/// # Invariants
///
/// `delays` are a task's, which is valid during `'a`; their lock is held, and `flags` is the
/// interrupt state from before.
#[must_use = "the lock is released immediately when the guard is unused"]
pub(crate) struct Delays<'a> {
    #[cfg_attr(not(CONFIG_TASK_DELAY_ACCT), expect(dead_code))]
    delays: NonNull<bindings::task_delay_info>,
    #[cfg_attr(not(CONFIG_TASK_DELAY_ACCT), expect(dead_code))]
    flags: c_ulong,
    _task: TaskView<'a>,
    _not_send: NotThreadSafe,
}

impl<'a> Delays<'a> {
    /// Takes the lock, or returns `None` if the task's delays are not collected: it was started
    /// while `kernel.task_delayacct` was off.
    #[inline(always)]
    #[cfg(CONFIG_TASK_DELAY_ACCT)]
    pub(crate) fn lock(task: TaskView<'a>) -> Option<Self> {
        // SAFETY: The task is valid; the field is set before others can find the task, and stays.
        let delays = NonNull::new(unsafe { (*task.as_ptr()).delays })?;
        // CAST: To the struct as it is known here.
        let delays = delays.cast::<bindings::task_delay_info>();
        // SAFETY: The delays are freed with the task. Their lock is initialized.
        let flags = unsafe { bindings::raw_spin_lock_irqsave(&raw mut (*delays.as_ptr()).lock) };

        // INVARIANT: Taken above.
        Some(Self {
            delays,
            flags,
            _task: task,
            _not_send: NotThreadSafe,
        })
    }

    /// Returns `None`: delays are not collected.
    #[inline(always)]
    #[cfg(not(CONFIG_TASK_DELAY_ACCT))]
    pub(crate) fn lock(_task: TaskView<'a>) -> Option<Self> {
        None
    }
}

/// Defines the accessors of the kinds.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $name:ident: $count:ident, $total:ident, $max:ident, $min:ident, $ts:ident;
    )*) => {
        impl Delays<'_> {
            $(
                $(#[$doc])*
                #[inline(always)]
                pub(crate) fn $name(&self) -> Delay {
                    #[cfg(CONFIG_TASK_DELAY_ACCT)]
                    {
                        // SAFETY: By the type invariants, the delays are valid, and their lock is
                        // held, which all who change them hold.
                        let delays = unsafe { self.delays.as_ref() };
                        Delay {
                            count: u64::from(delays.$count),
                            total_ns: delays.$total,
                            longest_ns: delays.$max,
                            shortest_ns: delays.$min,
                            longest_end: Timespec {
                                seconds: delays.$ts.tv_sec,
                                nanoseconds: delays.$ts.tv_nsec,
                            },
                        }
                    }
                    #[cfg(not(CONFIG_TASK_DELAY_ACCT))]
                    Delay::default()
                }
            )*
        }
    };
}

kinds! {
    /// Waiting for block I/O that it asked for.
    block_io: blkio_count, blkio_delay, blkio_delay_max, blkio_delay_min, blkio_delay_max_ts;
    /// Waiting for a page to be swapped in.
    swap_in: swapin_count, swapin_delay, swapin_delay_max, swapin_delay_min, swapin_delay_max_ts;
    /// Waiting for memory to be freed.
    reclaim: freepages_count, freepages_delay, freepages_delay_max, freepages_delay_min,
        freepages_delay_max_ts;
    /// Waiting for a page that had been evicted not long ago.
    thrashing: thrashing_count, thrashing_delay, thrashing_delay_max, thrashing_delay_min,
        thrashing_delay_max_ts;
    /// Waiting for memory to be compacted.
    compaction: compact_count, compact_delay, compact_delay_max, compact_delay_min,
        compact_delay_max_ts;
    /// Waiting for a page to be copied because it was written to.
    write_copy: wpcopy_count, wpcopy_delay, wpcopy_delay_max, wpcopy_delay_min,
        wpcopy_delay_max_ts;
    /// Interrupts took the CPU.
    irq: irq_count, irq_delay, irq_delay_max, irq_delay_min, irq_delay_max_ts;
}

#[cfg(CONFIG_TASK_DELAY_ACCT)]
impl Drop for Delays<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the lock is held, and `flags` is the interrupt state that
        // locking it saved.
        unsafe {
            bindings::raw_spin_unlock_irqrestore(&raw mut (*self.delays.as_ptr()).lock, self.flags)
        };
    }
}
