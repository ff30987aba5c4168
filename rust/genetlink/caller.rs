// SPDX-License-Identifier: GPL-2.0

//! Who sends a request.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)

use super::socket::Socket;
use kernel::{
    cred::Credential,
    prelude::*, //
};
use taskstats_bindings as bindings;

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Who sends a request: the current task, through a socket that another one may have opened.
///
/// A task with privileges can be made to write to a socket that it was given, as its standard
/// output for one. What a request may do is to be tested against both.
///
/// # Invariants
///
/// `skb` is the request, which stays as it is during `'a`, and `socket` sends it meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    skb: NonNull<bindings::sk_buff>,
    socket: &'a Socket,
    _request: PhantomData<&'a bindings::sk_buff>,
}

impl<'a> Caller<'a> {
    /// # Safety
    ///
    /// `skb` must be a message that a socket of user space is sending during `'a`, valid and not
    /// changed meanwhile.
    #[inline]
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // SAFETY: By the safety requirements of this function, `skb` is valid. Netlink keeps its
        // parameters in the buffer's `cb` (`NETLINK_CB()`), which is aligned for that.
        let parameters = unsafe { (&raw const (*skb).cb).cast::<bindings::netlink_skb_parms>() };

        // INVARIANT: By the safety requirements of this function.
        Self {
            // SAFETY: By the safety requirements of this function.
            skb: unsafe { NonNull::new_unchecked(skb) },
            // SAFETY: `netlink_unicast()` has noted the socket that sent the message, which is in
            // the middle of doing so, and stays open until it has done so.
            socket: unsafe { Socket::from_ptr((*parameters).sk) },
            _request: PhantomData,
        }
    }

    /// Returns the socket that sends the request.
    #[inline]
    pub(crate) fn socket(self) -> &'a Socket {
        self.socket
    }

    /// Returns whether both the current task and who opened the socket have `capability`, a
    /// `CAP_*`, in the initial user namespace. Mirrors `netlink_capable()`.
    pub(crate) fn is_capable(self, capability: u32) -> bool {
        // SAFETY: By the type invariants, this is the request. CAST: Capabilities are small.
        unsafe { bindings::netlink_capable(self.skb.as_ptr(), capability as c_int) }
    }

    /// Returns the credentials of who opened the socket; `None` for a socket without a file, as
    /// only the kernel can make one.
    pub(crate) fn opener(self) -> Option<&'a Credential> {
        // SAFETY: By the type invariants, the socket is sending a message and cannot be closed
        // meanwhile: its `struct socket` stays.
        let file = unsafe { bindings::sock_file(self.socket.as_ptr()) };
        // SAFETY: The file is null, or open as long as the socket. Its credentials are set when it
        // is opened, and it holds a reference to them.
        unsafe { Some(Credential::from_ptr(file.as_ref()?.f_cred)) }
    }
}
