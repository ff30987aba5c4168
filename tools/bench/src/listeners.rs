// SPDX-License-Identifier: GPL-2.0

//! Sockets that get exit records.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv, setsockopt, sockopt::RcvBufForce},
};
use taskstats::{GenlSocket, Options};

use crate::requests;

/// Room for the records of many exits.
const BUFFER: usize = 32 << 20;

/// Sockets of which some are registered. They stay open all the time, so that the kernel's table
/// of sockets is always the same.
#[derive(Debug)]
pub(crate) struct Listeners {
    family: u16,
    sockets: Vec<GenlSocket>,
    registered: usize,
    buffer: Vec<u8>,
}

impl Listeners {
    pub(crate) fn open(family: u16, number: usize) -> Result<Self> {
        let sockets = (0..number)
            .map(|_| {
                let socket = GenlSocket::open(Options::default())?;
                setsockopt(&socket.as_fd(), RcvBufForce, &BUFFER)?;
                Ok(socket)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            family,
            sockets,
            registered: 0,
            buffer: vec![0; 4096],
        })
    }

    /// Registers and deregisters, until so many are registered.
    pub(crate) fn set(&mut self, number: usize) -> Result<()> {
        while self.registered < number {
            self.put(self.registered, &requests::register(self.family))?;
            self.registered += 1;
        }
        while self.registered > number {
            self.registered -= 1;
            self.put(self.registered, &requests::deregister(self.family))?;
        }
        Ok(())
    }

    fn put(&mut self, socket: usize, request: &[u8]) -> Result<()> {
        let socket = &mut self.sockets[socket];
        socket.send(request)?;
        let answers = socket.drain()?;
        let acknowledged = answers
            .iter()
            .any(|answer| answer.0.len() == requests::ACK && answer.0[16..20] == [0; 4]);
        ensure!(acknowledged, "a listener is refused: {answers:?}");
        Ok(())
    }

    /// Empties the sockets, and checks that each registered one got so many records.
    pub(crate) fn drain(&mut self, expected: u32) -> Result<()> {
        for socket in &self.sockets[..self.registered] {
            let mut got = 0;
            let fd = socket.as_fd().as_raw_fd();
            loop {
                match recv(fd, &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                    Ok(_) => got += 1,
                    Err(Errno::EAGAIN) => break,
                    Err(error) => return Err(error).context("receiving a record"),
                }
            }
            // Some task of the kernel's may have exited as well.
            ensure!(got >= expected, "{got} records of {expected} exits");
        }
        Ok(())
    }
}
