// SPDX-License-Identifier: GPL-2.0

//! The credentials of a task.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use crate::namespace::UserNamespace;
use kernel::{
    bindings,
    types::Opaque, //
};

/// Wraps the kernel's `struct cred`.
///
/// # Invariants
///
/// A reference to it is one to credentials that live as long. They have been installed, and so they
/// do not change any more.
#[repr(transparent)]
pub(crate) struct Credentials(Opaque<bindings::cred>);

impl Credentials {
    /// Wraps the C struct.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid during `'a`, and installed in a task.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(ptr: *const bindings::cred) -> &'a Self {
        // SAFETY: By the safety requirements of this function. CAST: `Opaque` is transparent.
        unsafe { &*ptr.cast() }
    }

    /// Returns the real user and group as `ns` knows them, and the overflow ids if it does not.
    /// Mirrors `from_kuid_munged()` and `from_kgid_munged()`.
    #[inline]
    pub(crate) fn ids_in(&self, ns: &UserNamespace) -> (u32, u32) {
        let cred = self.0.get();

        // SAFETY: Credentials and namespace are valid, and the ids do not change.
        unsafe {
            (
                bindings::from_kuid_munged(ns.as_ptr(), (*cred).uid),
                bindings::from_kgid_munged(ns.as_ptr(), (*cred).gid),
            )
        }
    }
}
