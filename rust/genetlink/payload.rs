// SPDX-License-Identifier: GPL-2.0

//! The payload of a message: attributes, one behind the other, each aligned to four bytes.
//!
//! Attributes whose layout is known when compiling are appended in one piece, as a type
//! ([`Payload::append`], [`Payload::push`]); all others are put one by one ([`Payload::put`],
//! [`Payload::nest`]).
//!
//! Where a message of a dump begins in memory depends on the size of the buffer that user space
//! receives with, which may be odd. So attributes are written as unaligned, which costs nothing
//! where the CPU does not mind.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use kernel::{
    prelude::*,
    static_assert, //
};
use taskstats_bindings as bindings;

use zerocopy::{
    Immutable,
    KnownLayout, //
};
use zerocopy_derive::{
    Immutable,
    KnownLayout, //
};

use core::ptr::NonNull;

/// Whether C pads attributes whose payload is to be aligned to eight bytes: where the CPU does not
/// read unaligned words well. Mirrors the condition in `nla_need_padding_for_64bit()`.
pub(crate) const PADS_64BIT: bool = !cfg!(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS);

/// The alignment of attributes.
// CAST: A small constant.
const ALIGN: usize = bindings::NLA_ALIGNTO as usize;

/// The size of an attribute's header.
pub(crate) const HEADER: usize = size_of::<AttributeHeader>();

/// The header of an attribute, as it is in a message.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct AttributeHeader {
    len: u16,
    type_: u16,
}

static_assert!(size_of::<AttributeHeader>() == size_of::<bindings::nlattr>());
static_assert!(HEADER % ALIGN == 0);

impl AttributeHeader {
    /// Returns the header of an attribute of type `TYPE` with `LEN` bytes of payload, which follow
    /// it. Both are checked when compiling.
    #[inline]
    pub(crate) const fn of<const TYPE: c_uint, const LEN: usize>() -> Self {
        const { Self::checked(TYPE, LEN) }
    }

    /// As [`Self::of()`], of an attribute around others, marked as such.
    #[inline]
    pub(crate) const fn nest<const TYPE: c_uint, const LEN: usize>() -> Self {
        const {
            let mut header = Self::checked(TYPE, LEN);
            // CAST: A bit of 16.
            header.type_ |= bindings::NLA_F_NESTED as u16;
            header
        }
    }

    #[inline]
    const fn checked(type_: c_uint, len: usize) -> Self {
        assert!(type_ <= bindings::NLA_TYPE_MASK as c_uint);
        assert!(HEADER + len <= u16::MAX as usize);
        // CAST: Both were checked above.
        Self {
            len: (HEADER + len) as u16,
            type_: type_ as u16,
        }
    }

    /// Returns the header of an attribute with `len` bytes of payload, or [`EMSGSIZE`] if an
    /// attribute cannot have as many. `type_` may have flags in its upper bits.
    #[inline]
    fn new(type_: u16, len: usize) -> Result<Self> {
        let len = len.checked_add(HEADER).ok_or(EMSGSIZE)?;

        Ok(Self {
            len: u16::try_from(len).map_err(|_| EMSGSIZE)?,
            type_,
        })
    }
}

/// Defines an attribute with a number, as it is in a message.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $type:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout)]
        #[repr(C)]
        pub(crate) struct $name {
            header: AttributeHeader,
            // Bytes, because attributes of eight bytes are aligned to four.
            value: [u8; size_of::<$type>()],
        }

        impl $name {
            /// Returns an attribute of type `TYPE`, which is checked when compiling.
            #[inline]
            pub(crate) const fn of<const TYPE: c_uint>(value: $type) -> Self {
                Self {
                    header: AttributeHeader::of::<TYPE, { size_of::<$type>() }>(),
                    value: value.to_ne_bytes(),
                }
            }
        }
    };
}

number! {
    /// An attribute that is a `u32`.
    AttributeU32, u32
}
number! {
    /// An attribute that is an `i32`.
    AttributeI32, i32
}
number! {
    /// An attribute that is a `u64`.
    AttributeU64, u64
}

/// The payload of a message that is being built.
///
/// # Invariants
///
/// `skb` is a valid socket buffer that nobody else has access to. Its data ends at `begin`. Behind
/// that, its buffer has the bytes up to `end`, and `left` more.
pub(crate) struct Payload {
    skb: NonNull<bindings::sk_buff>,
    begin: NonNull<u8>,
    end: NonNull<u8>,
    left: usize,
}

// SAFETY: Nobody else has access to the socket buffer, which may be used by any thread.
unsafe impl Send for Payload {}

