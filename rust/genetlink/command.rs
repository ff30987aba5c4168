// SPDX-License-Identifier: GPL-2.0

//! The commands of a family and what each of them asks of its caller.

use super::{
    family::Operations,
    operation::Operation,
    refusal::Refusal,
    request::Request,
    Family,
    Policy, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// Who may give a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Everybody.
    Any,
    /// Who has `CAP_NET_ADMIN` in the initial user namespace; [`EPERM`] for all others.
    NetAdmin,
}

/// A command of a family.
pub(crate) trait Command: Sized {
    /// What the family answers with.
    type Family: Operations;

    /// The command's number.
    const CMD: u8;

    /// The policies of its attributes, indexed by attribute type. An attribute of a type that is
    /// not in the table is ignored.
    const POLICY: &'static [Policy];

    /// Who may give it.
    const PERMISSION: Permission;

    /// Answers one request, or says why not.
    fn doit<'a>(
        family: &Self::Family,
        request: Request<'a, Self::Family>,
    ) -> Result<(), Refusal<'a>>;
}

impl<T: Operations> Operation<T> {
    /// Makes the entry of command `C`, with attributes checked as before strict validation came up.
    pub(crate) const fn new<C: Command<Family = T>>() -> Self {
        // The core passes no table of attributes if there are none besides type 0.
        assert!(C::POLICY.len() > 1);

        let mut raw: bindings::genl_ops = pin_init::zeroed();
        raw.cmd = C::CMD;
        raw.doit = Some(Self::doit::<C>);
        // CAST: `Policy` is a transparent wrapper of `nla_policy`.
        raw.policy = C::POLICY.as_ptr().cast();
        // CAST: Attribute types are 14 bits wide.
        raw.maxattr = (C::POLICY.len() - 1) as c_uint;
        // CAST: The flags fit a byte.
        raw.validate = (bindings::genl_validate_flags_GENL_DONT_VALIDATE_STRICT
            | bindings::genl_validate_flags_GENL_DONT_VALIDATE_DUMP) as u8;
        raw.flags = match C::PERMISSION {
            Permission::Any => 0,
            // CAST: The flags fit a byte.
            Permission::NetAdmin => bindings::GENL_ADMIN_PERM as u8,
        };
        // SAFETY: The policy is static, and `doit()` is the one of `C`, whose family is `T`.
        unsafe { Self::from_raw(raw) }
    }

    /// # Safety
    ///
    /// To be called by the generic netlink core alone, as the `doit` of command `C` of a family
    /// that is a [`Family<T>`].
    unsafe extern "C" fn doit<C: Command<Family = T>>(
        skb: *mut bindings::sk_buff,
        info: *mut bindings::genl_info,
    ) -> c_int {
        // SAFETY: The core passes a valid `info` with the family that this operation belongs to,
        // which by the safety requirements is the one of a `Family<T>`; it keeps it registered
        // during the call.
        let family = unsafe { Family::<T>::from_raw((*info).family) };

        // SAFETY: `skb` is the message and `info` what the core knows of it, valid during the call;
        // `attrs` has an entry for each attribute type up to `maxattr`, which is not 0, that is, as
        // many as the policy has. The family is the one of a `Family<T>` by the safety requirements.
        let request = unsafe { Request::<T>::from_raw(skb, info, C::POLICY.len()) };

        match C::doit(family.data(), request) {
            Ok(()) => 0,
            // SAFETY: `info` is valid, and its `extack` this command's own. The attribute can only
            // be one of this request.
            Err(refusal) => unsafe { refusal.report((*info).extack) }.to_errno(),
        }
    }
}
