// SPDX-License-Identifier: GPL-2.0

//! Round trips: a prepared datagram to the kernel, and its answer.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Result, ensure};
use nix::sys::socket::{MsgFlags, recv, send};
use taskstats::{GenlSocket, Options};

use crate::operation::Operation;

/// More than any answer here.
const ROOM: usize = 4096;

/// A socket with which nothing is allocated.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: GenlSocket,
    buffer: [u8; ROOM],
}

impl Wire {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self {
            socket: GenlSocket::open(Options::default())?,
            buffer: [0; ROOM],
        })
    }

    /// Sends a request whose answer is not waited for, if there is one.
    #[inline]
    pub(crate) fn send(&self, request: &[u8]) -> nix::Result<()> {
        send(self.socket.as_fd().as_raw_fd(), request, MsgFlags::empty())?;
        Ok(())
    }

    /// Sends a request, receives one answer, and returns its size.
    #[inline]
    pub(crate) fn round_trip(&mut self, request: &[u8]) -> nix::Result<usize> {
        self.send(request)?;
        recv(
            self.socket.as_fd().as_raw_fd(),
            &mut self.buffer,
            MsgFlags::empty(),
        )
    }
}

/// Requests one after the other, each with an answer of a known size.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    wire: Wire,
    requests: Vec<Vec<u8>>,
    /// The size of each answer.
    size: usize,
    /// Answers of another size.
    wrong: usize,
}

impl RoundTrip {
    pub(crate) fn new(requests: Vec<Vec<u8>>, size: usize) -> Result<Self> {
        Ok(Self {
            wire: Wire::open()?,
            requests,
            size,
            wrong: 0,
        })
    }
}

impl Operation for RoundTrip {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            for request in &self.requests {
                self.wrong += usize::from(self.wire.round_trip(request)? != self.size);
            }
        }
        Ok(())
    }

    fn tidy(&mut self, _times: u32) -> Result<()> {
        ensure!(
            self.wrong == 0,
            "{} answers are not as expected",
            self.wrong
        );
        Ok(())
    }
}

/// A request that is not answered.
#[derive(Debug)]
pub(crate) struct OneWay {
    wire: Wire,
    request: Vec<u8>,
}

impl OneWay {
    pub(crate) fn new(request: Vec<u8>) -> Result<Self> {
        Ok(Self {
            wire: Wire::open()?,
            request,
        })
    }
}

impl Operation for OneWay {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            self.wire.send(&self.request)?;
        }
        Ok(())
    }
}
