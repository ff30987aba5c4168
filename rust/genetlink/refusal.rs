// SPDX-License-Identifier: GPL-2.0

//! Why a request is refused: an errno, and a message for sockets that ask for extended
//! acknowledgements.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)

use super::attribute::Attribute;
use kernel::{
    prelude::*, //
};
use taskstats_bindings as bindings;

/// Why a request is refused.
///
/// All callers get the errno. A socket with `NETLINK_EXT_ACK` set also gets the message, and the
/// offset of the attribute that is at fault.
pub(crate) struct Refusal<'a> {
    errno: Error,
    words: Option<&'static CStr>,
    attribute: Option<Attribute<'a>>,
}

impl<'a> Refusal<'a> {
    /// Refuses with words.
    #[inline]
    pub(crate) fn new(errno: Error, words: &'static CStr) -> Self {
        Self {
            errno,
            words: Some(words),
            attribute: None,
        }
    }

    /// Says that `attribute` is at fault.
    #[inline]
    pub(crate) fn at(self, attribute: Attribute<'a>) -> Self {
        Self {
            attribute: Some(attribute),
            ..self
        }
    }

    /// Leaves the words for the core to send and to those who trace `netlink:netlink_extack`, and
    /// returns the errno. Mirrors `NL_SET_ERR_MSG_ATTR()`, but for words that are there already.
    ///
    /// # Safety
    ///
    /// `extack` must be what the core passes to a command, valid or null, and the attribute one of
    /// the message that it belongs to.
    pub(super) unsafe fn report(self, extack: *mut bindings::netlink_ext_ack) -> Error {
        let Some(words) = self.words else {
            return self.errno;
        };
        // SAFETY: By the safety requirements of this function, it is null or valid, and the
        // command's own while it runs.
        let extack = unsafe { extack.as_mut() };

        // What the core found out before says more, such as of bytes that are no attribute.
        if extack.as_ref().is_some_and(|extack| !extack._msg.is_null()) {
            return self.errno;
        }
        // SAFETY: The words are NUL-terminated.
        unsafe { bindings::do_trace_netlink_extack(words.as_char_ptr()) };
        if let Some(extack) = extack {
            extack._msg = words.as_char_ptr();
            extack.bad_attr = match self.attribute {
                Some(attribute) => attribute.as_ptr(),
                None => core::ptr::null(),
            };
        }
        self.errno
    }
}

impl From<Error> for Refusal<'_> {
    #[inline]
    fn from(errno: Error) -> Self {
        Self {
            errno,
            words: (errno == ENOMEM).then_some(c"out of memory"),
            attribute: None,
        }
    }
}
