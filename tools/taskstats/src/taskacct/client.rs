// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Asking taskacct, and hearing what exits.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer,
    parse_i32,
};
use netlink_packet_generic::constants::GENL_HDRLEN;

use super::{
    Cgroup, ExitFilter, ExitStats, Fields, Filter, Info, Task, parse,
    uapi::{self, FAMILY_NAME},
};
use crate::{
    answer::{Datagram, ErrorReport},
    connection::{Connection, Error},
    request::{Attributes, Request},
    socket::Options,
    uapi::NLMSG_HDRLEN,
};

/// Longer than the kernel takes for a part of a dump, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which task.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// By its id in the caller's pid namespace.
    Pid(u32),
    /// By a file descriptor of `pidfd_open()`, which never stands for another task that got the
    /// same id later.
    Pidfd(BorrowedFd<'a>),
}

/// Asks taskacct, with a socket of its own.
#[derive(Debug)]
pub struct Taskacct {
    connection: Connection,
}

impl AsFd for Taskacct {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Taskacct {
    /// Opens a socket and resolves the family.
    ///
    /// # Errors
    ///
    /// `ENOENT` where the module is not loaded.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let (connection, _) = Connection::open(FAMILY_NAME, options)?;
        Ok(Self { connection })
    }

    /// The type of the family's messages, which is another one each time that the module is loaded.
    pub fn family(&self) -> u16 {
        self.connection.family
    }

    /// What this kernel can count, and how the module works in it.
    pub fn info(&mut self) -> Result<Info, Error> {
        let request = self.request(uapi::CMD_INFO_GET);
        one(&mut self.connection, request, parse::info)
    }

    /// A thread.
    ///
    /// # Errors
    ///
    /// `ESRCH` where there is none, `EPERM` where the caller may not see it.
    pub fn task(&mut self, which: Which<'_>, fields: Fields) -> Result<Task, Error> {
        self.one_task(uapi::CMD_TASK_GET, which, fields)
    }

    /// A process, with the sums over its threads, those that have ended included.
    ///
    /// # Errors
    ///
    /// As those of [`Taskacct::task`].
    pub fn process(&mut self, which: Which<'_>, fields: Fields) -> Result<Task, Error> {
        self.one_task(uapi::CMD_PROCESS_GET, which, fields)
    }

    /// Hands out all threads that the caller may see, in the order of their ids.
    pub fn tasks(
        &mut self,
        fields: Fields,
        filter: &Filter,
        each: impl FnMut(Task),
    ) -> Result<(), Error> {
        self.all_tasks(uapi::CMD_TASK_GET, fields, filter, each)
    }

    /// Hands out all processes that the caller may see, in the order of their ids.
    pub fn processes(
        &mut self,
        fields: Fields,
        filter: &Filter,
        each: impl FnMut(Task),
    ) -> Result<(), Error> {
        self.all_tasks(uapi::CMD_PROCESS_GET, fields, filter, each)
    }

    /// A control group of version 2, by its id, which is the inode number of its directory.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_ADMIN` in the initial user namespace, `ENOENT` where there is no
    /// such group, `EOPNOTSUPP` for a threaded one, `EAGAIN` while the module does not hear of all
    /// ends.
    pub fn cgroup(&mut self, id: u64, fields: Fields) -> Result<Cgroup, Error> {
        let request = self.request(uapi::CMD_CGROUP_GET).with(|it| {
            it.u64(uapi::A_CGROUP_ID, id)
                .u32(uapi::A_CGROUP_FIELDS, fields.0)
        });
        one(&mut self.connection, request, parse::cgroup)
    }

    /// Hands out a control group, by default the root, and all of its descendants, in the order of
    /// their ids.
    ///
    /// # Errors
    ///
    /// As those of [`Taskacct::cgroup`].
    pub fn cgroups(
        &mut self,
        id: Option<u64>,
        fields: Fields,
        mut each: impl FnMut(Cgroup),
    ) -> Result<(), Error> {
        let request = self.request(uapi::CMD_CGROUP_GET).with(|mut it| {
            if let Some(id) = id {
                it = it.u64(uapi::A_CGROUP_ID, id);
            }
            it.u32(uapi::A_CGROUP_FIELDS, fields.0)
        });
        dump(&mut self.connection, request, |bytes| {
            each(parse::cgroup(bytes)?);
            Ok(())
        })
    }

