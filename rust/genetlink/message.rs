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

/// Returns the room that an attribute with `payload` bytes takes. Mirrors `nla_total_size()`.
pub(crate) const fn attribute_size(payload: usize) -> usize {
    (size_of::<bindings::nlattr>() + payload).next_multiple_of(bindings::NLA_ALIGNTO as usize)
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
    /// Starts a message of `family` with room for `size` bytes of attributes.
    #[inline]
    pub(crate) fn new<T: Operations>(
        family: &Family<T>,
        portid: u32,
        seq: u32,
        cmd: u8,
        size: usize,
    ) -> Result<Self> {
        // SAFETY: By its type invariants, the family is valid.
        unsafe { Self::from_raw_family(family.as_raw(), portid, seq, cmd, size) }
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
        size: usize,
    ) -> Result<Self> {
        // SAFETY: There are no requirements on the arguments.
        let skb = unsafe { bindings::genlmsg_new(size, bindings::GFP_KERNEL) };
        // INVARIANT: The socket buffer is ours; that the message in it is unfinished is taken care
        // of by `Message`.
        let packet = Packet {
            skb: NonNull::new(skb).ok_or(ENOMEM)?,
        };
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

    /// Appends an attribute whose payload is 64-bit aligned on machines where that matters, behind
    /// a `padding` attribute where needed. Mirrors `nla_put_64bit()`.
    #[inline]
    fn put_64bit(&mut self, attribute: c_uint, payload: &[u8], padding: c_uint) -> Result {
        let len = c_int::try_from(payload.len())?;
        // SAFETY: By the trait's safety requirements, the socket buffer is valid; the payload is
        // readable for its length. CAST: Attribute types are 14 bits wide.
        to_result(unsafe {
            bindings::nla_put_64bit(
                self.skb().as_ptr(),
                attribute as c_int,
                len,
                payload.as_ptr().cast(),
                padding as c_int,
            )
        })
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
