// SPDX-License-Identifier: GPL-2.0

//! A thread group: its lock, its threads, and the counts of threads that have exited.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use super::task::{
    CpuTime,
    IoCounters,
    TaskView, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        atomic_load,
        atomic_store,
        Acquire,
        Release, //
    },
    task::{
        CurrentTask,
        Task, //
    },
    types::NotThreadSafe, //
};
use taskstats_bindings::{
    self as bindings,
    taskstats, //
};

use core::marker::PhantomData;

/// What the threads of a process have used that are no longer among its threads.
pub(crate) struct Released {
    pub(crate) time: CpuTime,
    /// CPU time as the scheduler measures it, in nanoseconds.
    pub(crate) run_time_ns: u64,
    /// Voluntary and involuntary ones.
    pub(crate) context_switches: (u64, u64),
    /// Without and with I/O.
    pub(crate) page_faults: (u64, u64),
    pub(crate) io: IoCounters,
}

/// The lock of a process, held. No thread comes or goes, and interrupts are off.
///
/// # Invariants
///
/// The sighand lock of `task`'s process is held; `flags` is the interrupt state from before.
#[must_use = "the lock is released immediately when the guard is unused"]
pub(crate) struct SighandGuard<'a> {
    task: &'a Task,
    flags: c_ulong,
    _not_send: NotThreadSafe,
}

impl<'a> SighandGuard<'a> {
    /// Takes the lock, or returns `None` if the task has been released. Mirrors
    /// `lock_task_sighand()`.
    #[inline]
    pub(crate) fn lock(task: &'a Task) -> Option<Self> {
        let mut flags = 0;

        // SAFETY: The task is valid.
        if unsafe { bindings::lock_task_sighand(task.as_ptr(), &mut flags) }.is_null() {
            return None;
        }
        // INVARIANT: Taken above.
        Some(Self {
            task,
            flags,
            _not_send: NotThreadSafe,
        })
    }

    #[inline]
    fn signal(&self) -> *mut bindings::signal_struct {
        // SAFETY: The task is valid; the field is set when it is made and stays.
        unsafe { (*self.task.as_ptr()).signal }
    }

    /// Returns an address that is this process's alone as long as there is a reference to one of
    /// its threads.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        self.signal().addr()
    }

    /// Returns the counts of threads that have exited, if there are any. `T` is laid out as
    /// a `struct taskstats`.
    #[inline]
    pub(crate) fn left_by_exited<T: FromBytes + IntoBytes>(&mut self) -> Option<&mut T> {
        const {
            assert!(size_of::<T>() == size_of::<taskstats>());
            assert!(align_of::<T>() <= align_of::<taskstats>());
        }

        // SAFETY: A task whose process is locked has not been released, so its `signal` is valid.
        let stats = unsafe { (*self.signal()).stats }.cast::<T>();
        // SAFETY: The place is null, or allocated for a `struct taskstats`, all of whose bytes were
        // written, and freed with `signal`. Any bytes make a `T`, which has the struct's size and
        // no stricter alignment. All who write to the place hold the lock, as we do.
        unsafe { stats.as_mut() }
    }

    /// Returns what the threads have used that are no longer among the process's threads.
    pub(crate) fn released(&self) -> Released {
        let signal = self.signal();
        // SAFETY: As in `left_by_exited()`. All who write to these fields hold the lock, as we do.
        // CAST: `unsigned long` is at most 64 bits wide.
        unsafe {
            Released {
                time: CpuTime {
                    user_ns: (*signal).utime,
                    system_ns: (*signal).stime,
                },
                run_time_ns: (*signal).sum_sched_runtime,
                context_switches: ((*signal).nvcsw as u64, (*signal).nivcsw as u64),
                page_faults: ((*signal).min_flt as u64, (*signal).maj_flt as u64),
                io: IoCounters::of(&(*signal).ioac),
            }
        }
    }

    /// Returns the process's threads, among them a leader that has exited. Mirrors
    /// `for_each_thread()`.
    #[inline]
    pub(crate) fn threads(&self) -> Threads<'_> {
        let signal = self.signal();
        // SAFETY: As in `left_by_exited()`.
        let head = unsafe { &raw const (*signal).thread_head };

        // INVARIANT: The lock is borrowed, and so held, and the list's first entry follows its
        // head.
        Threads {
            head,
            // SAFETY: The list's head is valid.
            next: unsafe { (*head).next },
            _lock: PhantomData,
        }
    }
}