    fn request(&self, command: u8) -> Request {
        Request::new(self.connection.family, command)
    }

    fn one_task(&mut self, command: u8, which: Which<'_>, fields: Fields) -> Result<Task, Error> {
        let request = self.request(command).with(|it| {
            let it = match which {
                Which::Pid(pid) => it.u32(uapi::A_TASK_PID, pid),
                Which::Pidfd(fd) => it.u32(uapi::A_TASK_PIDFD, fd.as_raw_fd() as u32),
            };
            it.u32(uapi::A_TASK_FIELDS, fields.0)
        });
        one(&mut self.connection, request, parse::task)
    }

    fn all_tasks(
        &mut self,
        command: u8,
        fields: Fields,
        filter: &Filter,
        mut each: impl FnMut(Task),
    ) -> Result<(), Error> {
        let filter = filter.attributes();
        let request = self.request(command).with(|it| {
            let it = it.u32(uapi::A_TASK_FIELDS, fields.0);
            if filter.is_empty() {
                it
            } else {
                it.nest(uapi::A_TASK_FILTER, &filter)
            }
        });
        dump(&mut self.connection, request, |bytes| {
            each(parse::task(bytes)?);
            Ok(())
        })
    }
}

/// What has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A thread.
    Thread(Task),
    /// A process, with its last thread: the sum over all of them.
    Process(Task),
}

/// Hears of what exits, as far as a filter lets it through.
///
/// The file descriptor is readable as soon as there is something.
#[derive(Debug)]
pub struct Exits {
    connection: Connection,
    overruns: u64,
}

impl AsFd for Exits {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Exits {
    /// Opens a socket and sets a filter.
    ///
    /// # Errors
    ///
    /// `ENOENT` where the module is not loaded, `EPERM` without `CAP_NET_ADMIN` in the initial user
    /// namespace, `EINVAL` outside of the initial user or pid namespace, `EAGAIN` while the module
    /// does not hear of all ends.
    pub fn open(filter: &ExitFilter, options: Options) -> Result<Self, Error> {
        let (connection, _) = Connection::open(FAMILY_NAME, options)?;
        let mut exits = Self {
            connection,
            overruns: 0,
        };
        exits.set(|it| filter.attributes(it))?;
        Ok(exits)
    }

    /// Sets another filter instead.
    ///
    /// # Errors
    ///
    /// As those of [`Exits::open`].
    pub fn filter(&mut self, filter: &ExitFilter) -> Result<(), Error> {
        self.set(|it| filter.attributes(it))
    }

    /// Wants to hear of nothing more. What has ended before can still be received, and
    /// [`Exits::stats`] be asked for.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.set(|it| it.flag(uapi::A_EXIT_FILTER_NONE))
    }

    /// The next that has ended, waiting for it until `timeout` is over. That the buffer had no room
    /// is no error: [`Exits::stats`] says for how many.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Ended>, Error> {
        loop {
            let datagram = match self.connection.unasked(timeout) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(None),
                Err(error) if crate::socket::is_overrun(&error) => {
                    self.overruns += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(ended) = ended(&datagram)? {
                return Ok(Some(ended));
            }
        }
    }

    /// What has become of the messages for this socket. What is on its way meanwhile is kept for
    /// [`Exits::next`].
    pub fn stats(&mut self) -> Result<ExitStats, Error> {
        let request = Request::new(self.connection.family, uapi::CMD_EXIT_STATS_GET);
        self.patiently(|connection| one(connection, request.clone(), parse::exit_stats))
    }

