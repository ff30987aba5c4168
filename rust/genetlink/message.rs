// SPDX-License-Identifier: GPL-2.0

//! Messages: a buffer with room, a header, attributes, and then a packet that is consumed by
//! sending it.
//!
//! C headers: [`include/net/genetlink.h`](srctree/include/net/genetlink.h),
//! [`include/net/netlink.h`](srctree/include/net/netlink.h)

use super::{
    family::{
        Family,
        Operations, //
    },
    gfp::raw_flags,
    payload::Payload, //
};
use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    error::to_result,
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::{
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

/// The size of a message's headers: netlink's and generic netlink's.
pub(crate) const HEADERS: usize =
    size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();

/// The room that a message gets for its attributes.
///
/// # Invariants
///
/// `size` is at most [`Room::MAX`], and `headroom` less than 8.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    size: usize,
    headroom: usize,
}

impl Room {
    /// The most room that a message may get, in bytes. One attribute cannot be longer, and what is
    /// longer altogether is for a dump.
    pub(crate) const MAX: usize = 1 << 16;

    /// Returns the room for `size` bytes, headers of attributes and their padding included, or
    /// `None` if that is more than [`Room::MAX`].
    pub(crate) const fn new(size: usize) -> Option<Self> {
        if size > Self::MAX {
            return None;
        }
        // INVARIANT: Checked above.
        Some(Self { size, headroom: 0 })
    }

    /// Returns the room for attributes that are laid out as a `T`, the first of which is to be
    /// aligned in memory as `T` is.
    ///
    /// A message begins at a multiple of 8, its attributes at a multiple of 4. A few bytes before
    /// the message move them.
    pub(crate) const fn of<T>() -> Self {
        const { assert!(size_of::<T>() <= Self::MAX && align_of::<T>() <= 8) };
        // INVARIANT: The size was checked above, and so was the alignment, which the headroom is
        // less than.
        Self {
            size: size_of::<T>(),
            headroom: HEADERS.next_multiple_of(align_of::<T>()) - HEADERS,
        }
    }
}

/// A socket buffer for a netlink message. Dropping it frees it.
///
/// # Invariants
///
/// `skb` is a valid socket buffer, which this value owns.
struct SkBuff {
    skb: NonNull<bindings::sk_buff>,
}

// SAFETY: A socket buffer that nobody else has may be used and freed by any thread.
unsafe impl Send for SkBuff {}

impl Drop for SkBuff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `skb` is valid and ours.
        unsafe { bindings::nlmsg_free(self.skb.as_ptr()) };
    }
}

/// An empty socket buffer, in which a message can be started.
///
/// # Invariants
///
/// `skb` is empty. Its buffer has the size of a message's headers, and `room` more bytes.
pub(crate) struct NetlinkSkBuff {
    skb: SkBuff,
    room: usize,
}

impl NetlinkSkBuff {
    /// Allocates a buffer. Mirrors `genlmsg_new()`.
    #[inline]
    pub(crate) fn new(room: Room, flags: Flags) -> Result<Self, AllocError> {
        // SAFETY: There are no requirements on the arguments. By the type invariants of `Room`, the
        // size is small enough for the types that C computes with.
        let skb = unsafe {
            bindings::genlmsg_new(room.size.wrapping_add(room.headroom), raw_flags(flags))
        };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: `skb` is valid, empty, and was made with the headroom in addition to the rest.
        // CAST: Less than 8.
        unsafe { bindings::skb_reserve(skb.as_ptr(), room.headroom as c_int) };
        // INVARIANT: The socket buffer is ours. `genlmsg_new()` adds the headers' size to what it
        // is given, of which the headroom was used up.
        Ok(Self {
            skb: SkBuff { skb },
            room: room.size,
        })
    }

    /// Starts a message of `family`. Mirrors `genlmsg_put()`.
    #[inline]
    pub(crate) fn genlmsg_put<T: Operations>(
        self,
        portid: u32,
        seq: u32,
        family: &Family<T>,
        cmd: u8,
    ) -> Result<GenlMsg> {
        // SAFETY: By its type invariants, the family is valid.
        unsafe { self.put_raw(portid, seq, family.as_raw(), cmd) }
    }

