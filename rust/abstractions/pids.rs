// SPDX-License-Identifier: GPL-2.0

//! The tasks of a pid namespace, in the order of their ids.
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/linux/radix-tree.h`](srctree/include/linux/radix-tree.h)

use super::task::TaskView;
use kernel::{
    fs::LocalFile,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::Task, //
};
use taskstats_bindings as bindings;

use core::{
    mem::MaybeUninit,
    ops::ControlFlow,
    ptr::NonNull, //
};

/// What an id is to be the id of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A thread.
    Task,
    /// A process; the task is its leader.
    Process,
}

impl Kind {
    #[inline]
    const fn as_raw(self) -> bindings::pid_type {
        match self {
            Self::Task => bindings::pid_type_PIDTYPE_PID,
            Self::Process => bindings::pid_type_PIDTYPE_TGID,
        }
    }
}

/// Visits the tasks of `ns` whose ids are `from` or more, with their ids there, in ascending order,
/// until `visit` breaks.
///
/// Who is there from the beginning to the end is visited; who comes or goes meanwhile may be. As
/// `idr_get_next()` does, but without beginning anew for each id.
#[inline]
pub(crate) fn visit<B>(
    ns: &PidNamespace,
    kind: Kind,
    from: u32,
    _rcu: &rcu::Guard,
    mut visit: impl FnMut(u32, TaskView<'_>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut iter = MaybeUninit::<bindings::radix_tree_iter>::uninit();
    let iter = iter.as_mut_ptr();
    // SAFETY: The namespace is valid.
    let tree = unsafe { &raw mut (*ns.as_ptr()).idr.idr_rt };
    // SAFETY: `iter` is memory for an iterator. CAST: `usize` is at least 32 bits wide.
    let mut slot = unsafe { bindings::radix_tree_iter_init(iter, from as usize) };

    loop {
        if slot.is_null() {
            // SAFETY: The tree is valid, and the iterator was initialized.
            slot = unsafe { bindings::radix_tree_next_chunk(tree, iter, 0) };
            if slot.is_null() {
                return ControlFlow::Continue(());
            }
        }
        // SAFETY: The slot is one of the tree, which the RCU read lock keeps.
        let pid = unsafe { bindings::radix_tree_deref_slot(slot) };
        // SAFETY: There are no requirements.
        if unsafe { bindings::radix_tree_deref_retry(pid) } {
            // SAFETY: The iterator is initialized.
            slot = unsafe { bindings::radix_tree_iter_retry(iter) };
            continue;
        }
        // SAFETY: An entry of this tree is null or a pid, which is freed a grace period after it
        // was removed, and the RCU read lock is held.
        let task = unsafe { bindings::pid_task(pid.cast(), kind.as_raw()) };
        // SAFETY: The task is null or valid while the RCU read lock is held. CAST: `Task` is a
        // transparent wrapper.
        if let Some(task) = unsafe { task.cast::<Task>().as_ref() } {
            // SAFETY: The iterator is initialized. CAST: Ids are positive and have 22 bits.
            let id = unsafe { (*iter).index } as u32;
            visit(id, TaskView::of(task))?;
        }
        // SAFETY: The slot is the one that the iterator is at.
        slot = unsafe { bindings::radix_tree_next_slot(slot, iter, 0) };
    }
}

/// Returns the task, or the leader of the process, with the id `nr` in `ns`.
pub(crate) fn find(ns: &PidNamespace, kind: Kind, nr: u32) -> Option<ARef<Task>> {
    let nr = c_int::try_from(nr).ok()?;
    let _rcu = rcu::read_lock();
    // SAFETY: The namespace is valid, and the RCU read lock is held.
    let pid = unsafe { bindings::find_pid_ns(nr, ns.as_ptr()) };
    // SAFETY: The pid is null or valid while the RCU read lock is held.
    let task = unsafe { bindings::pid_task(pid, kind.as_raw()) };
    // SAFETY: The task is null or valid while the RCU read lock is held. CAST: `Task` is a
    // transparent wrapper.
    unsafe { task.cast::<Task>().as_ref() }.map(ARef::from)
}

/// Returns the task, or the leader of the process, that `file` is a pidfd of. [`EBADF`] if it is
/// none, [`ESRCH`] if the task has been released, or is no leader where one is asked for.
pub(crate) fn of_pidfd(file: &LocalFile, kind: Kind) -> Result<ARef<Task>> {
    // SAFETY: The file is valid. It holds a reference to the pid.
    let pid = kernel::error::from_err_ptr(unsafe { bindings::pidfd_pid(file.as_ptr()) })?;
    // SAFETY: The pid is valid.
    let task = unsafe { bindings::get_pid_task(pid, kind.as_raw()) };
    let task = NonNull::new(task.cast::<Task>()).ok_or(ESRCH)?;
    // SAFETY: The reference that the function took is ours. CAST: `Task` is a transparent wrapper.
    Ok(unsafe { ARef::from_raw(task) })
}

/// Lets others run, where that is due. Mirrors `cond_resched()`.
#[inline]
pub(crate) fn cond_resched() {
    // SAFETY: Called from a task that may sleep: whoever has a guard of RCU or a lock that forbids
    // it has not let go of it.
    unsafe { bindings::cond_resched() };
}
