// SPDX-License-Identifier: GPL-2.0

//! A client: typed requests for the everyday, [`Client::exchange`] for all others.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use netlink_packet_core::{DecodeError, NLM_F_ACK};
use thiserror::Error;

use crate::{
    answer::{Body, Datagram, ErrorReport, Message},
    controller::{Family, Policy, family_request, policy_request},
    request::{RawAttribute, Request},
    socket::{GenlSocket, Options},
    stats::{Cgroupstats, Stats},
    uapi::{
        TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
        TASKSTATS_GENL_NAME,
    },
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
            Self::Refused(report) => Some(-report.code),
            Self::Socket(error) => error.raw_os_error(),
            Self::Malformed(_) | Self::Silence => None,
        }
    }
}

/// A client of TASKSTATS with a socket of its own.
#[derive(Debug)]
pub struct Client {
    socket: GenlSocket,
    family: u16,
    sequence: u32,
    // Exit records that came in while an answer was waited for.
    records: VecDeque<Datagram>,
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Client {
    /// Opens a socket and resolves the family.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let mut client = Self {
            socket: GenlSocket::open(options)?,
            family: 0,
            sequence: 0,
            records: VecDeque::new(),
        };
        client.family = client.resolve()?.id;
        Ok(client)
    }

    /// The family's id, as resolved when connecting.
    pub fn family(&self) -> u16 {
        self.family
    }

    /// The socket's port id.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// Sends any bytes and returns everything that the kernel answers, byte for byte.
    ///
    /// On a socket that is registered as a listener, exit records come along.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<Datagram>> {
        self.socket.send(request)?;
        self.socket.drain()
    }

    /// Asks what the family is (`CTRL_CMD_GETFAMILY`).
    pub fn resolve(&mut self) -> Result<Family, Error> {
        let answer = self.answers(family_request(TASKSTATS_GENL_NAME))?;
        Ok(Family::parse(&answer)?)
    }

    /// Asks which attributes the family takes (`CTRL_CMD_GETPOLICY`).
    pub fn policy(&mut self) -> Result<Policy, Error> {
        let answer = self.answers(policy_request(self.family))?;
        Ok(Policy::parse(&answer)?)
    }

    /// Asks for a task's record.
    pub fn pid(&mut self, pid: u32) -> Result<Stats, Error> {
        self.one_record(Request::pid(self.family, pid))
    }

    /// Asks for a process's record.
    pub fn tgid(&mut self, tgid: u32) -> Result<Stats, Error> {
        self.one_record(Request::tgid(self.family, tgid))
    }

    /// Asks for the exit records of the tasks on these CPUs, `"0-3,7"`.
    pub fn register(&mut self, cpus: &str) -> Result<(), Error> {
        self.listen(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, cpus)
    }

    /// Asks for no more exit records of the tasks on these CPUs.
    pub fn deregister(&mut self, cpus: &str) -> Result<(), Error> {
        self.listen(TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, cpus)
    }

    /// Asks for the task counts of the cgroup that `directory` is open on.
    pub fn cgroup(&mut self, directory: BorrowedFd<'_>) -> Result<Cgroupstats, Error> {
        let fd = directory.as_raw_fd() as u32;
        let answer = self.answers(Request::cgroup(self.family, fd))?;
        let datagram = answer.first().ok_or(Error::Silence)?;
        let messages = datagram.messages()?;
        Ok(Cgroupstats::of(messages.first().ok_or(Error::Silence)?)?)
    }

    /// The next exit record, waiting for it until `timeout` is over.
    pub fn exit_record(&mut self, timeout: Duration) -> Result<Option<Datagram>, Error> {
        match self.records.pop_front() {
            Some(record) => Ok(Some(record)),
            None => Ok(self.socket.receive(timeout)?),
        }
    }

    fn listen(&mut self, attribute: u16, cpus: &str) -> Result<(), Error> {
        let request = Request::get(self.family)
            .with(RawAttribute::text(attribute, cpus))
            .flags(NLM_F_ACK);
        let answer = self.answers(request)?;
        answer.first().map(|_| ()).ok_or(Error::Silence)
    }

    fn one_record(&mut self, request: Request) -> Result<Stats, Error> {
        let answer = self.answers(request)?;
        let datagram = answer.first().ok_or(Error::Silence)?;
        let messages = datagram.messages()?;
        let mut records = Stats::of(messages.first().ok_or(Error::Silence)?)?;
        match records.len() {
            1 => Ok(records.remove(0)),
            number => Err(DecodeError::from(format!("{number} records")).into()),
        }
    }

    /// The answers to this request; exit records are put aside, an error is one.
    fn answers(&mut self, request: Request) -> Result<Vec<Datagram>, Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request.sequence(self.sequence);
        let mut answers = Vec::new();
        for datagram in self.exchange(&request.encode())? {
            let messages = datagram.messages()?;
            if messages.iter().any(|message| self.is_exit_record(message)) {
                self.records.push_back(datagram);
                continue;
            }
            for message in messages {
                if message.header.sequence_number != self.sequence {
                    return Err(DecodeError::from(format!("sequence of {message:?}")).into());
                }
                match message.body {
                    Body::Error(report) if report.code != 0 => return Err(Error::Refused(report)),
                    _ => {}
                }
            }
            answers.push(datagram);
        }
        Ok(answers)
    }

    fn is_exit_record(&self, message: &Message<'_>) -> bool {
        message.header.port_number == 0 && matches!(message.body, Body::Generic { .. })
    }
}
