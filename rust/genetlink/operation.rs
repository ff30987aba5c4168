// SPDX-License-Identifier: GPL-2.0

//! The entries of a family's table of commands.

use taskstats_bindings as bindings;

use core::marker::PhantomData;

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

    /// Returns whether the command can be asked to dump.
    pub(super) const fn dumps(&self) -> bool {
        self.raw.dumpit.is_some()
    }
}
