// SPDX-License-Identifier: GPL-2.0

//! Credentials, and ids of users and groups as a user namespace knows them.
//!
//! C headers: [`include/linux/cred.h`](srctree/include/linux/cred.h),
//! [`include/linux/uidgid.h`](srctree/include/linux/uidgid.h)

use super::namespace::UserNamespace;
use kernel::{
    cred::Credential,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::CurrentTask,
    types::NotThreadSafe, //
};
use taskstats_bindings as bindings;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Returns the credentials of the current task. Mirrors `get_current_cred()`.
#[inline]
pub(crate) fn current(_task: &CurrentTask) -> ARef<Credential> {
    // SAFETY: There are no requirements. A task has credentials, and the reference that is taken is
    // ours. CAST: `Credential` is a transparent wrapper.
    unsafe {
        ARef::from_raw(NonNull::new_unchecked(
            bindings::get_current_cred().cast_mut().cast::<Credential>(),
        ))
    }
}

/// Returns the user namespace that `cred` belongs to.
#[inline]
pub(crate) fn user_namespace(cred: &Credential) -> &UserNamespace {
    // SAFETY: The credentials are valid, and hold a reference to their namespace, which never
    // changes. CAST: `UserNamespace` is a transparent wrapper.
    unsafe { &*(*cred.as_ptr()).user_ns.cast() }
}

/// The current task acts with other credentials than its own.
///
/// # Invariants
///
/// `own` are those from before.
#[must_use = "the task's own credentials are back when the guard is dropped"]
pub(crate) struct Override<'a> {
    own: *const bindings::cred,
    _cred: PhantomData<&'a Credential>,
    _not_send: NotThreadSafe,
}

impl<'a> Override<'a> {
    /// Mirrors `override_creds()`.
    #[inline]
    pub(crate) fn with(cred: &'a Credential) -> Self {
        // INVARIANT: The function returns those from before.
        Self {
            // SAFETY: The credentials are valid as long as the guard is.
            own: unsafe { bindings::override_creds(cred.as_ptr()) },
            _cred: PhantomData,
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for Override<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, these are the task's own, which it holds a reference to.
        unsafe { bindings::revert_creds(self.own) };
    }
}

/// A user of the kernel, whatever a user namespace calls it.
#[derive(Clone, Copy)]
pub(crate) struct User(bindings::kuid_t);

impl User {
    /// Returns the user that `ns` knows as `uid`, if there is one. Mirrors `make_kuid()`.
    pub(crate) fn in_namespace(ns: &UserNamespace, uid: u32) -> Option<Self> {
        // SAFETY: The namespace is valid.
        let user = unsafe { bindings::make_kuid(ns.as_ptr(), uid) };
        // `INVALID_UID`, which is mapped nowhere.
        (user.val != u32::MAX).then_some(Self(user))
    }

    /// Returns whether it is the real user of `cred`.
    #[inline]
    pub(crate) fn is_real_of(self, cred: &Credential) -> bool {
        // SAFETY: The credentials are valid, and their ids never change.
        unsafe { (*cred.as_ptr()).uid.val == self.0.val }
    }
}

/// Returns whether the ids that `cred` has for files are all of the real, effective and saved ones
/// of `of`. Mirrors what `__ptrace_may_access()` compares for `PTRACE_MODE_FSCREDS`.
pub(crate) fn has_all_ids(cred: &Credential, of: &Credential, _rcu: &rcu::Guard) -> bool {
    // SAFETY: Both are valid, and ids of credentials never change.
    let (cred, of) = unsafe { (&*cred.as_ptr(), &*of.as_ptr()) };

    [of.euid, of.suid, of.uid]
        .iter()
        .all(|uid| uid.val == cred.fsuid.val)
        && [of.egid, of.sgid, of.gid]
            .iter()
            .all(|gid| gid.val == cred.fsgid.val)
}

/// Returns the real user and group of `cred` as `ns` knows them, and the overflow ids if it does
/// not. Mirrors `from_kuid_munged()` and `from_kgid_munged()`.
#[inline]
pub(crate) fn real_ids_in(cred: &Credential, ns: &UserNamespace) -> (u32, u32) {
    let cred = cred.as_ptr();
    let is_init = core::ptr::eq(ns.as_ptr(), &raw mut bindings::init_user_ns);

    // SAFETY: Credentials and namespace are valid, and the ids of credentials never change.
    unsafe {
        // The initial namespace maps each valid id to itself (`kernel/user.c`). Looking both up
        // would take a third of what it takes to say who a task is.
        let (uid, gid) = ((*cred).uid.val, (*cred).gid.val);
        if is_init && uid != u32::MAX && gid != u32::MAX {
            return (uid, gid);
        }
        (
            bindings::from_kuid_munged(ns.as_ptr(), (*cred).uid),
            bindings::from_kgid_munged(ns.as_ptr(), (*cred).gid),
        )
    }
}
