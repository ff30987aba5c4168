// SPDX-License-Identifier: GPL-2.0

//! Attributes of a request.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use kernel::{
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// An attribute of a received message.
///
/// # Invariants
///
/// `ptr` points to an attribute whose `nla_len` bytes lie within a message that is neither changed
/// nor freed during `'a`, and `nla_len` is at least the size of the attribute's header.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Attribute<'a> {
    ptr: NonNull<bindings::nlattr>,
    _message: PhantomData<&'a [u8]>,
}

impl<'a> Attribute<'a> {
    #[inline]
    pub(super) fn as_ptr(self) -> *const bindings::nlattr {
        self.ptr.as_ptr()
    }

    /// Returns the payload. Mirrors `nla_data()` and `nla_len()`.
    #[inline]
    pub(crate) fn payload(self) -> &'a [u8] {
        let header = size_of::<bindings::nlattr>();
        // SAFETY: By the type invariants, `ptr` is valid for reads of the header.
        let len = usize::from(unsafe { (*self.ptr.as_ptr()).nla_len });

        // SAFETY: By the type invariants, the attribute's `nla_len` bytes are within a message that
        // stays as it is during `'a`, and the header is a part of them. Bytes need no alignment.
        unsafe {
            core::slice::from_raw_parts(
                self.ptr.as_ptr().cast::<u8>().cast_const().add(header),
                len.saturating_sub(header),
            )
        }
    }

    /// Returns the payload as an unsigned number of four or eight bytes, or [`EINVAL`] if it is
    /// neither, which a [`Policy::UINT`](super::Policy::UINT) rules out. Mirrors `nla_get_uint()`.
    #[inline]
    pub(crate) fn uint(self) -> Result<u64> {
        let payload = self.payload();
        match payload.len() {
            4 => Ok(self.u32()?.into()),
            8 => {
                let bytes = payload.first_chunk().ok_or(EINVAL)?;
                Ok(u64::from_ne_bytes(*bytes))
            }
            _ => Err(EINVAL),
        }
    }

    /// Returns the attributes that this one is a nest of, the last one of each type, indexed by
    /// type. Those of type `N` and above are left out.
    ///
    /// A [`Policy::nested()`](super::Policy::nested) has checked them before the command was
    /// called.
    pub(crate) fn nested<const N: usize>(self) -> [Option<Attribute<'a>>; N] {
        let mut table = [None; N];
        let mut rest = self.payload();

        while let Some(header) = rest.first_chunk::<{ size_of::<bindings::nlattr>() }>() {
            let [len, more, type_, flags] = *header;
            let len = usize::from(u16::from_ne_bytes([len, more]));
            // CAST: A mask of 14 bits.
            let type_ = u16::from_ne_bytes([type_, flags]) & bindings::NLA_TYPE_MASK as u16;
            if len < header.len() || len > rest.len() {
                break;
            }
            if let Some(entry) = table.get_mut(usize::from(type_)) {
                // INVARIANT: The attribute's bytes are within this one, as checked above. It is
                // aligned as this one is: all begin at a multiple of four.
                *entry = Some(Self {
                    ptr: NonNull::from(header).cast(),
                    _message: PhantomData,
                });
            }
            // CAST: A small constant.
            rest = rest
                .get(len.next_multiple_of(bindings::NLA_ALIGNTO as usize)..)
                .unwrap_or_default();
        }
        table
    }

    /// Returns the payload up to the first NUL, if there is one.
    #[inline]
    pub(crate) fn string(self) -> &'a [u8] {
        let payload = self.payload();
        payload.split(|byte| *byte == 0).next().unwrap_or(payload)
    }

    /// Returns the payload's first four bytes as a number, or [`EINVAL`] if there are fewer, which
    /// a [`Policy::U32`](super::Policy::U32) rules out. Mirrors `nla_get_u32()`.
    #[inline]
    pub(crate) fn u32(self) -> Result<u32> {
        let bytes = self.payload().first_chunk().ok_or(EINVAL)?;
        Ok(u32::from_ne_bytes(*bytes))
    }
}

/// The attributes of a request.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a [Option<Attribute<'a>>]);

impl<'a> Attributes<'a> {
    /// Wraps a table of attributes that the netlink core has parsed, indexed by type. Null is an
    /// empty one.
    ///
    /// # Safety
    ///
    /// `table` must be null, or come from the core's parser (`__nla_parse()`) and have `len`
    /// entries. It and the message must stay as they are during `'a`.
    #[inline]
    pub(super) unsafe fn from_raw(table: *mut *mut bindings::nlattr, len: usize) -> Self {
        if len == 0 || table.is_null() {
            return Self(&[]);
        }
        // INVARIANT: The parser has checked the length of each attribute against the message
        // (`nla_ok()`), and by the safety requirements of this function the message stays as it is.
        // SAFETY: By the safety requirements, there are as many entries, each of them null or an
        // attribute. CAST: `Attribute` is a transparent wrapper of a pointer that is not null, so
        // an option of it is a pointer.
        Self(unsafe { core::slice::from_raw_parts(table.cast::<Option<Attribute<'a>>>(), len) })
    }

    /// Returns the attribute of type `attribute`, the last one if there are several, if it is
    /// there.
    #[inline]
    pub(crate) fn get(self, attribute: c_uint) -> Option<Attribute<'a>> {
        // CAST: `usize` is at least 32 bits wide.
        *self.0.get(attribute as usize)?
    }
}
