// SPDX-License-Identifier: GPL-2.0

//! A generic-netlink socket that speaks in datagrams.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::MsgFlags,
};

use crate::answer::Datagram;

/// More than any datagram that generic netlink sends: an error repeats the request, which can be as
/// long as the send buffer takes.
const RECEIVE_BYTES: usize = 256 * 1024;

/// How a socket is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The port id to bind to; 0 lets the kernel choose.
    pub port: u32,
    /// `NETLINK_EXT_ACK`: errors with a text and an offset.
    pub extended_ack: bool,
    /// `NETLINK_CAP_ACK`: errors that repeat the request's header only.
    pub capped_ack: bool,
    /// The receive buffer's size; 0 leaves the default.
    pub receive_buffer: usize,
}

/// A bound generic-netlink socket.
#[derive(Debug)]
pub struct GenlSocket {
    socket: Socket,
    port: u32,
    buffer: Vec<u8>,
}

impl AsFd for GenlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl GenlSocket {
    /// Opens and binds a socket.
    pub fn open(options: Options) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind(&SocketAddr::new(options.port, 0))?;
        let mut address = SocketAddr::new(0, 0);
        socket.get_address(&mut address)?;
        socket.set_ext_ack(options.extended_ack)?;
        socket.set_cap_ack(options.capped_ack)?;
        if options.receive_buffer != 0 {
            socket.set_rx_buf_sz(options.receive_buffer as i32)?;
        }
        Ok(Self {
            socket,
            port: address.port_number(),
            buffer: Vec::with_capacity(RECEIVE_BYTES),
        })
    }

    /// The port id that the socket is bound to.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Sends one datagram to the kernel.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let sent = self.socket.send_to(datagram, &SocketAddr::new(0, 0), 0)?;
        if sent == datagram.len() {
            Ok(())
        } else {
            Err(io::Error::other(format!("{sent} bytes sent")))
        }
    }

    /// Everything that is in the receive queue now.
    ///
    /// The kernel works a generic-netlink request off, answer and acknowledgement included, before
    /// send returns, and fills the queue with a dump's next part before receive returns: after a
    /// request these are all its answers, and nothing has to be waited for.
    pub fn drain(&mut self) -> io::Result<Vec<Datagram>> {
        let mut datagrams = Vec::new();
        while let Some(datagram) = self.receive_now()? {
            datagrams.push(datagram);
        }
        Ok(datagrams)
    }

    /// The next datagram, waiting for it until `timeout` is over.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Option<Datagram>> {
        let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        poll(
            &mut wanted,
            PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX),
        )?;
        self.receive_now()
    }

    fn receive_now(&mut self) -> io::Result<Option<Datagram>> {
        self.buffer.clear();
        let flags = (MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC).bits();
        match self.socket.recv_from(&mut self.buffer, flags) {
            Ok((length, _)) if length == self.buffer.len() => {
                Ok(Some(Datagram(self.buffer.clone())))
            }
            Ok((length, _)) => Err(io::Error::other(format!("a datagram of {length} bytes"))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