    /// Asks again where there was no room for the answer before all others were taken out, which
    /// asking does.
    fn patiently<T>(
        &mut self,
        mut ask: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 0..10 {
            match ask(&mut self.connection) {
                Err(Error::Socket(error)) if crate::socket::is_overrun(&error) => {}
                Err(Error::Silence) => {}
                answer => return answer,
            }
        }
        ask(&mut self.connection)
    }

    fn set(&mut self, filter: impl FnOnce(Attributes) -> Attributes) -> Result<(), Error> {
        let request = Request::new(self.connection.family, uapi::CMD_EXIT_FILTER_SET)
            .flags(NLM_F_ACK)
            .with(filter);
        self.patiently(|connection| {
            let answers = connection.answers(request.clone())?;
            // The acknowledgement is one.
            answers.first().map(|_| ()).ok_or(Error::Silence)
        })
    }
}

/// What a notification says; `None` if it is another.
fn ended(datagram: &Datagram) -> Result<Option<Ended>, DecodeError> {
    let mut found = None;
    messages(&datagram.0, |_, payload| {
        let (header, attributes) = payload
            .split_at_checked(GENL_HDRLEN)
            .ok_or("a message without its header")?;
        match header[0] {
            uapi::CMD_EXIT_NTF => found = Some(Ended::Thread(parse::task(attributes)?)),
            uapi::CMD_PROCESS_EXIT_NTF => {
                found = Some(Ended::Process(parse::task(attributes)?));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// Asks for one thing.
fn one<T>(
    connection: &mut Connection,
    request: Request,
    parse: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, Error> {
    let answers = connection.answers(request)?;
    let datagram = answers.first().ok_or(Error::Silence)?;
    let payload = datagram.0.get(NLMSG_HDRLEN + GENL_HDRLEN..);
    Ok(parse(payload.ok_or(Error::Silence)?)?)
}

/// Asks for all, and hands each message's attributes out as it comes.
fn dump(
    connection: &mut Connection,
    request: Request,
    mut each: impl FnMut(&[u8]) -> Result<(), DecodeError>,
) -> Result<(), Error> {
    let sequence = connection.next_sequence();
    let request = request.dump().sequence(sequence).encode();
    connection.socket.send(&request)?;
    // The first part is there by now, and each further one when the one before is received.
    loop {
        let datagram = connection.socket.read(PATIENCE)?.ok_or(Error::Silence)?;
        let mut end = None;
        messages(datagram, |(kind, number), payload| {
            if number != sequence {
                return Ok(());
            }
            match kind {
                NLMSG_NOOP | NLMSG_OVERRUN => {}
                NLMSG_DONE | NLMSG_ERROR => end = Some(report(datagram, payload)?),
                _ => each(
                    payload
                        .get(GENL_HDRLEN..)
                        .ok_or("a message without its header")?,
                )?,
            }
            Ok(())
        })?;
        match end {
            Some(report) if report.code != 0 => return Err(Error::Refused(report)),
            Some(_) => return Ok(()),
            None => {}
        }
    }
}

/// How a dump ended.
fn report(datagram: &[u8], payload: &[u8]) -> Result<ErrorReport, DecodeError> {
    // A refusal comes alone, and has words.
    for message in Datagram(datagram.to_vec()).messages()? {
        if let crate::answer::Body::Error(report) = message.body {
            return Ok(report);
        }
    }
    let code = payload.get(..4).map(parse_i32).transpose()?;
    Ok(ErrorReport {
        code: code.unwrap_or(0),
        ..ErrorReport::default()
    })
}

/// Hands out each message's type and number, and what follows its header.
fn messages<'a>(
    datagram: &'a [u8],
    mut each: impl FnMut((u16, u32), &'a [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let buffer = NetlinkBuffer::new_checked(rest)?;
        let length = buffer.length() as usize;
        let payload = rest
            .get(NLMSG_HDRLEN..length)
            .ok_or_else(|| format!("message of {length} bytes"))?;
        each((buffer.message_type(), buffer.sequence_number()), payload)?;
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    Ok(())
}
