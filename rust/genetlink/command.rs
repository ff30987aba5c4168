// SPDX-License-Identifier: GPL-2.0

//! The commands of a family and what each of them asks of its caller.

use super::{
    attribute::Attributes,
    caller::Caller,
    dump::Dump,
    family::{
        Family,
        Operations, //
    },
    operation::Operation,
    policy::Policy,
    refusal::Refusal,
    request::Request, //
};
use kernel::{
    build_error,
    error::VTABLE_DEFAULT_ERROR,
    prelude::*, //
};
use taskstats_bindings as bindings;

/// Who may use a command. All others are refused with [`EPERM`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Anybody.
    Any,
    /// Tasks with `CAP_NET_ADMIN` in the initial user namespace (`GENL_ADMIN_PERM`).
    NetAdmin,
    /// Tasks with `CAP_NET_ADMIN` in the user namespace of the network namespace
    /// (`GENL_UNS_ADMIN_PERM`).
    NamespaceNetAdmin,
}

/// How the attributes of a command's requests are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    /// As for all new commands: what is not in the policy is refused, and so is whatever is left
    /// over.
    Strict,
    /// As it was before there was strict validation: what is not in the policy is ignored, numbers
    /// may be longer than they need to be, and those of dumps are not checked at all.
    Liberal,
}

/// A command of a family.
///
/// It answers requests one by one ([`Command::doit`]), or dumps ([`Command::dumpit`]), or both.
#[vtable]
pub(crate) trait Command: Sized {
    /// The family that it is one of.
    type Family: Operations;

    /// How far a dump has come; `()` if there are none. It is kept in the memory that netlink has
    /// for that, so what is larger goes into a box.
    type Cursor: Default + Send;

    /// The command's number.
    const CMD: u8;

    /// The policies of its attributes, indexed by attribute type. No entry besides that of type 0
    /// if it has none.
    const POLICY: &'static [Policy];

    /// How they are checked.
    const VALIDATION: Validation;

    /// Who may use it.
    const PERMISSION: Permission;

    /// Answers one request, or says why not.
    fn doit<'a>(
        _family: &Self::Family,
        _request: Request<'a, Self::Family>,
    ) -> Result<(), Refusal<'a>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Begins a dump, or says why not. By default, at a cursor's default.
    ///
    /// This runs in who sends the request. What follows does in whoever reads from the socket, and
    /// the end perhaps in whoever closes it.
    fn start<'a>(
        _family: &Self::Family,
        _attributes: Attributes<'a>,
        _caller: Caller<'a>,
    ) -> Result<Self::Cursor, Refusal<'a>> {
        Ok(Self::Cursor::default())
    }

    /// Appends messages to a dump, from `cursor` on, which it moves. What [`Dump::message`] fails
    /// with when there is no more room is to be returned; this is called again then. The end is
    /// reached when this succeeds. Any other error ends the dump as well, and user space is told.
    fn dumpit(
        _family: &Self::Family,
        _dump: &mut Dump<'_, Self::Family>,
        _cursor: &mut Self::Cursor,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called when a dump has come to its end, or its socket is closed before that.
    fn done(_family: &Self::Family, _cursor: Self::Cursor) {}
}

impl<T: Operations> Operation<T> {
    /// Returns the entry of command `C`.
    pub(crate) const fn new<C: Command<Family = T>>() -> Self {
        assert!(C::HAS_DOIT || C::HAS_DUMPIT, "the command does nothing");
        assert!(!C::POLICY.is_empty(), "the policy has no entry of type 0");

        let mut raw: bindings::genl_ops = pin_init::zeroed();
        raw.cmd = C::CMD;
        if C::HAS_DOIT {
            raw.doit = Some(doit::<C>);
        }
        if C::HAS_DUMPIT {
            assert!(size_of::<C::Cursor>() <= bindings::NETLINK_CTX_SIZE as usize);
            assert!(align_of::<C::Cursor>() <= align_of::<c_long>());
            raw.start = Some(start::<C>);
            raw.dumpit = Some(dumpit::<C>);
            raw.done = Some(done::<C>);
        }
        // CAST: `Policy` is a transparent wrapper of `nla_policy`.
        raw.policy = C::POLICY.as_ptr().cast();
        // CAST: Attribute types are 14 bits wide.
        raw.maxattr = (C::POLICY.len() - 1) as c_uint;
        // CAST: The flags fit a byte.
        raw.validate = match C::VALIDATION {
            Validation::Strict => 0,
            Validation::Liberal => {
                (bindings::genl_validate_flags_GENL_DONT_VALIDATE_STRICT
                    | bindings::genl_validate_flags_GENL_DONT_VALIDATE_DUMP) as u8
            }
        };
        // CAST: The flags fit a byte.
        raw.flags = match C::PERMISSION {
            Permission::Any => 0,
            Permission::NetAdmin => bindings::GENL_ADMIN_PERM as u8,
            Permission::NamespaceNetAdmin => bindings::GENL_UNS_ADMIN_PERM as u8,
        };
        // SAFETY: The policy is static, and the functions are those of `C`, whose family is `T`.
        unsafe { Self::from_raw(raw) }
    }
}