    /// Starts a message. Mirrors `genlmsg_put()`.
    ///
    /// # Safety
    ///
    /// `family` must be a valid family without a header of its own.
    #[inline]
    pub(super) unsafe fn put_raw(
        self,
        portid: u32,
        seq: u32,
        family: *const bindings::genl_family,
        cmd: u8,
    ) -> Result<GenlMsg> {
        let skb = self.skb.skb;
        // SAFETY: `skb` is valid, and so is `family` by the safety requirements of this function.
        let payload = unsafe { bindings::genlmsg_put(skb.as_ptr(), portid, seq, family, 0, cmd) };
        let payload = NonNull::new(payload).ok_or(EINVAL)?;

        // INVARIANT: `genlmsg_put()` has started the message and returned its payload.
        Ok(GenlMsg {
            skb: self.skb,
            header: payload,
            // SAFETY: The buffer is ours for as long as the message exists, which the payload is a
            // part of. Of the room, nothing was used: the headers have their own. The family has no
            // header, so the buffer's data ends where the payload begins.
            payload: unsafe { Payload::new(skb, payload.cast(), self.room) },
        })
    }
}

/// A generic netlink message that is being built. Dropping it frees it.
///
/// # Invariants
///
/// `skb` holds one generic netlink message, not finished yet, whose payload is `payload` and begins
/// at `header`.
pub(crate) struct GenlMsg {
    skb: SkBuff,
    header: NonNull<c_void>,
    payload: Payload,
}

impl GenlMsg {
    /// Finishes the message: its header gets the length. Mirrors `genlmsg_end()`.
    #[inline]
    pub(crate) fn end(mut self) -> Packet {
        // SAFETY: What appends to a payload writes all of it before it returns.
        unsafe { self.payload.finish() };
        // SAFETY: By the type invariants, this is where the message's payload begins.
        unsafe { bindings::genlmsg_end(self.skb.skb.as_ptr(), self.header.as_ptr()) };
        // INVARIANT: Finished above.
        Packet { skb: self.skb }
    }
}

impl Deref for GenlMsg {
    type Target = Payload;

    #[inline]
    fn deref(&self) -> &Payload {
        &self.payload
    }
}

impl DerefMut for GenlMsg {
    #[inline]
    fn deref_mut(&mut self) -> &mut Payload {
        &mut self.payload
    }
}

/// A finished message, ready to be sent. Dropping it frees it.
///
/// # Invariants
///
/// `skb` holds one finished netlink message.
pub(crate) struct Packet {
    skb: SkBuff,
}

impl Packet {
    /// Sends the packet to the members of a group of the family, in the initial network namespace.
    /// Mirrors `genlmsg_multicast()`.
    ///
    /// `group` is an index into [`Operations::GROUPS`]; [`EINVAL`] if there is none of that index,
    /// or the family has never been registered, [`ESRCH`] if nobody is a member.
    pub(crate) fn multicast<T: Operations>(
        self,
        family: &Family<T>,
        group: usize,
        flags: Flags,
    ) -> Result {
        // SAFETY: By its type invariants, the family is valid. The id is written before there are
        // members.
        let id = unsafe { (&raw const (*family.as_raw()).id).read_volatile() };
        if id == 0 || group >= T::GROUPS.len() {
            return Err(EINVAL);
        }
        // SAFETY: The family is valid, and has this group and the number of its first one. We give
        // a finished message away. CAST: There are at most 255 groups.
        to_result(unsafe {
            bindings::genlmsg_multicast(
                family.as_raw(),
                self.into_raw(),
                0,
                group as c_uint,
                raw_flags(flags),
            )
        })
    }

    /// Gives the socket buffer away.
    #[inline]
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).skb.skb.as_ptr()
    }

    /// Makes another packet of the same bytes, which are shared. Mirrors `skb_clone()`.
    #[inline]
    pub(crate) fn try_clone(&self, flags: Flags) -> Result<Self, AllocError> {
        // SAFETY: By the type invariants, `skb` is valid.
        let skb = unsafe { bindings::skb_clone(self.skb.skb.as_ptr(), raw_flags(flags)) };
        // INVARIANT: The clone is ours, and of the same message.
        Ok(Self {
            skb: SkBuff {
                skb: NonNull::new(skb).ok_or(AllocError)?,
            },
        })
    }

    /// Returns the bytes of the message.
    #[cfg(test_build)]
    pub(crate) fn bytes(&self) -> &[u8] {
        let skb = self.skb.skb.as_ptr();
        // SAFETY: By the type invariants, `skb` is valid, and its data was written when the message
        // was built. It is in one piece. CAST: `usize` is at least 32 bits wide.
        unsafe { core::slice::from_raw_parts((*skb).data, (*skb).len as usize) }
    }
}
