// SPDX-License-Identifier: GPL-2.0

//! A request and the one reply that it may get.

use super::{
    attribute::{
        Attribute,
        Attributes, //
    },
    caller::Caller,
    family::Operations,
    message::{
        GenlMsg,
        NetlinkSkBuff,
        Room, //
    },
    payload::Payload,
    socket::Socket,
};
use kernel::{
    alloc::Flags,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

/// A request to a family that is being answered.
///
/// # Invariants
///
/// `info` points to a `genl_info` that is valid and not changed during `'a`, whose family is a
/// [`Family<T>`](super::Family). `attributes` are those of the request, and `caller` sends it.
pub(crate) struct Request<'a, T> {
    info: NonNull<bindings::genl_info>,
    attributes: Attributes<'a>,
    caller: Caller<'a>,
    _info: PhantomData<&'a bindings::genl_info>,
    _family: PhantomData<fn(&T)>,
}

impl<'a, T: Operations> Request<'a, T> {
    /// Wraps what the generic netlink core passes to a command.
    ///
    /// # Safety
    ///
    /// `skb` must be a message that a socket of user space sent, and `info` what the core knows of
    /// it. Both must be valid and stay as they are during `'a`; `attrs` must have `attributes`
    /// entries. The family must be a [`Family<T>`](super::Family).
    #[inline]
    pub(super) unsafe fn from_raw(
        skb: *mut bindings::sk_buff,
        info: *mut bindings::genl_info,
        attributes: usize,
    ) -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self {
            // SAFETY: By the safety requirements of this function, `info` is valid.
            info: unsafe { NonNull::new_unchecked(info) },
            // SAFETY: By the safety requirements of this function.
            attributes: unsafe { Attributes::from_raw((*info).attrs, attributes) },
            // SAFETY: By the safety requirements of this function.
            caller: unsafe { Caller::from_raw(skb) },
            _info: PhantomData,
            _family: PhantomData,
        }
    }

    /// Returns the attribute of type `attribute`, the last one if there are several, if it is
    /// there.
    #[inline]
    pub(crate) fn attribute(&self, attribute: c_uint) -> Option<Attribute<'a>> {
        self.attributes.get(attribute)
    }

    /// Returns the request's attributes.
    #[inline]
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        self.attributes
    }

    /// Returns who sends the request.
    #[inline]
    pub(crate) fn caller(&self) -> Caller<'a> {
        self.caller
    }

    /// Returns the socket that sent the request.
    #[inline]
    pub(crate) fn socket(&self) -> &'a Socket {
        self.caller.socket()
    }

    /// Returns what the family keeps for the socket that sent the request; [`ENOMEM`] if there is
    /// no memory for it. Mirrors `genl_sk_priv_get()`.
    pub(crate) fn socket_private(&self) -> Result<&'a T::SocketPrivate> {
        const { assert!(size_of::<T::SocketPrivate>() != 0) };
        // SAFETY: By the type invariants, the family is valid and registered, with private memory
        // for sockets. The core changes only what is its own in it.
        let private = from_err_ptr(unsafe {
            bindings::genl_sk_priv_get(
                (*self.info.as_ptr()).family.cast_mut(),
                self.socket().as_ptr(),
            )
        })?;
        // SAFETY: By the type invariants, the family initialized it as its `SocketPrivate`. It
        // stays until the socket is closed or the family goes, neither of which happens while a
        // request of the socket to the family is being answered.
        Ok(unsafe { &*private.cast() })
    }

    /// Starts the reply: a message of command `cmd` with the given room, which carries the
    /// request's sequence number. [`ENOMEM`] if there is no memory for it.
    #[inline]
    pub(crate) fn reply(self, cmd: u8, room: Room, flags: Flags) -> Result<Reply<'a>> {
        let info = self.info.as_ptr();
        let skb = NetlinkSkBuff::new(room, flags)?;
        // SAFETY: By the type invariants, `info` is valid; the core has set its family, which has
        // no header and stays registered while the request is being answered.
        let message =
            unsafe { skb.put_raw((*info).snd_portid, (*info).snd_seq, (*info).family, cmd) };
        Ok(Reply {
            message: message?,
            socket: self.caller.socket(),
            info: self.info,
        })
    }
}

/// The reply to a request. Dropping it sends nothing.
///
/// # Invariants
///
/// `info` points to the `genl_info` of the request, which is valid during `'a`.
pub(crate) struct Reply<'a> {
    message: GenlMsg,
    socket: &'a Socket,
    info: NonNull<bindings::genl_info>,
}

impl Reply<'_> {
    /// Sends the reply to the port id that the request came from. Mirrors `genlmsg_reply()`.
    pub(crate) fn send(self) -> Result {
        let info = self.info.as_ptr();
        #[cfg(CONFIG_NET_NS)]
        // SAFETY: By the type invariants, `info` is valid.
        let net = unsafe { (*info)._net.net };
        #[cfg(not(CONFIG_NET_NS))]
        let net = &raw mut bindings::init_net;

        // SAFETY: The namespace is the one of the socket that sent the request, and exists as long
        // as that. We give a finished message away. CAST: A small constant.
        let sent = unsafe {
            bindings::netlink_unicast(
                (*net).genl_sock,
                self.message.end().into_raw(),
                (*info).snd_portid,
                bindings::MSG_DONTWAIT as c_int,
            )
        };
        to_result(sent)
    }

    /// Sends the reply to the very socket that sent the request, whatever its port id, which need
    /// not be looked up.
    #[inline]
    pub(crate) fn send_to_socket(self) -> Result {
        self.socket.send(self.message.end())
    }
}

impl Deref for Reply<'_> {
    type Target = Payload;

    #[inline]
    fn deref(&self) -> &Payload {
        &self.message
    }
}

impl DerefMut for Reply<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Payload {
        &mut self.message
    }
}
