// SPDX-License-Identifier: GPL-2.0

//! Attributes of a request and the policies that they are checked against.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use kernel::{
    bindings,
    prelude::*, //
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// What an attribute must look like to be let through to a command.
///
/// A command has a table of these, indexed by attribute type.
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

impl Policy {
    /// Anything goes.
    pub(crate) const UNSPEC: Self = Self::of_type(bindings::NLA_UNSPEC);
    /// A `u32`: at least four bytes.
    pub(crate) const U32: Self = Self::of_type(bindings::NLA_U32);
    /// A string, with or without a terminating NUL.
    pub(crate) const STRING: Self = Self::of_type(bindings::NLA_STRING);

    const fn of_type(type_: c_uint) -> Self {
        let mut policy: bindings::nla_policy = pin_init::zeroed();
        // CAST: The types of attributes fit a byte.
        policy.type_ = type_ as u8;
        Self(policy)
    }
}

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
    /// Wraps a table of attributes that the netlink core has parsed, indexed by type.
    ///
    /// # Safety
    ///
    /// `table` must come from the core's parser (`__nla_parse()`) and have `len` entries. It and the
    /// message must stay as they are during `'a`.
    #[inline]
    pub(super) unsafe fn table(
        table: *mut *mut bindings::nlattr,
        len: usize,
    ) -> &'a [Option<Self>] {
        // INVARIANT: The parser has checked the length of each attribute against the message
        // (`nla_ok()`), and by the safety requirements of this function the message stays as it is.
        // SAFETY: By the safety requirements, there are as many entries, each of them null or an
        // attribute. CAST: `Attribute` is a transparent wrapper of a pointer that is not null, so an
        // option of it is a pointer.
        unsafe { core::slice::from_raw_parts(table.cast::<Option<Self>>(), len) }
    }

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

    /// Returns the payload's first four bytes as a number, or [`EINVAL`] if there are fewer, which a
    /// [`Policy::U32`] rules out. Mirrors `nla_get_u32()`.
    #[inline]
    pub(crate) fn u32(self) -> Result<u32> {
        let bytes = self.payload().first_chunk().ok_or(EINVAL)?;
        Ok(u32::from_ne_bytes(*bytes))
    }
}
