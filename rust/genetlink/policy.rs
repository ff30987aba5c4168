// SPDX-License-Identifier: GPL-2.0

//! What the attributes of a request must look like to be let through to a command.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use kernel::{
    prelude::*, //
};
use taskstats_bindings as bindings;

/// What an attribute must look like. A command has a table of these, indexed by attribute type.
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

/// The least and the greatest value of an unsigned number, both allowed.
#[repr(transparent)]
pub(crate) struct Range(bindings::netlink_range_validation);

impl Range {
    /// Returns the range from `min` to `max`.
    #[inline]
    pub(crate) const fn new(min: u64, max: u64) -> Self {
        assert!(min <= max);
        Self(bindings::netlink_range_validation { min, max })
    }
}

impl Policy {
    /// Anything goes, where attributes are not checked strictly. Otherwise, the type is not one.
    pub(crate) const UNSPEC: Self = Self::of_type(bindings::NLA_UNSPEC);
    /// A `u8`.
    pub(crate) const U8: Self = Self::of_type(bindings::NLA_U8);
    /// A `u16`.
    pub(crate) const U16: Self = Self::of_type(bindings::NLA_U16);
    /// A `u32`.
    pub(crate) const U32: Self = Self::of_type(bindings::NLA_U32);
    /// A `u64`.
    pub(crate) const U64: Self = Self::of_type(bindings::NLA_U64);
    /// An unsigned number of four or eight bytes.
    pub(crate) const UINT: Self = Self::of_type(bindings::NLA_UINT);
    /// No payload.
    pub(crate) const FLAG: Self = Self::of_type(bindings::NLA_FLAG);
    /// A string, with or without a terminating NUL.
    pub(crate) const STRING: Self = Self::of_type(bindings::NLA_STRING);
    /// Never allowed.
    pub(crate) const REJECT: Self = Self::of_type(bindings::NLA_REJECT);

    /// The entry of type 0 of a table whose types are all checked strictly: a number has exactly
    /// its size, nests are marked as such, and types without an entry are refused.
    pub(crate) const STRICT: Self = {
        let mut policy = Self::of_type(bindings::NLA_UNSPEC);
        policy.0.__bindgen_anon_1.strict_start_type = 1;
        policy
    };

    const fn of_type(type_: c_uint) -> Self {
        let mut policy: bindings::nla_policy = pin_init::zeroed();
        // CAST: The types of attributes fit a byte.
        policy.type_ = type_ as u8;
        Self(policy)
    }

    #[inline]
    const fn with_len(type_: c_uint, len: usize) -> Self {
        assert!(len <= u16::MAX as usize);
        let mut policy = Self::of_type(type_);
        // CAST: Checked above.
        policy.0.len = len as u16;
        policy
    }

    /// A string of at most `max` bytes, with or without a terminating NUL.
    pub(crate) const fn string(max: usize) -> Self {
        Self::with_len(bindings::NLA_STRING, max)
    }

    /// A string of at most `max` bytes besides a terminating NUL, which must be there.
    pub(crate) const fn nul_string(max: usize) -> Self {
        Self::with_len(bindings::NLA_NUL_STRING, max)
    }

    /// At most `max` bytes.
    pub(crate) const fn binary(max: usize) -> Self {
        Self::with_len(bindings::NLA_BINARY, max)
    }

    /// Exactly `len` bytes.
    pub(crate) const fn exact(len: i16) -> Self {
        Self::of_type(bindings::NLA_BINARY).limits(len, len)
    }

    /// A nest of attributes, with policies of their own.
    #[inline]
    pub(crate) const fn nested(table: &'static [Policy]) -> Self {
        assert!(!table.is_empty());
        let mut policy = Self::with_len(bindings::NLA_NESTED, table.len() - 1);
        // CAST: `Policy` is a transparent wrapper.
        policy.0.__bindgen_anon_1.nested_policy = table.as_ptr().cast();
        policy
    }

    /// The same, with a value in `range`, for unsigned numbers.
    #[inline]
    pub(crate) const fn in_range(self, range: &'static Range) -> Self {
        assert!(self.is_unsigned());
        let mut policy = self;
        // CAST: A small constant.
        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_RANGE_PTR as u8;
        policy.0.__bindgen_anon_1.range = &raw const range.0;
        policy
    }

    /// The same, with no bits but those of `mask`, for unsigned numbers.
    #[inline]
    pub(crate) const fn in_mask(self, mask: u32) -> Self {
        assert!(self.is_unsigned());
        let mut policy = self;
        // CAST: A small constant.
        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_MASK as u8;
        policy.0.__bindgen_anon_1.mask = mask;
        policy
    }

    const fn limits(self, min: i16, max: i16) -> Self {
        let mut policy = self;
        // CAST: A small constant.
        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_RANGE as u8;
        policy.0.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 { min, max };
        policy
    }

    const fn is_unsigned(&self) -> bool {
        matches!(
            // CAST: From a byte.
            self.0.type_ as c_uint,
            bindings::NLA_U8
                | bindings::NLA_U16
                | bindings::NLA_U32
                | bindings::NLA_U64
                | bindings::NLA_UINT
        )
    }
}