impl Drop for SighandGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the lock is held, and `flags` is the interrupt state that
        // locking it saved.
        unsafe { bindings::unlock_task_sighand(self.task.as_ptr(), &mut self.flags) };
    }
}

/// The threads of a process.
///
/// # Invariants
///
/// The process is locked during `'a`; `next` is an entry of the list with the head `head`, or the
/// head itself.
pub(crate) struct Threads<'a> {
    head: *const bindings::list_head,
    next: *mut bindings::list_head,
    _lock: PhantomData<&'a Task>,
}

impl<'a> Iterator for Threads<'a> {
    type Item = TaskView<'a>;

    #[inline]
    fn next(&mut self) -> Option<TaskView<'a>> {
        if core::ptr::eq(self.next, self.head) {
            return None;
        }
        // SAFETY: By the type invariants, this is an entry of the list, and each entry is a task's
        // `thread_node`.
        let task = unsafe { kernel::container_of!(self.next, bindings::task_struct, thread_node) };
        // INVARIANT: The list does not change while the process is locked.
        // SAFETY: By the type invariants, this is an entry of the list.
        self.next = unsafe { (*self.next).next };
        // SAFETY: A task that is in the list has not been released, and is not while the process is
        // locked. CAST: `Task` is a transparent wrapper.
        Some(TaskView::of(unsafe { &*task.cast::<Task>() }))
    }
}

/// Allocates the memory in which the threads of the current task's process leave their counts when
/// they exit, if the process has several threads and none was allocated yet. Returns whether there
/// is such memory now. Mirrors `taskstats_tgid_alloc()`.
///
/// If the allocation fails, the counts of this thread are lost, as in C.
pub(crate) fn alloc_left_by_exited(task: &CurrentTask) -> bool {
    // SAFETY: The task is valid; `signal` is set when it is made and stays.
    let signal = unsafe { (*task.as_ptr()).signal };
    // SAFETY: A task holds a reference to its `signal` as long as it is valid.
    let place = unsafe { &raw mut (*signal).stats };

    // SAFETY: `place` is valid and aligned; it is written to by an atomic store. This pairs with
    // the release below, and with C's.
    if !unsafe { atomic_load(place, Acquire) }.is_null() {
        return true;
    }
    // SAFETY: The task is valid, and it is the current one: the list of its threads may be read
    // without a lock, because a task that is alone stays alone while it runs this.
    if unsafe { bindings::thread_group_empty(task.as_ptr()) } != 0 {
        return false;
    }

    // SAFETY: There are no requirements; the cache is there from boot on.
    let new = unsafe { bindings::alloc_taskstats() };
    let Some(guard) = SighandGuard::lock(task) else {
        // SAFETY: `new` is null or from this cache, and nobody else has it.
        unsafe { free(new) };
        return false;
    };
    // SAFETY: `place` is valid, and all who write to it hold the lock, as we do.
    let old = unsafe { *place };
    if old.is_null() {
        // SAFETY: `place` is valid and aligned. This pairs with the acquire above: who sees the
        // place sees it zeroed.
        unsafe { atomic_store(place, new, Release) };
        return !new.is_null();
    }
    drop(guard);

    // SAFETY: `new` is null or from this cache, and nobody else has it.
    unsafe { free(new) };
    true
}

/// # Safety
///
/// `stats` must be null, or come from `taskstats_cache` and not be used any more.
unsafe fn free(stats: *mut taskstats) {
    if !stats.is_null() {
        // SAFETY: By the safety requirements of this function.
        unsafe { bindings::kmem_cache_free(bindings::taskstats_cache, stats.cast()) };
    }
}
