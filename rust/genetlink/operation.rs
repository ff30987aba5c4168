// SPDX-License-Identifier: GPL-2.0

//! The entries of a family's table of commands.

use taskstats_bindings as bindings;

use core::marker::PhantomData;

/// The C type of a function that answers a request.
pub(crate) type DoIt =
    unsafe extern "C" fn(*mut bindings::sk_buff, *mut bindings::genl_info) -> kernel::ffi::c_int;

/// An entry of a family's table of commands, made of a [`Command`](super::Command).
#[repr(transparent)]
pub(crate) struct Operation<T> {
    // Never changed, hence no `Opaque`.
    raw: bindings::genl_ops,
    _family: PhantomData<fn(&T)>,
}

impl<T> Operation<T> {
    /// # Safety
    ///
    /// `raw` must be valid for good, and its functions sound to be called by the generic netlink
    /// core for a family that is a [`Family<T>`](super::Family).
    pub(super) const unsafe fn from_raw(raw: bindings::genl_ops) -> Self {
        Self {
            raw,
            _family: PhantomData,
        }
    }

    /// Returns the command's number.
    pub(crate) const fn cmd(&self) -> u8 {
        self.raw.cmd
    }

    /// Returns the function that answers a request, if the command can be asked for one answer.
    ///
    /// It is called with the message and what the core knows of the request, in which the family is
    /// a [`Family<T>`](super::Family) that lives during the call.
    pub(crate) const fn doit(&self) -> Option<DoIt> {
        self.raw.doit
    }

    /// Returns whether the command can be asked to dump.
    pub(super) const fn dumps(&self) -> bool {
        self.raw.dumpit.is_some()
    }
}
