// SPDX-License-Identifier: GPL-2.0

//! What has been used, and what a process has: the sum over the threads that live and have lived.
//!
//! C source: [`kernel/exit.c`](srctree/kernel/exit.c), `__exit_signal()`, which leaves what a
//! thread has used to its process.

use super::record::Record;
use crate::abstractions::{
    delays::{
        self,
        Delay, //
    },
    task::{
        CpuTime,
        IoCounters,
        State,
        TaskView, //
    },
    thread_group::SighandGuard, //
};
use kernel::{
    sync::aref::ARef,
    task::Task, //
};

/// What has been used, by a thread or by many.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) time: CpuTime,
    /// CPU time as the scheduler measures it, in nanoseconds.
    pub(crate) run_time_ns: u64,
    /// Of the CPU, block I/O, swap-in, reclaim, thrashing, compaction, write copies and interrupts.
    pub(crate) delays: Delays,
    /// Resident and virtual memory, as [`TaskView::memory_integrals()`].
    pub(crate) memory_integrals: (u64, u64),
    pub(crate) io: IoCounters,
    /// Without and with I/O.
    pub(crate) page_faults: (u64, u64),
    /// Voluntary and involuntary ones.
    pub(crate) context_switches: (u64, u64),
}

/// Delays of all kinds, those of the CPU first.
pub(crate) type Delays = [Delay; 8];

impl Totals {
    /// Adds `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        add(&mut self.time.user_ns, other.time.user_ns);
        add(&mut self.time.system_ns, other.time.system_ns);
        add(&mut self.run_time_ns, other.run_time_ns);
        for (to, more) in self.delays.iter_mut().zip(&other.delays) {
            add_delay(to, more);
        }
        add_pair(&mut self.memory_integrals, other.memory_integrals);
        self.io.add(other.io);
        add_pair(&mut self.page_faults, other.page_faults);
        add_pair(&mut self.context_switches, other.context_switches);
    }
}

/// What a process has used.
pub(crate) struct Usage {
    /// How many threads live.
    pub(crate) threads: u32,
    /// One that does, if any does.
    pub(crate) living: Option<ARef<Task>>,
    /// How many threads have not left what they used, and what these wait for.
    pub(crate) staying: States,
    /// The memory integrals are those of threads that were not released yet: the kernel does not
    /// keep others.
    pub(crate) totals: Totals,
    /// The memory integrals of threads that have not left what they used.
    pub(crate) staying_integrals: (u64, u64),
}

/// How many threads are in which state.
#[derive(Clone, Copy, Default)]
pub(crate) struct States {
    pub(crate) all: u32,
    pub(crate) running: u32,
    pub(crate) sleeping: u32,
    pub(crate) uninterruptible: u32,
    pub(crate) stopped: u32,
    /// Of those that sleep or are uninterruptible, those that wait for I/O.
    pub(crate) io_wait: u32,
}

impl States {
    /// Adds `other`.
    pub(crate) fn add(&mut self, other: Self) {
        let sum = |to: &mut u32, more: u32| *to = to.wrapping_add(more);
        sum(&mut self.all, other.all);
        sum(&mut self.running, other.running);
        sum(&mut self.sleeping, other.sleeping);
        sum(&mut self.uninterruptible, other.uninterruptible);
        sum(&mut self.stopped, other.stopped);
        sum(&mut self.io_wait, other.io_wait);
    }

    fn count(&mut self, thread: TaskView<'_>) {
        let io_wait = thread.waits_for_io();
        self.add(match thread.state() {
            State::Running => Self {
                running: 1,
                ..Self::ONE
            },
            State::Sleeping => Self {
                sleeping: 1,
                io_wait: io_wait.into(),
                ..Self::ONE
            },
            State::Uninterruptible => Self {
                uninterruptible: 1,
                io_wait: io_wait.into(),
                ..Self::ONE
            },
            State::Stopped => Self {
                stopped: 1,
                ..Self::ONE
            },
        });
    }

    const ONE: Self = Self {
        all: 1,
        running: 0,
        sleeping: 0,
        uninterruptible: 0,
        stopped: 0,
        io_wait: 0,
    };
}

impl Usage {
    /// Sums up the process of `task`, or returns `None` if the task has been released.
    ///
    /// What a thread has used moves from the thread to the process under the process's lock, which
    /// is held here: nothing is missed or counted twice. Delays alone are left to the process a bit
    /// earlier; those of a thread that is exiting at this moment may be counted twice, as in
    /// TASKSTATS.
    pub(crate) fn of_process(task: &Task) -> Option<Self> {
        Self::sum(
            task,
            |thread| thread.cpu_time(),
            |thread| thread.has_exit_state(),
        )
    }

