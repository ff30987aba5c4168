// SPDX-License-Identifier: GPL-2.0

//! Who may see what a task does.
//!
//! C header: [`include/linux/ptrace.h`](srctree/include/linux/ptrace.h)

use super::{
    credentials::{
        has_all_ids,
        user_namespace,
        Override, //
    },
    task::TaskView, //
};
use kernel::{
    cred::Credential,
    current,
    sync::rcu, //
};
use taskstats_bindings as bindings;

/// Whether a refusal is one for the audit log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audit {
    /// Security modules log what they refuse.
    Yes,
    /// They do not: nobody has asked for this very task.
    No,
}

/// Returns whether `cred` may see what `/proc/PID/io` of `task` shows. Mirrors
/// `ptrace_may_access()` with `PTRACE_MODE_READ_FSCREDS`.
///
/// C lets each process see its own threads, whatever the credentials. Here, that goes for `cred`
/// that are the current task's: with others, the current task acts for somebody else.
pub(crate) fn may_read(cred: &Credential, task: TaskView<'_>, audit: Audit) -> bool {
    let current = current!();
    // SAFETY: Both tasks are valid.
    let is_own = unsafe { bindings::same_thread_group(task.as_ptr(), current.as_ptr()) };
    // SAFETY: The current task is valid, and alone changes this field.
    let current_cred = unsafe { (*current.as_ptr()).cred };
    if is_own && !core::ptr::eq(cred.as_ptr(), current_cred) {
        return may_read_own(cred, task);
    }

    let mode = bindings::PTRACE_MODE_READ_FSCREDS
        | match audit {
            Audit::Yes => 0,
            Audit::No => bindings::PTRACE_MODE_NOAUDIT,
        };
    let _as_cred = Override::with(cred);
    // SAFETY: The task is valid.
    unsafe { bindings::ptrace_may_access(task.as_ptr(), mode) }
}

/// What `__ptrace_may_access()` does for the threads of other processes. Security modules cannot be
/// asked; so unlike there, privileges do not help.
fn may_read_own(cred: &Credential, task: TaskView<'_>) -> bool {
    let rcu = rcu::read_lock();
    let of = task.credentials(&rcu);

    if !core::ptr::eq(user_namespace(cred), user_namespace(of)) || !has_all_ids(cred, of, &rcu) {
        return false;
    }
    // As in C: it is read after the credentials, which pairs with `commit_creds()`.
    // SAFETY: There are no requirements.
    unsafe { bindings::smp_rmb() };
    task.is_dumpable(&rcu)
}
