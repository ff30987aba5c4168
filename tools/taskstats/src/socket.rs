// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! A generic-netlink socket that speaks in datagrams.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, setsockopt, sockopt::RcvBufForce},
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
    /// The receive buffer's size in bytes; 0 leaves the default. Who has `CAP_NET_ADMIN` gets it
    /// beyond `net.core.rmem_max`, too.
    pub receive_buffer: usize,
}

/// A bound generic-netlink socket.
#[derive(Debug)]
pub struct GenlSocket {
    socket: Socket,
    port: u32,
    buffer: Vec<u8>,
    overruns: u64,
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
            let size = options.receive_buffer.min(i32::MAX as usize);
            if setsockopt(&socket, RcvBufForce, &size).is_err() {
                socket.set_rx_buf_sz(size as i32)?;
            }
        }
        Ok(Self {
            socket,
            port: address.port_number(),
            buffer: Vec::with_capacity(RECEIVE_BYTES),
            overruns: 0,
        })
    }

    /// How often the kernel has said that the buffer had no room (`ENOBUFS`).
    pub fn overruns(&self) -> u64 {
        self.overruns
    }

    /// The port id that the socket is bound to.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Sends one datagram to the kernel.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let kernel = SocketAddr::new(0, 0);
        let sent = retried(|| self.socket.send_to(datagram, &kernel, 0))?;
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
    ///
    /// That the buffer had no room for more is no error here: [`GenlSocket::overruns`] tells.
    pub fn drain(&mut self) -> io::Result<Vec<Datagram>> {
        let mut datagrams = Vec::new();
        loop {
            match self.receive_now() {
                Ok(Some(datagram)) => datagrams.push(datagram),
                Ok(None) => return Ok(datagrams),
                Err(error) if is_overrun(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next datagram, waiting for it until `timeout` is over, whatever signals come.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` once after the buffer had no room for some. What it had room for can still be
    /// received.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Option<Datagram>> {
        if !timeout.is_zero() {
            self.wait(timeout)?;
        }
        self.receive_now()
    }

    fn wait(&self, timeout: Duration) -> io::Result<()> {
        let end = Instant::now().checked_add(timeout);
        loop {
            let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut wanted, left) {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Reads a datagram into a buffer that is kept, and hands that out; waits until there is one.
    pub(crate) fn read(&mut self, timeout: Duration) -> io::Result<Option<&[u8]>> {
        if !timeout.is_zero() {
            self.wait(timeout)?;
        }
        if self.fill()? {
            Ok(Some(&self.buffer))
        } else {
            Ok(None)
        }
    }

    fn receive_now(&mut self) -> io::Result<Option<Datagram>> {
        Ok(self.fill()?.then(|| Datagram(self.buffer.clone())))
    }

    /// Whether there was a datagram, which is in the buffer now.
    fn fill(&mut self) -> io::Result<bool> {
        let flags = (MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC).bits();
        let received = retried(|| {
            self.buffer.clear();
            self.socket.recv_from(&mut self.buffer, flags)
        });
        match received {
            Ok((length, _)) if length == self.buffer.len() => Ok(true),
            Ok((length, _)) => Err(io::Error::other(format!("a datagram of {length} bytes"))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                self.overruns += u64::from(is_overrun(&error));
                Err(error)
            }
        }
    }
}

/// Whether the receive buffer had no room.
pub(crate) fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOBUFS as i32)
}

/// Does it again as often as a signal interrupts it, which has then done nothing.
fn retried<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
