// SPDX-License-Identifier: GPL-2.0

//! A dump: many messages in answer to one request, a buffer at a time.

use super::{
    family::{
        Family,
        Operations, //
    },
    payload::Payload, //
};
use kernel::{
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::ptr::NonNull;

/// A buffer of a dump that is being filled.
///
/// # Invariants
///
/// `skb` is a valid socket buffer that nobody else has access to, and `info` a valid `genl_info` of
/// the request.
pub(crate) struct Dump<'a, T: Operations> {
    skb: NonNull<bindings::sk_buff>,
    info: NonNull<bindings::genl_info>,
    family: &'a Family<T>,
}

impl<'a, T: Operations> Dump<'a, T> {
    /// # Safety
    ///
    /// `skb` and `info` must be valid as long as the value exists, and nobody else may use `skb`
    /// meanwhile.
    #[inline]
    pub(super) unsafe fn from_raw(
        skb: *mut bindings::sk_buff,
        info: *mut bindings::genl_info,
        family: &'a Family<T>,
    ) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            // SAFETY: By the safety requirements of this function.
            skb: unsafe { NonNull::new_unchecked(skb) },
            // SAFETY: By the safety requirements of this function.
            info: unsafe { NonNull::new_unchecked(info) },
            family,
        }
    }

    /// Returns how many bytes there are.
    #[inline]
    pub(super) fn len(&self) -> c_int {
        // SAFETY: By the type invariants, `skb` is valid. CAST: Buffers are smaller than 2 GiB.
        unsafe { (*self.skb.as_ptr()).len as c_int }
    }

    /// Appends a message of command `cmd`, which `fill` fills in. [`EMSGSIZE`] if there is no room
    /// for it in this buffer, or what `fill` says; in both cases, nothing is appended.
    pub(crate) fn message(&mut self, cmd: u8, fill: impl FnOnce(&mut Payload) -> Result) -> Result {
        let skb = self.skb.as_ptr();
        let info = self.info.as_ptr();
        // CAST: A bit of 16.
        const MULTI: c_int = bindings::NLM_F_MULTI as c_int;

        // SAFETY: By the type invariants, `skb` and `info` are valid, and so is the family.
        let header = unsafe {
            bindings::genlmsg_put(
                skb,
                (*info).snd_portid,
                (*info).snd_seq,
                self.family.as_raw(),
                MULTI,
                cmd,
            )
        };
        let header = NonNull::new(header).ok_or(EMSGSIZE)?;
        // SAFETY: By the type invariants, nobody else has access to `skb`. Its data ends where the
        // payload begins, as the family has no header of its own, and the buffer reaches as far as
        // `room()` says.
        let mut payload = unsafe { Payload::new(self.skb, header.cast(), self.room()) };

        let filled = fill(&mut payload);
        // SAFETY: `skb` is valid, and this is the payload of its last message.
        unsafe {
            match filled {
                Ok(()) => bindings::genlmsg_end(skb, header.as_ptr()),
                Err(_) => bindings::genlmsg_cancel(skb, header.as_ptr()),
            }
        }
        filled
    }

    /// Returns how many bytes the buffer has behind its data. Mirrors `skb_tailroom()`, for buffers
    /// in one piece.
    fn room(&self) -> usize {
        let skb = self.skb.as_ptr();
        // SAFETY: By the type invariants, `skb` is valid. Both are offsets, or both are addresses.
        // CAST: `usize` is at least as wide as either.
        let (end, tail) = unsafe { ((*skb).end as usize, (*skb).tail as usize) };
        end.wrapping_sub(tail)
    }
}
