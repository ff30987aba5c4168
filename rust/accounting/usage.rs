// SPDX-License-Identifier: GPL-2.0

//! What a process has used: the sum over the threads that live and have lived.
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
        TaskView, //
    },
    thread_group::SighandGuard, //
};
use kernel::{
    sync::aref::ARef,
    task::Task, //
};

/// What a process has used.
pub(crate) struct Usage {
    /// How many threads live.
    pub(crate) threads: u32,
    /// One that does, if any does.
    pub(crate) living: Option<ARef<Task>>,
    pub(crate) time: CpuTime,
    /// CPU time as the scheduler measures it, in nanoseconds.
    pub(crate) run_time_ns: u64,
    /// Of the CPU, block I/O, swap-in, reclaim, thrashing, compaction, write copies and interrupts.
    pub(crate) delays: Delays,
    /// Resident and virtual memory, as [`TaskView::memory_integrals()`]; the kernel does not keep
    /// that of threads that have been released.
    pub(crate) memory_integrals: (u64, u64),
    pub(crate) io: IoCounters,
    /// Without and with I/O.
    pub(crate) page_faults: (u64, u64),
    /// Voluntary and involuntary ones.
    pub(crate) context_switches: (u64, u64),
}

/// Delays of all kinds, those of the CPU first.
pub(crate) type Delays = [Delay; 8];

impl Usage {
    /// Sums up the process of `task`, or returns `None` if the task has been released.
    ///
    /// What a thread has used moves from the thread to the process under the process's lock, which
    /// is held here: nothing is missed or counted twice. Delays alone are left to the process a bit
    /// earlier; those of a thread that is exiting at this moment may be counted twice, as in
    /// TASKSTATS.
    pub(crate) fn of_process(task: &Task) -> Option<Self> {
        Self::sum(task, false)
    }

    /// Sums up the process of `task`, which is the last thread to end and has left its delays to
    /// the process, or returns `None` if it has been released.
    pub(crate) fn of_ended_process(task: &Task) -> Option<Self> {
        let mut usage = Self::sum(task, true)?;
        usage.threads = 0;
        Some(usage)
    }

    /// `has_ended` tells that all threads have left their delays, as far as threads do.
    fn sum(task: &Task, has_ended: bool) -> Option<Self> {
        let mut process = SighandGuard::lock(task)?;
        let left = process.left_by_exited::<Record>().map(|left| left.delays());
        let released = process.released();
        let mut usage = Self {
            threads: 0,
            living: None,
            time: released.time,
            run_time_ns: released.run_time_ns,
            delays: left.unwrap_or_default(),
            memory_integrals: (0, 0),
            io: released.io,
            page_faults: released.page_faults,
            context_switches: released.context_switches,
        };

        for thread in process.threads() {
            let lives = !thread.has_exit_state();
            if lives {
                usage.threads = usage.threads.wrapping_add(1);
                if usage.living.is_none() {
                    usage.living = Some(thread.task().into());
                }
            }
            // Where threads leave their delays to the process, those that have exited have.
            usage.add(thread, (lives && !has_ended) || left.is_none());
        }
        Some(usage)
    }

    fn add(&mut self, thread: TaskView<'_>, with_delays: bool) {
        let time = thread.cpu_time();
        add(&mut self.time.user_ns, time.user_ns);
        add(&mut self.time.system_ns, time.system_ns);
        add(&mut self.run_time_ns, thread.run_time_ns());
        add_pair(&mut self.memory_integrals, thread.memory_integrals());
        self.io.add(thread.io());
        add_pair(&mut self.page_faults, thread.page_faults());
        add_pair(&mut self.context_switches, thread.context_switches());
        if with_delays {
            let [cpu, others @ ..] = &mut self.delays;
            add_delay(cpu, delays::of_cpu(thread));
            if let Some(delays) = delays::Delays::lock(thread) {
                let more = [
                    delays.block_io(),
                    delays.swap_in(),
                    delays.reclaim(),
                    delays.thrashing(),
                    delays.compaction(),
                    delays.write_copy(),
                    delays.irq(),
                ];
                for (to, more) in others.iter_mut().zip(more) {
                    add_delay(to, more);
                }
            }
        }
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
fn add_delay(to: &mut Delay, more: Delay) {
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
