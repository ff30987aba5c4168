// SPDX-License-Identifier: GPL-2.0

//! The namespaces that a record is seen from.
//!
//! C headers: [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h),
//! [`include/linux/pid_namespace.h`](srctree/include/linux/pid_namespace.h)

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    task::CurrentTask,
    types::Opaque, //
};
use taskstats_bindings as bindings;

/// Wraps the kernel's `struct user_namespace`.
///
/// # Invariants
///
/// A reference to it is one to a user namespace that lives as long.
#[repr(transparent)]
pub(crate) struct UserNamespace(Opaque<bindings::user_namespace>);

impl UserNamespace {
    /// Returns the user namespace of the current task's credentials. Mirrors `current_user_ns()`.
    #[inline]
    pub(crate) fn current(_task: &CurrentTask) -> &Self {
        // SAFETY: There are no requirements. The current task's credentials hold a reference to the
        // namespace, and nobody else changes them while it runs this code.
        unsafe { &*bindings::current_user_ns().cast() }
    }

    /// Returns the initial user namespace.
    #[inline]
    pub(crate) fn init() -> &'static Self {
        // SAFETY: `init_user_ns` lives for ever.
        unsafe { &*(&raw mut bindings::init_user_ns).cast() }
    }

    /// Returns the C struct.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.0.get()
    }
}

/// The namespaces that a record is seen from: ids of users and groups are those of `user`, ids of
/// tasks those of `pid`.
#[derive(Clone, Copy)]
pub(crate) struct Namespaces<'a> {
    pub(crate) user: &'a UserNamespace,
    pub(crate) pid: &'a PidNamespace,
}

impl<'a> Namespaces<'a> {
    /// Returns those of the current task, or [`ESRCH`] if it has been released, as no task that can
    /// send a request has.
    #[inline]
    pub(crate) fn current(task: &'a CurrentTask) -> Result<Self> {
        Ok(Self {
            user: UserNamespace::current(task),
            pid: task.active_pid_ns().ok_or(ESRCH)?,
        })
    }

    /// Returns the initial ones.
    #[inline]
    pub(crate) fn init() -> Namespaces<'static> {
        Namespaces {
            user: UserNamespace::init(),
            // SAFETY: `init_pid_ns` lives for ever.
            pid: unsafe { PidNamespace::from_ptr(&raw const bindings::init_pid_ns) },
        }
    }

    /// Returns whether these are the initial ones.
    #[inline]
    pub(crate) fn are_init(self) -> bool {
        let init = Namespaces::init();

        core::ptr::eq(self.user, init.user) && core::ptr::eq(self.pid, init.pid)
    }
}