    /// Sums up the process of `task`, which is the last thread to end and has left its delays to
    /// the process, or returns `None` if it has been released.
    pub(crate) fn of_ended_process(task: &Task) -> Option<Self> {
        let mut usage = Self::sum(task, |thread| thread.cpu_time(), |_| true)?;
        usage.threads = 0;
        Some(usage)
    }

    /// Sums up the process of `task`, as [`Self::of_process()`] does; `time` tells the CPU time of a
    /// thread, and `has_left` whether it has left its delays to the process, as far as threads do.
    pub(crate) fn sum(
        task: &Task,
        time: impl Fn(TaskView<'_>) -> CpuTime,
        has_left: impl Fn(TaskView<'_>) -> bool,
    ) -> Option<Self> {
        let mut process = SighandGuard::lock(task)?;
        let left = process.left_by_exited::<Record>().map(|left| left.delays());
        let released = process.released();
        let mut usage = Self {
            threads: 0,
            living: None,
            staying: States::default(),
            totals: Totals {
                time: released.time,
                run_time_ns: released.run_time_ns,
                delays: left.unwrap_or_default(),
                memory_integrals: (0, 0),
                io: released.io,
                page_faults: released.page_faults,
                context_switches: released.context_switches,
            },
            staying_integrals: (0, 0),
        };

        for thread in process.threads() {
            if !thread.has_exit_state() {
                usage.threads = usage.threads.wrapping_add(1);
                if usage.living.is_none() {
                    usage.living = Some(thread.task().into());
                }
            }
            let has_left = has_left(thread);
            if !has_left {
                usage.staying.count(thread);
                add_pair(&mut usage.staying_integrals, thread.memory_integrals());
            }
            // Where threads leave their delays to the process, those that have exited have.
            let with_delays = !has_left || left.is_none();
            usage.totals.add_thread(thread, time(thread), with_delays);
        }
        Some(usage)
    }
}

impl Totals {
    fn add_thread(&mut self, thread: TaskView<'_>, time: CpuTime, with_delays: bool) {
        add(&mut self.time.user_ns, time.user_ns);
        add(&mut self.time.system_ns, time.system_ns);
        add(&mut self.run_time_ns, thread.run_time_ns());
        add_pair(&mut self.memory_integrals, thread.memory_integrals());
        self.io.add(thread.io());
        add_pair(&mut self.page_faults, thread.page_faults());
        add_pair(&mut self.context_switches, thread.context_switches());
        if with_delays {
            for (to, more) in self.delays.iter_mut().zip(&delays_of(thread)) {
                add_delay(to, more);
            }
        }
    }

    /// Returns what a thread that exits has and does not leave to its process: its memory
    /// integrals, and its longest and shortest delays, without counts and totals.
    pub(crate) fn not_left(thread: TaskView<'_>) -> Self {
        let mut delays = delays_of(thread);
        for delay in &mut delays {
            (delay.count, delay.total_ns) = (0, 0);
        }
        Self {
            delays,
            memory_integrals: thread.memory_integrals(),
            ..Self::default()
        }
    }
}

fn delays_of(thread: TaskView<'_>) -> Delays {
    let cpu = delays::of_cpu(thread);
    let none = Delay::default();
    match delays::Delays::lock(thread) {
        Some(delays) => [
            cpu,
            delays.block_io(),
            delays.swap_in(),
            delays.reclaim(),
            delays.thrashing(),
            delays.compaction(),
            delays.write_copy(),
            delays.irq(),
        ],
        None => [cpu, none, none, none, none, none, none, none],
    }
}

fn add(to: &mut u64, more: u64) {
    *to = to.wrapping_add(more);
}

fn add_pair(to: &mut (u64, u64), more: (u64, u64)) {
    add(&mut to.0, more.0);
    add(&mut to.1, more.1);
}

/// Adds counts and totals, and keeps the longest and the shortest.
fn add_delay(to: &mut Delay, more: &Delay) {
    add(&mut to.count, more.count);
    add(&mut to.total_ns, more.total_ns);
    if more.longest_ns > to.longest_ns {
        to.longest_ns = more.longest_ns;
        to.longest_end = more.longest_end;
    }
    if to.shortest_ns == 0 || (more.shortest_ns != 0 && more.shortest_ns < to.shortest_ns) {
        to.shortest_ns = more.shortest_ns;
    }
}
