// SPDX-License-Identifier: GPL-2.0

//! Messages: built of attributes, consumed by sending them.

use super::{
    family::Operations,
    Family, //
};
use kernel::{
    alloc::AllocError,
    bindings,
    prelude::*,
    static_assert, //
};

use zerocopy::KnownLayout;
use zerocopy_derive::KnownLayout;

use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// The size of a message's headers: netlink's and generic netlink's.
pub(crate) const HEADERS: usize =
    size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();

/// The room that a message gets.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    /// For attributes, in bytes.
    pub(crate) size: usize,
    /// Before the message, in bytes, less than 8. A message begins at a multiple of 8, its attributes
    /// at a multiple of 4; this moves it, so that a payload in it is aligned.
    pub(crate) headroom: u8,
}

/// A finished message, ready to be sent. Dropping it frees it.
///
/// # Invariants
///
/// `skb` is a valid socket buffer with one finished netlink message, which this value owns.
pub(crate) struct Packet {
    skb: NonNull<bindings::sk_buff>,
}

// SAFETY: A socket buffer that nobody else has may be sent and freed by any thread.
unsafe impl Send for Packet {}

impl Packet {
    /// Gives the socket buffer away.
    #[inline]
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).skb.as_ptr()
    }

    /// Makes another packet of the same bytes, which are shared. Mirrors `skb_clone()`.
    #[inline]
    pub(crate) fn try_clone(&self) -> Result<Self, AllocError> {
        // SAFETY: By the type invariants, `skb` is valid.
        let skb = unsafe { bindings::skb_clone(self.skb.as_ptr(), bindings::GFP_KERNEL) };
        // INVARIANT: The clone is ours, and of the same message.
        Ok(Self {
            skb: NonNull::new(skb).ok_or(AllocError)?,
        })
    }
}

impl Drop for Packet {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `skb` is valid and ours.
        unsafe { bindings::nlmsg_free(self.skb.as_ptr()) };
    }
}

/// The header of an attribute, as it is in a message.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct AttributeHeader {
    len: u16,
    type_: u16,
}

static_assert!(size_of::<AttributeHeader>() == size_of::<bindings::nlattr>());

impl AttributeHeader {
    /// Makes the header of an attribute of type `attribute` with `payload` bytes, which follow it.
    #[inline]
    pub(crate) const fn new(attribute: c_uint, payload: usize) -> Self {
        // CAST: Attribute types are 14 bits wide, and no payload of a constant size is as long.
        Self {
            len: (size_of::<Self>() + payload) as u16,
            type_: attribute as u16,
        }
    }
}

/// A message that is being built. Dropping it frees it.
///
/// # Invariants
///
/// `packet` holds one generic netlink message, not finished yet, whose payload starts at `payload`;
/// its buffer has room for `left` more bytes.
pub(crate) struct Message {
    packet: Packet,
    payload: NonNull<c_void>,
    left: usize,
}

impl Message {
    /// Starts a message of `family` with the given room. [`ENOMEM`] if there is no memory for it.
    #[inline]
    pub(crate) fn new<T: Operations>(
        family: &Family<T>,
        portid: u32,
        seq: u32,
        cmd: u8,
        room: Room,
    ) -> Result<Self> {
        // SAFETY: By its type invariants, the family is valid.
        unsafe { Self::from_raw_family(family.as_raw(), portid, seq, cmd, room) }
    }

    /// Starts a message. Mirrors `genlmsg_new()` and `genlmsg_put()`.
    ///
    /// # Safety
    ///
    /// `family` must be valid.
    #[inline]
    pub(super) unsafe fn from_raw_family(
        family: *const bindings::genl_family,
        portid: u32,
        seq: u32,
        cmd: u8,
        room: Room,
    ) -> Result<Self> {
        // SAFETY: There are no requirements on the arguments.
        let skb = unsafe {
            bindings::genlmsg_new(room.size + usize::from(room.headroom), bindings::GFP_KERNEL)
        };
        // INVARIANT: The socket buffer is ours; that the message in it is unfinished is taken care
        // of by `Message`.
        let packet = Packet {
            skb: NonNull::new(skb).ok_or(ENOMEM)?,
        };
        // SAFETY: `skb` is valid, empty, and was made with the headroom in addition to the rest.
        unsafe { bindings::skb_reserve(skb, room.headroom.into()) };
        // SAFETY: `skb` is valid, and so is `family` by the safety requirements of this function.
        let payload = unsafe { bindings::genlmsg_put(skb, portid, seq, family, 0, cmd) };
        // INVARIANT: `genlmsg_put()` has started the message and returned its payload; it used the
        // bytes that `genlmsg_new()` had allocated for headers.
        Ok(Self {
            packet,
            payload: NonNull::new(payload).ok_or(EINVAL)?,
            left: room.size,
        })
    }

    /// Appends attributes, all of them zeroes, and returns them to be filled in: `T` is how they are
    /// in the message, headers included. [`EMSGSIZE`] if there is no room for them, or they would
    /// not be aligned.
    #[inline]
    pub(crate) fn append<T: FromBytes + IntoBytes + KnownLayout>(&mut self) -> Result<&mut T> {
        let size = size_of::<T>();
        // What follows is aligned as attributes are.
        const { assert!(size_of::<T>() % bindings::NLA_ALIGNTO as usize == 0) };

        // INVARIANT: The room shrinks by what is used of it below.
        self.left = self.left.checked_sub(size).ok_or(EMSGSIZE)?;
        // SAFETY: By the type invariants, `skb` is valid, and its buffer has this room. CAST: No more
        // than the room, which was allocated.
        let bytes = unsafe { bindings::skb_put(self.packet.skb.as_ptr(), size as c_uint) };
        // SAFETY: These bytes were made part of the message above.
        unsafe { bytes.cast::<u8>().write_bytes(0, size) };
        // SAFETY: As above; they were written, and nobody else has access to the message.
        let bytes = unsafe { core::slice::from_raw_parts_mut(bytes.cast::<u8>(), size) };

        T::mut_from_bytes(bytes).map_err(|_| EMSGSIZE)
    }

    /// Finishes the message: its header gets the length. Mirrors `genlmsg_end()`.
    #[inline]
    pub(crate) fn end(self) -> Packet {
        // SAFETY: By the type invariants, this is the message's payload.
        unsafe { bindings::genlmsg_end(self.packet.skb.as_ptr(), self.payload.as_ptr()) };
        self.packet
    }
}
