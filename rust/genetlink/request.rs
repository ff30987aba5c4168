// SPDX-License-Identifier: GPL-2.0

//! A request and the one reply that it may get.

use super::{
    message::Message,
    Attribute,
    Room, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

/// A request that is being answered.
///
/// # Invariants
///
/// `info` points to a `genl_info` that is valid and not changed during `'a`, whose `attrs` have
/// `attributes` entries, each null or an attribute of the message.
pub(crate) struct Request<'a> {
    info: NonNull<bindings::genl_info>,
    attributes: usize,
    _info: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// Wraps what the generic netlink core passes to a command.
    ///
    /// # Safety
    ///
    /// `info` and the message must be valid and stay as they are during `'a`; `attrs` must be null
    /// or have `attributes` entries.
    #[inline]
    pub(super) unsafe fn from_raw(info: *mut bindings::genl_info, attributes: usize) -> Self {
        // SAFETY: By the safety requirements of this function, `info` is valid.
        let none = unsafe { (*info).attrs.is_null() };

        // INVARIANT: By the safety requirements of this function.
        Self {
            // SAFETY: By the safety requirements of this function, `info` is valid.
            info: unsafe { NonNull::new_unchecked(info) },
            attributes: if none { 0 } else { attributes },
            _info: PhantomData,
        }
    }

    /// Returns the attribute of type `attribute`, the last one if there are several, if it is there.
    #[inline]
    pub(crate) fn attribute(&self, attribute: c_uint) -> Option<Attribute<'a>> {
        // CAST: `usize` is at least 32 bits wide.
        let attribute = attribute as usize;
        if attribute >= self.attributes {
            return None;
        }
        // SAFETY: By the type invariants, `attrs` has this entry.
        let attribute = unsafe { *(*self.info.as_ptr()).attrs.add(attribute) };
        let attribute = NonNull::new(attribute)?;
        // SAFETY: By the type invariants, this is an attribute of the message that the core parsed,
        // and the message stays as it is.
        Some(unsafe { Attribute::from_raw(attribute) })
    }

    /// Returns the port id of the socket that sent the request, whatever its header says.
    #[inline]
    pub(crate) fn portid(&self) -> u32 {
        // SAFETY: By the type invariants, `info` is valid.
        unsafe { (*self.info.as_ptr()).snd_portid }
    }

    /// Starts the reply: a message of command `cmd` with the given room, which carries the request's
    /// sequence number. [`ENOMEM`] if there is no memory for it.
    #[inline]
    pub(crate) fn reply(self, cmd: u8, room: Room) -> Result<Reply<'a>> {
        let info = self.info.as_ptr();
        // SAFETY: By the type invariants, `info` is valid; the core has set its family, which stays
        // registered while the request is being answered.
        let message = unsafe {
            Message::from_raw_family(
                (*info).family,
                (*info).snd_portid,
                (*info).snd_seq,
                cmd,
                room,
            )
        }?;
        Ok(Reply {
            message,
            request: self,
        })
    }
}

/// The reply to a request. Dropping it sends nothing.
pub(crate) struct Reply<'a> {
    message: Message,
    request: Request<'a>,
}

impl Reply<'_> {
    /// Sends the reply to the socket that sent the request. Mirrors `genlmsg_reply()`.
    #[inline]
    pub(crate) fn send(self) -> Result {
        let skb = self.message.end().into_raw();
        // SAFETY: `skb` is a finished message that we give away, and by the type invariants of
        // `Request`, `info` is valid.
        to_result(unsafe { bindings::genlmsg_reply(skb, self.request.info.as_ptr()) })
    }
}

impl Deref for Reply<'_> {
    type Target = Message;

    #[inline]
    fn deref(&self) -> &Message {
        &self.message
    }
}

impl DerefMut for Reply<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Message {
        &mut self.message
    }
}
