// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! A client of TASKSTATS: typed requests for the everyday, [`Client::exchange`] for all others.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use netlink_packet_core::{DecodeError, NLM_F_ACK};

use crate::{
    answer::{Body, Datagram},
    connection::{Connection, Error},
    controller::{Family, Policy, policy_request},
    request::{ATTRIBUTE_MAX, Request},
    socket::Options,
    stats::{Cgroupstats, Stats, Subject},
    uapi::{
        TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
        TASKSTATS_GENL_NAME,
    },
};

/// Requests that go in one datagram: their answers have room in the smallest of default buffers.
const BATCH: usize = 32;

/// A client of TASKSTATS with a socket of its own.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Client {
    /// Opens a socket and resolves the family.
    ///
    /// # Errors
    ///
    /// `ENOENT` in a kernel without `CONFIG_TASKSTATS`.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let (connection, _) = Connection::open(TASKSTATS_GENL_NAME, options)?;
        Ok(Self { connection })
    }

    /// The family's id, as resolved when connecting.
    pub fn family(&self) -> u16 {
        self.connection.family
    }

    /// The socket's port id.
    pub fn port(&self) -> u32 {
        self.connection.socket.port()
    }

    /// Sends any bytes and returns everything that the kernel answers, byte for byte.
    ///
    /// On a socket that is registered as a listener, exit records come along.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<Datagram>> {
        self.connection.exchange(request)
    }

    /// Asks what the family is (`CTRL_CMD_GETFAMILY`).
    pub fn resolve(&mut self) -> Result<Family, Error> {
        self.connection.resolve(TASKSTATS_GENL_NAME)
    }

    /// Asks which attributes the family takes (`CTRL_CMD_GETPOLICY`).
    pub fn policy(&mut self) -> Result<Policy, Error> {
        let answer = self.connection.answers(policy_request(self.family()))?;
        Ok(Policy::parse(&answer)?)
    }

    /// Asks for a task's record.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_ADMIN` in the initial user namespace, `ESRCH` where there is no
    /// such task in the caller's pid namespace.
    pub fn pid(&mut self, pid: u32) -> Result<Stats, Error> {
        self.one_record(Request::pid(self.family(), pid))
    }

    /// Asks for a process's record. It has delays, times and context switches, nothing else.
    ///
    /// # Errors
    ///
    /// As those of [`Client::pid`].
    pub fn tgid(&mut self, tgid: u32) -> Result<Stats, Error> {
        self.one_record(Request::tgid(self.family(), tgid))
    }

    /// Asks for many records, in as few datagrams as are sensible; the answers have their order.
    ///
    /// # Errors
    ///
    /// What concerns one of them, as `ESRCH`, is in its place. As a whole it fails only where the
    /// socket does.
    pub fn batch(&mut self, subjects: &[Subject]) -> Result<Vec<Result<Stats, Error>>, Error> {
        let mut results = Vec::with_capacity(subjects.len());
        for some in subjects.chunks(BATCH) {
            let requests: Vec<_> = some.iter().map(|it| self.request(*it)).collect();
            let answers = self.connection.batch(&requests)?;
            for (request, answer) in requests.into_iter().zip(answers) {
                // There was no room for the answer: alone it has.
                results.push(match answer {
                    Some(datagram) => one_record(&datagram),
                    None => self.one_record(request),
                });
            }
        }
        Ok(results)
    }

    /// Asks for the exit records of the tasks on these CPUs, `"0-3,7"`.
    ///
    /// [`ExitListener`](crate::ExitListener) does that, and counts what is lost.
    pub fn register(&mut self, cpus: &str) -> Result<(), Error> {
        self.listen(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, cpus)
    }

    /// Asks for no more exit records of the tasks on these CPUs.
    pub fn deregister(&mut self, cpus: &str) -> Result<(), Error> {
        self.listen(TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, cpus)
    }

    /// Asks for the task counts of the cgroup (of version 1) that `directory` is open on.
    pub fn cgroup(&mut self, directory: BorrowedFd<'_>) -> Result<Cgroupstats, Error> {
        let fd = directory.as_raw_fd() as u32;
        let request = Request::cgroup(self.family(), fd);
        let answer = self.connection.answers(request)?;
        let datagram = answer.first().ok_or(Error::Silence)?;
        let messages = datagram.messages()?;
        Ok(Cgroupstats::of(messages.first().ok_or(Error::Silence)?)?)
    }

    /// The next exit record, waiting for it until `timeout` is over.
    ///
    /// # Errors
    ///
    /// `ENOBUFS` once after the buffer had no room for some. What it had room for can still be
    /// received.
    pub fn exit_record(&mut self, timeout: Duration) -> Result<Option<Datagram>, Error> {
        Ok(self.connection.unasked(timeout)?)
    }

    fn request(&self, subject: Subject) -> Request {
        match subject {
            Subject::Pid(pid) => Request::pid(self.family(), pid),
            Subject::Tgid(tgid) => Request::tgid(self.family(), tgid),
        }
    }

    fn listen(&mut self, attribute: u16, cpus: &str) -> Result<(), Error> {
        if cpus.len() >= ATTRIBUTE_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        let request = Request::get(self.family())
            .with(|it| it.text(attribute, cpus))
            .flags(NLM_F_ACK);
        let answer = self.connection.answers(request)?;
        answer.first().map(|_| ()).ok_or(Error::Silence)
    }

    fn one_record(&mut self, request: Request) -> Result<Stats, Error> {
        let answer = self.connection.answers(request)?;
        one_record(answer.first().ok_or(Error::Silence)?)
    }
}

/// The record that an answer has.
fn one_record(answer: &Datagram) -> Result<Stats, Error> {
    let messages = answer.messages()?;
    let message = messages.into_iter().next().ok_or(Error::Silence)?;
    if let Body::Error(report) = message.body {
        return Err(Error::Refused(report));
    }
    let mut records = Stats::of(&message)?;
    match records.len() {
        1 => Ok(records.remove(0)),
        number => Err(DecodeError::from(format!("{number} records")).into()),
    }
}
