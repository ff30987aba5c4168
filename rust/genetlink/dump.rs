// SPDX-License-Identifier: GPL-2.0

//! A dump: many messages in answer to one request, a buffer at a time.

use super::{
    family::{
        Family,
        Operations, //
    },
    message::HEADERS,
    payload::Payload, //
};
use kernel::{
    prelude::*,
    static_assert, //
};
use taskstats_bindings as bindings;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The headers of a message, as they are in it. Neither has padding.
#[repr(C)]
struct Headers {
    netlink: bindings::nlmsghdr,
    generic: bindings::genlmsghdr,
}

static_assert!(size_of::<Headers>() == HEADERS);
static_assert!(HEADERS == 16 + 4);

/// A buffer of a dump that is being filled.
///
/// # Invariants
///
/// `skb` is a valid socket buffer that nobody else has access to, and `info` a valid `genl_info` of
/// the request.
pub(crate) struct Dump<'a, T: Operations> {
    skb: NonNull<bindings::sk_buff>,
    info: NonNull<bindings::genl_info>,
    family_id: u16,
    _family: PhantomData<&'a Family<T>>,
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
            // SAFETY: By its type invariants, the family is valid; it is registered while it dumps,
            // and its id stays. CAST: Ids are those of messages.
            family_id: unsafe { (*family.as_raw()).id } as u16,
            _family: PhantomData,
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
    #[inline]
    pub(crate) fn message(&mut self, cmd: u8, fill: impl FnOnce(&mut Payload) -> Result) -> Result {
        // SAFETY: By the type invariants, `skb` is valid.
        let end = unsafe { bindings::skb_tail_pointer(self.skb.as_ptr()) };
        let end = NonNull::new(end).ok_or(EMSGSIZE)?;
        // SAFETY: By the type invariants, nobody else has access to `skb`. Its data ends at `end`,
        // and the buffer reaches as far as `room()` says.
        let mut payload = unsafe { Payload::new(self.skb, end, self.room()) };
        let place = payload.extend(size_of::<Headers>())?.cast::<Headers>();

        fill(&mut payload)?;

        // SAFETY: By the type invariants, `info` is valid.
        let (seq, portid) = unsafe {
            (
                (*self.info.as_ptr()).snd_seq,
                (*self.info.as_ptr()).snd_portid,
            )
        };
        let headers = Headers {
            netlink: bindings::nlmsghdr {
                // CAST: No more than the room.
                nlmsg_len: payload.size() as u32,
                nlmsg_type: self.family_id,
                // CAST: A bit of 16.
                nlmsg_flags: bindings::NLM_F_MULTI as u16,
                nlmsg_seq: seq,
                nlmsg_pid: portid,
            },
            generic: bindings::genlmsghdr {
                cmd,
                // CAST: Versions are small.
                version: T::VERSION as u8,
                reserved: 0,
            },
        };
        // SAFETY: The bytes appended first.
        unsafe { place.write_unaligned(headers) };
        // SAFETY: What appends to a payload writes all of it before it returns, and the rest was
        // written above.
        unsafe { payload.finish() };
        Ok(())
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
