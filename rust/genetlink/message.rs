// SPDX-License-Identifier: GPL-2.0

//! Messages: built attribute by attribute, consumed by sending them.

use super::{
    family::Operations,
    Family, //
};
use kernel::{
    alloc::AllocError,
    bindings,
    error::to_result,
    prelude::*, //
};

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// The size of a message's headers: netlink's and generic netlink's.
pub(crate) const HEADERS: usize =
    size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();

/// Returns the room that an attribute with `payload` bytes takes. Mirrors `nla_total_size()`.
pub(crate) const fn attribute_size(payload: usize) -> usize {
    // CAST: `usize` is at least 32 bits wide.
    (size_of::<bindings::nlattr>() + payload).next_multiple_of(bindings::NLA_ALIGNTO as usize)
}

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

    /// Sends the packet to the socket that has `portid` in the initial network namespace, without
    /// waiting where its buffer is full. Mirrors `genlmsg_unicast()`.
    ///
    /// [`ECONNREFUSED`] says that there is no such socket.
    #[inline]
    pub(crate) fn unicast_init_net(self, portid: u32) -> Result {
        // SAFETY: `init_net` lives for ever, and we give a valid socket buffer away.
        to_result(unsafe {
            bindings::genlmsg_unicast(&raw mut bindings::init_net, self.into_raw(), portid)
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

/// A message that is being built. Dropping it frees it.
///
/// # Invariants
///
/// `packet` holds one generic netlink message, not finished yet, whose payload starts at `payload`.
pub(crate) struct Message {
    packet: Packet,
    payload: NonNull<c_void>,
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
        // INVARIANT: `genlmsg_put()` has started the message and returned its payload.
        Ok(Self {
            packet,
            payload: NonNull::new(payload).ok_or(EINVAL)?,
        })
    }

    /// Finishes the message: its header gets the length. Mirrors `genlmsg_end()`.
    #[inline]
    pub(crate) fn end(self) -> Packet {
        // SAFETY: By the type invariants, this is the message's payload.
        unsafe { bindings::genlmsg_end(self.packet.skb.as_ptr(), self.payload.as_ptr()) };
        self.packet
    }
}

// SAFETY: By the type invariants, the socket buffer holds a message that is being built.
unsafe impl Attributes for Message {
    #[inline]
    fn skb(&mut self) -> NonNull<bindings::sk_buff> {
        self.packet.skb
    }
}

/// What attributes can be appended to: a message, and a nest in it.
///
/// # Safety
///
/// [`Self::skb`] must return a valid socket buffer with a message that is being built, and `self`
/// must have exclusive access to it.
pub(crate) unsafe trait Attributes {
    /// Returns the socket buffer that the message is in.
    fn skb(&mut self) -> NonNull<bindings::sk_buff>;

    /// Appends an attribute. [`EMSGSIZE`] if there is no room for it. Mirrors `nla_put()`.
    #[inline]
    fn put(&mut self, attribute: c_uint, payload: &[u8]) -> Result {
        let len = c_int::try_from(payload.len())?;
        // SAFETY: By the trait's safety requirements, the socket buffer is valid; the payload is
        // readable for its length. CAST: Attribute types are 14 bits wide.
        to_result(unsafe {
            bindings::nla_put(
                self.skb().as_ptr(),
                attribute as c_int,
                len,
                payload.as_ptr().cast(),
            )
        })
    }

    /// Appends a `u32`. Mirrors `nla_put_u32()`.
    #[inline]
    fn put_u32(&mut self, attribute: c_uint, value: u32) -> Result {
        self.put(attribute, &value.to_ne_bytes())
    }

    /// Appends an attribute whose payload is `len` zeroes, and returns the payload to be filled in.
    /// [`EMSGSIZE`] if there is no room for it. Mirrors `nla_reserve()` with `memset()`.
    #[inline]
    fn reserve(&mut self, attribute: c_uint, len: usize) -> Result<&mut [u8]> {
        let attr_len = c_int::try_from(len)?;
        // SAFETY: By the trait's safety requirements, the socket buffer is valid. CAST: Attribute
        // types are 14 bits wide.
        let attribute =
            unsafe { bindings::nla_reserve(self.skb().as_ptr(), attribute as c_int, attr_len) };
        let attribute = NonNull::new(attribute).ok_or(EMSGSIZE)?;
        // SAFETY: The attribute has a payload of `len` bytes behind its header.
        let payload = unsafe { attribute.add(1) }.cast::<u8>();
        // SAFETY: As above.
        unsafe { payload.write_bytes(0, len) };
        // SAFETY: The payload was written above, nobody else has access to it while `self` is
        // borrowed, and bytes need no alignment.
        Ok(unsafe { core::slice::from_raw_parts_mut(payload.as_ptr(), len) })
    }

    /// Opens a nest: what is appended to it becomes part of the attribute `attribute`.
    /// [`EMSGSIZE`] if there is no room for it. Mirrors `nla_nest_start_noflag()`.
    #[inline]
    fn nest(&mut self, attribute: c_uint) -> Result<Nest<'_>> {
        let skb = self.skb();
        // SAFETY: By the trait's safety requirements, the socket buffer is valid. CAST: Attribute
        // types are 14 bits wide.
        let start = unsafe { bindings::nla_nest_start_noflag(skb.as_ptr(), attribute as c_int) };
        // INVARIANT: The nest has just been opened at the message's end, and nothing but the nest
        // can be appended to while it borrows the message.
        Ok(Nest {
            skb,
            start: NonNull::new(start).ok_or(EMSGSIZE)?,
            _message: PhantomData,
        })
    }
}

/// A nested attribute that is being filled. It closes when dropped.
///
/// # Invariants
///
/// `skb` holds a message that is borrowed during `'a`, and `start` is the header of an attribute in
/// it that reaches to the message's end.
pub(crate) struct Nest<'a> {
    skb: NonNull<bindings::sk_buff>,
    start: NonNull<bindings::nlattr>,
    _message: PhantomData<&'a mut Message>,
}

// SAFETY: By the type invariants, the socket buffer holds a message that is being built, and the
// nest borrows it exclusively.
unsafe impl Attributes for Nest<'_> {
    #[inline]
    fn skb(&mut self) -> NonNull<bindings::sk_buff> {
        self.skb
    }
}

impl Drop for Nest<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `start` is an attribute of this message. The return value
        // is the message's length.
        unsafe { bindings::nla_nest_end(self.skb.as_ptr(), self.start.as_ptr()) };
    }
}
