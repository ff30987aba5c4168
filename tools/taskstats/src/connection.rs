// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! A socket with a family to ask: requests and their answers told apart from what comes unasked.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use netlink_packet_core::DecodeError;
use nix::errno::Errno;
use thiserror::Error;

use crate::{
    answer::{Body, Datagram, ErrorReport, Message},
    controller::{Family, family_request},
    request::Request,
    socket::{GenlSocket, Options},
};

/// Why a request has no result.
#[derive(Debug, Error)]
pub enum Error {
    /// The socket refused.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
    /// The kernel refused.
    #[error("{0}")]
    Refused(ErrorReport),
    /// The answer is not what the interface promises.
    #[error("malformed answer: {0}")]
    Malformed(#[from] DecodeError),
    /// The kernel answered nothing.
    #[error("no answer")]
    Silence,
}

impl Error {
    /// The errno with which the kernel refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(report) => Some(report.code.saturating_neg()),
            Self::Socket(error) => error.raw_os_error(),
            Self::Malformed(_) | Self::Silence => None,
        }
    }
}

/// A socket with a family to ask.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: GenlSocket,
    pub(crate) family: u16,
    sequence: u32,
    // What came unasked while an answer was waited for.
    aside: VecDeque<Datagram>,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    /// Opens a socket and asks for the family of that name.
    pub(crate) fn open(name: &str, options: Options) -> Result<(Self, Family), Error> {
        let mut connection = Self {
            socket: GenlSocket::open(options)?,
            family: 0,
            sequence: 0,
            aside: VecDeque::new(),
        };
        let family = connection.resolve(name)?;
        connection.family = family.id;
        Ok((connection, family))
    }

    pub(crate) fn resolve(&mut self, name: &str) -> Result<Family, Error> {
        let answer = self.answers(family_request(name))?;
        Ok(Family::parse(&answer)?)
    }

    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<Datagram>> {
        self.socket.send(request)?;
        self.socket.drain()
    }

    /// A number for the next request.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// The answers to this request; what came unasked is put aside, an error is one.
    pub(crate) fn answers(&mut self, request: Request) -> Result<Vec<Datagram>, Error> {
        let sequence = self.next_sequence();
        let overruns = self.socket.overruns();
        let mut answers = Vec::new();
        for datagram in self.exchange(&request.sequence(sequence).encode())? {
            let messages = datagram.messages()?;
            if messages.iter().any(|message| self.is_unasked(message)) {
                self.aside.push_back(datagram);
                continue;
            }
            for message in messages {
                if message.header.sequence_number != sequence {
                    return Err(DecodeError::from(format!("sequence of {message:?}")).into());
                }
                match message.body {
                    Body::Error(report) if report.code != 0 => return Err(Error::Refused(report)),
                    Body::Done(code) if code != 0 => {
                        return Err(Error::Refused(ErrorReport {
                            code,
                            ..ErrorReport::default()
                        }));
                    }
                    _ => {}
                }
            }
            answers.push(datagram);
        }
        // There was no room for the answer, nor for the word that there was none.
        if answers.is_empty() && self.socket.overruns() != overruns {
            return Err(io::Error::from(Errno::ENOBUFS).into());
        }
        Ok(answers)
    }

    /// Sends requests in one datagram, and returns what was answered to each, in their order.
    /// `None` is for no answer.
    pub(crate) fn batch(&mut self, requests: &[Request]) -> Result<Vec<Option<Datagram>>, Error> {
        let mut bytes = Vec::new();
        let first = self.sequence.wrapping_add(1);
        for request in requests {
            let sequence = self.next_sequence();
            request.clone().sequence(sequence).append_to(&mut bytes);
        }
        let mut answers = vec![None; requests.len()];
        for datagram in self.exchange(&bytes)? {
            let messages = datagram.messages()?;
            if messages.iter().any(|message| self.is_unasked(message)) {
                self.aside.push_back(datagram);
                continue;
            }
            let number = messages
                .first()
                .map(|message| message.header.sequence_number.wrapping_sub(first));
            if let Some(answer) = number.and_then(|it| answers.get_mut(it as usize)) {
                answer.get_or_insert(datagram);
            }
        }
        Ok(answers)
    }

    /// The next message that came unasked, waiting for it until `timeout` is over.
    pub(crate) fn unasked(&mut self, timeout: Duration) -> io::Result<Option<Datagram>> {
        match self.aside.pop_front() {
            Some(record) => Ok(Some(record)),
            None => self.socket.receive(timeout),
        }
    }

    // The kernel sends from port 0 what nobody asked for.
    fn is_unasked(&self, message: &Message<'_>) -> bool {
        message.header.port_number == 0 && matches!(message.body, Body::Generic { .. })
    }
}
