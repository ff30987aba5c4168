// SPDX-License-Identifier: GPL-2.0

//! Ids of users and groups as a user namespace knows them.
//!
//! C header: [`include/linux/uidgid.h`](srctree/include/linux/uidgid.h)

use super::namespace::UserNamespace;
use kernel::{
    cred::Credential, //
};
use taskstats_bindings as bindings;

/// Returns the real user and group of `cred` as `ns` knows them, and the overflow ids if it does
/// not. Mirrors `from_kuid_munged()` and `from_kgid_munged()`.
#[inline]
pub(crate) fn real_ids_in(cred: &Credential, ns: &UserNamespace) -> (u32, u32) {
    let cred = cred.as_ptr();

    // SAFETY: Credentials and namespace are valid, and the ids of credentials never change.
    unsafe {
        (
            bindings::from_kuid_munged(ns.as_ptr(), (*cred).uid),
            bindings::from_kgid_munged(ns.as_ptr(), (*cred).gid),
        )
    }
}