impl Payload {
    /// # Safety
    ///
    /// `skb` must be valid as long as the payload exists, and nobody else may use it meanwhile. Its
    /// data must end at `end`, and its buffer have room for `left` bytes behind that.
    #[inline]
    pub(super) unsafe fn new(
        skb: NonNull<bindings::sk_buff>,
        end: NonNull<u8>,
        left: usize,
    ) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            skb,
            begin: end,
            end,
            left,
        }
    }

    /// Makes what was appended part of the socket buffer's data. What was not is forgotten with the
    /// payload.
    ///
    /// # Safety
    ///
    /// All bytes that [`Self::extend()`] gave out must have been written.
    #[inline]
    pub(super) unsafe fn finish(&mut self) {
        let size = self.size();
        // SAFETY: By the type invariants, `skb` is valid, and its buffer has these bytes behind its
        // data. CAST: No more than the room, which was allocated.
        unsafe { bindings::skb_put(self.skb.as_ptr(), size as c_uint) };
        // INVARIANT: The data ends there now.
        self.begin = self.end;
    }

    /// Returns how many bytes were appended.
    #[inline]
    pub(super) fn size(&self) -> usize {
        self.end.addr().get().wrapping_sub(self.begin.addr().get())
    }

    /// Appends `size` bytes, and returns where they are. They are not written yet.
    #[inline]
    pub(super) fn extend(&mut self, size: usize) -> Result<NonNull<u8>> {
        let left = self.left.checked_sub(size).ok_or(EMSGSIZE)?;
        let place = self.end;

        // INVARIANT: The room shrinks by the bytes that are appended.
        self.left = left;
        // SAFETY: By the type invariants, the buffer reaches at least that far.
        self.end = unsafe { place.add(size) };
        Ok(place)
    }

    /// Appends attributes: `T` is how they are in the message, headers included. [`EMSGSIZE`] if
    /// there is no room for them; in that case, nothing is appended.
    #[inline(always)]
    pub(crate) fn push<T: IntoBytes>(&mut self, attributes: T) -> Result {
        // What follows is aligned as attributes are.
        const { assert!(size_of::<T>() % ALIGN == 0) };

        let place = self.extend(size_of::<T>())?.cast::<T>();
        // SAFETY: The bytes were appended above, and nobody else has access to them. All of them
        // are written: a `T` has no padding.
        unsafe { place.write_unaligned(attributes) };
        Ok(())
    }

    /// Returns whether what is appended next begins at a multiple of `align` in memory.
    #[inline]
    fn is_aligned(&self, align: usize) -> bool {
        self.end.addr().get() % align == 0
    }

    /// Appends attributes, all of them zeroes, and returns them to be filled in: `T` is how they
    /// are in the message, headers included. [`EMSGSIZE`] if there is no room for them, or they
    /// would not be aligned; in that case, nothing is appended.
    #[inline]
    pub(crate) fn append<T: FromBytes + IntoBytes + KnownLayout>(&mut self) -> Result<&mut T> {
        // What follows is aligned as attributes are.
        const { assert!(size_of::<T>() % ALIGN == 0) };

        if !self.is_aligned(align_of::<T>()) {
            return Err(EMSGSIZE);
        }
        let place = self.extend(size_of::<T>())?.cast::<T>();
        // SAFETY: The bytes were appended above, and nobody else has access to them.
        unsafe { place.write_bytes(0, 1) };
        // SAFETY: The place is aligned, as checked above, all of its bytes have been written, and
        // any bytes make a `T`. Nobody else has access while the payload is borrowed.
        Ok(unsafe { &mut *place.as_ptr() })
    }

    /// Appends an attribute whose payload is a `T` of zeroes, aligned as `T` is, and returns it to
    /// be filled in. [`EMSGSIZE`] if there is no room for it, or it would not be aligned; in that
    /// case, nothing is appended.
    ///
    /// `PADS` says whether an empty attribute of type `PAD` is put before it if the payload would
    /// not begin at a multiple of eight otherwise. Mirrors `nla_reserve_64bit()`, where that is
    /// [`PADS_64BIT`].
    #[inline]
    pub(crate) fn reserve_64bit<T, const PADS: bool, const TYPE: c_uint, const PAD: c_uint>(
        &mut self,
    ) -> Result<&mut T>
    where
        T: FromBytes + IntoBytes + KnownLayout,
    {
        const { assert!(size_of::<T>() % ALIGN == 0) };

        let pad = if PADS && self.is_aligned(8) {
            HEADER
        } else {
            0
        };
        let payload = self.end.addr().get().wrapping_add(pad + HEADER);
        if payload % align_of::<T>() != 0 {
            return Err(EMSGSIZE);
        }

        let place = self.extend(pad + HEADER + size_of::<T>())?;
        let header = if pad != 0 {
            // SAFETY: The first bytes of those appended above.
            unsafe {
                place
                    .cast()
                    .write_unaligned(AttributeHeader::of::<PAD, 0>())
            };
            // SAFETY: Within the bytes appended above.
            unsafe { place.add(pad) }
        } else {
            place
        };
        let header = header.cast::<AttributeHeader>();
        // SAFETY: As above.
        unsafe { header.write_unaligned(const { AttributeHeader::checked(TYPE, size_of::<T>()) }) };
        // SAFETY: Within the bytes appended above, behind the header.
        let place = unsafe { header.add(1) }.cast::<T>();
        // SAFETY: As above, and aligned, as checked before.
        unsafe { place.write_bytes(0, 1) };
        // SAFETY: As in `append()`.
        Ok(unsafe { &mut *place.as_ptr() })
    }

    /// Appends an attribute with `payload`, padded with zeroes. [`EMSGSIZE`] if there is no room
    /// for it; in that case, nothing is appended. Mirrors `nla_put()`.
    #[inline]
    pub(crate) fn put<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        type_: u16,
        payload: &T,
    ) -> Result {
        let payload = payload.as_bytes();
        let header = AttributeHeader::new(type_, payload.len())?;
        let size = HEADER + payload.len();
        let padded = size.next_multiple_of(ALIGN);
        let place = self.extend(padded)?;

        // SAFETY: The first bytes of those appended above.
        unsafe { place.cast().write_unaligned(header) };
        // SAFETY: Within the bytes appended above, behind the header and of the payload's size;
        // nobody else has access to them.
        unsafe {
            place
                .add(HEADER)
                .copy_from_nonoverlapping(NonNull::from(payload).cast(), payload.len())
        };
        // SAFETY: The rest of the bytes appended above.
        unsafe { place.add(size).write_bytes(0, padded - size) };
        Ok(())
    }

    /// Appends a `u8`. Mirrors `nla_put_u8()`.
    #[inline]
    pub(crate) fn put_u8(&mut self, type_: u16, value: u8) -> Result {
        self.put(type_, &value)
    }

    /// Appends a `u16`. Mirrors `nla_put_u16()`.
    #[inline]
    pub(crate) fn put_u16(&mut self, type_: u16, value: u16) -> Result {
        self.put(type_, &value)
    }

    /// Appends a `u32`. Mirrors `nla_put_u32()`.
    #[inline]
    pub(crate) fn put_u32(&mut self, type_: u16, value: u32) -> Result {
        self.put(type_, &value)
    }

    /// Appends an unsigned number of variable size: four bytes where they are enough, and eight
    /// otherwise. Mirrors `nla_put_uint()`.
    #[inline]
    pub(crate) fn put_uint(&mut self, type_: u16, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.put(type_, &value),
            Err(_) => self.put(type_, &value),
        }
    }

    /// Appends a string with its NUL. Mirrors `nla_put_string()`.
    #[inline]
    pub(crate) fn put_string(&mut self, type_: u16, value: &CStr) -> Result {
        self.put(type_, value.to_bytes_with_nul())
    }

    /// Appends a flag, which is there or not and has no payload. Mirrors `nla_put_flag()`.
    #[inline]
    pub(crate) fn put_flag(&mut self, type_: u16) -> Result {
        self.put::<[u8]>(type_, &[])
    }

    /// Appends an attribute around those that `fill` appends, marked as such. If `fill` fails, or
    /// they are too long for one attribute ([`EMSGSIZE`]), nothing is appended. Mirrors
    /// `nla_nest_start()`, `nla_nest_end()` and `nla_nest_cancel()`.
    #[inline]
    pub(crate) fn nest(&mut self, type_: u16, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        // CAST: A bit of 16.
        self.nest_noflag(type_ | bindings::NLA_F_NESTED as u16, fill)
    }

    /// As [`Self::nest()`], without the mark: for interfaces that are older than it. Mirrors
    /// `nla_nest_start_noflag()`.
    #[inline]
    pub(crate) fn nest_noflag(
        &mut self,
        type_: u16,
        fill: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        let (begin, left) = (self.end, self.left);
        self.extend(HEADER)?;

        let header = fill(self).and_then(|()| {
            AttributeHeader::new(type_, left.wrapping_sub(self.left).wrapping_sub(HEADER))
        });
        match header {
            Ok(header) => {
                // SAFETY: The bytes appended first.
                unsafe { begin.cast().write_unaligned(header) };
                Ok(())
            }
            Err(error) => {
                // INVARIANT: As it was before.
                (self.end, self.left) = (begin, left);
                Err(error)
            }
        }
    }
}