/// The number of entries in a table of attributes of `C`: the core makes none if there can be none.
const fn entries<C: Command>() -> usize {
    if C::POLICY.len() > 1 {
        C::POLICY.len()
    } else {
        0
    }
}

/// # Safety
///
/// To be called by the generic netlink core alone, as the `doit` of command `C` of a family that is
/// a [`Family<C::Family>`].
unsafe extern "C" fn doit<C: Command>(
    skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    // SAFETY: The core passes a valid `info` with the family that this operation belongs to, which
    // by the safety requirements is the one of a `Family<C::Family>`; it keeps it registered during
    // the call.
    let family = unsafe { Family::<C::Family>::from_raw((*info).family) };

    // SAFETY: `skb` is the message and `info` what the core knows of it, valid during the call;
    // `attrs` has an entry for each attribute type up to `maxattr`, if that is not 0. The family is
    // the one of a `Family<C::Family>` by the safety requirements.
    let request = unsafe { Request::<C::Family>::from_raw(skb, info, const { entries::<C>() }) };

    match C::doit(family.data(), request) {
        Ok(()) => 0,
        // SAFETY: `info` is valid, and its `extack` this command's own. The attribute can only be
        // one of this request.
        Err(refusal) => unsafe { refusal.report((*info).extack) }.to_errno(),
    }
}

/// # Safety
///
/// `cb` must be what the core passes to the callbacks of a dump.
#[inline]
unsafe fn info(cb: *mut bindings::netlink_callback) -> *mut bindings::genl_info {
    // SAFETY: By the safety requirements, `data` is what generic netlink knows of the dump.
    unsafe { &raw mut (*(*cb).data.cast::<bindings::genl_dumpit_info>()).info }
}

/// Where the cursor of a dump is.
///
/// # Safety
///
/// `cb` must be valid.
#[inline]
unsafe fn cursor<C: Command>(cb: *mut bindings::netlink_callback) -> *mut C::Cursor {
    // SAFETY: By the safety requirements. CAST: Large enough and aligned, as checked by `new()`.
    unsafe { (&raw mut (*cb).__bindgen_anon_1).cast() }
}

/// # Safety
///
/// To be called by the generic netlink core alone, as the `start` of command `C` of a static
/// [`Family<C::Family>`].
unsafe extern "C" fn start<C: Command>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: The core passes what it passes to the callbacks of a dump.
    let info = unsafe { info(cb) };
    // SAFETY: As in `doit()`; the family is static.
    let family = unsafe { Family::<C::Family>::from_raw((*info).family) };
    // SAFETY: The table of attributes has as many entries, or is null where they are not checked;
    // it and the message stay as they are during the call.
    let attributes = unsafe { Attributes::from_raw((*info).attrs, const { entries::<C>() }) };

    // SAFETY: The request that the dump answers is being sent; the callback keeps it.
    let caller = unsafe { Caller::from_raw((*cb).skb) };

    match C::start(family.data(), attributes, caller) {
        Ok(begin) => {
            // SAFETY: The memory is for what the family knows of the dump.
            unsafe { cursor::<C>(cb).write(begin) };
            0
        }
        // SAFETY: `cb` is valid, and its `extack` this command's own. The attribute can only be one
        // of this request.
        Err(refusal) => unsafe { refusal.report((*cb).extack) }.to_errno(),
    }
}

/// # Safety
///
/// To be called by the generic netlink core alone, as the `dumpit` of command `C` of a static
/// [`Family<C::Family>`], after `start` has succeeded.
unsafe extern "C" fn dumpit<C: Command>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: The core passes what it passes to the callbacks of a dump.
    let info = unsafe { info(cb) };
    // SAFETY: As in `doit()`; the family is static.
    let family = unsafe { Family::<C::Family>::from_raw((*info).family) };
    // SAFETY: `start()` has written the cursor, and one callback of a dump runs at a time.
    let cursor = unsafe { &mut *cursor::<C>(cb) };
    // SAFETY: `skb` is for messages of the dump, and nobody else has access to it during the call;
    // `info` knows the request.
    let mut dump = unsafe { Dump::from_raw(skb, info, family) };

    match C::dumpit(family.data(), &mut dump, cursor) {
        Ok(()) => 0,
        // Part of the dump is there, and the rest does not fit.
        Err(EMSGSIZE) if dump.len() != 0 => dump.len(),
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// To be called by the generic netlink core alone, as the `done` of command `C` of a static
/// [`Family<C::Family>`], after `start` has succeeded, and once.
unsafe extern "C" fn done<C: Command>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: The core passes what it passes to the callbacks of a dump.
    let info = unsafe { info(cb) };
    // SAFETY: As in `doit()`; the family is static.
    let family = unsafe { Family::<C::Family>::from_raw((*info).family) };
    // SAFETY: `start()` has written the cursor, and nobody uses it any more.
    let cursor = unsafe { cursor::<C>(cb).read() };

    C::done(family.data(), cursor);
    0
}
