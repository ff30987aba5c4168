// SPDX-License-Identifier: GPL-2.0

//! The socket at the other end.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use super::message::Packet;
use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};
use taskstats_bindings as bindings;

use core::ptr::NonNull;

/// A netlink socket of user space.
///
/// # Invariants
///
/// A reference to it is one to a valid socket, which its reference count keeps.
#[repr(transparent)]
pub(crate) struct Socket(Opaque<bindings::sock>);

// SAFETY: Sockets may be referred to, sent to and put from any thread.
unsafe impl Send for Socket {}

// SAFETY: As above; sending to a socket takes the locks that it needs.
unsafe impl Sync for Socket {}

// SAFETY: The C functions count references, and the socket stays while there is one.
unsafe impl AlwaysRefCounted for Socket {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariants, the socket is valid.
        unsafe { bindings::sock_hold(self.0.get()) };
    }

    #[inline]
    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: By the safety requirements of this function, the caller gives a reference up.
        unsafe { bindings::sock_put(this.as_ptr().cast()) };
    }
}

impl Socket {
    /// Wraps the C struct.
    ///
    /// # Safety
    ///
    /// `ptr` must be a netlink socket of user space that is valid during `'a`.
    #[inline]
    pub(super) unsafe fn from_ptr<'a>(ptr: *mut bindings::sock) -> &'a Self {
        // SAFETY: By the safety requirements of this function. CAST: `Opaque` is transparent.
        unsafe { &*ptr.cast() }
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::sock {
        self.0.get()
    }

    /// Returns whether both are the same socket.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }

    /// Sends a packet to the socket, without waiting. If the socket is closed, the packet is
    /// dropped. Mirrors `genlmsg_unicast()`.
    ///
    /// [`EAGAIN`] if its buffer is full, of which it is told; [`ECONNREFUSED`] if it is connected
    /// to a peer that is not the kernel.
    #[inline]
    pub(crate) fn send(&self, packet: Packet) -> Result {
        // SAFETY: By the type invariants, the socket is valid, and we give a finished message away.
        to_result(unsafe { bindings::netlink_unicast_sock(self.0.get(), packet.into_raw()) })
    }
}
