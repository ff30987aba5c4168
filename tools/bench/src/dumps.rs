// SPDX-License-Identifier: GPL-2.0

//! Dumps of all threads by the family taskacct, for which C has no counterpart but to be asked for
//! one task after the other.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{MsgFlags, recv, send};
use taskstats::{
    GenlSocket, Options, Request,
    taskacct::{
        Fields, Taskacct,
        uapi::{A_TASK_FIELDS, CMD_TASK_GET},
    },
};

use crate::operation::Operation;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_HDRLEN: usize = 16;

/// What is dumped: groups of fields, and the buffer that is received into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    fields: Fields,
    buffer: usize,
}

/// As much as netlink puts into a message's buffer at most.
const LARGE: usize = 32 << 10;

/// The figure that BPF's iterator has values for.
pub(crate) const IDENTITY_AND_DELAYS: &str = "dump, identity and delays, a task";

/// A dump of one group of fields.
const fn alone(name: &'static str, fields: Fields) -> Kind {
    Kind {
        name,
        fields,
        buffer: LARGE,
    }
}

/// What is measured.
pub(crate) const KINDS: [Kind; 13] = [
    alone("dump, all fields, a task", Fields::ALL),
    Kind {
        name: "dump, all fields, 4 KiB at a time, a task",
        fields: Fields::ALL,
        buffer: 4 << 10,
    },
    alone(
        IDENTITY_AND_DELAYS,
        Fields(Fields::IDENTITY.0 | Fields::DELAYS.0),
    ),
    alone("dump, identity alone", Fields::IDENTITY),
    alone("dump, status alone", Fields::STATUS),
    alone("dump, cpu alone", Fields::CPU),
    alone("dump, delays alone", Fields::DELAYS),
    alone("dump, delay-extremes alone", Fields::DELAY_EXTREMES),
    alone("dump, memory alone", Fields::MEMORY),
    alone("dump, io alone", Fields::IO),
    alone("dump, faults alone", Fields::FAULTS),
    alone("dump, switches alone", Fields::SWITCHES),
    alone("dump, executable alone", Fields::EXECUTABLE),
];

/// Dumps all threads there are.
#[derive(Debug)]
pub(crate) struct Dump {
    socket: GenlSocket,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// How many tasks the last dump had.
    tasks: usize,
}

impl Dump {
    /// A socket to dump with. The family has another id each time that the module is loaded.
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let client = Taskacct::connect(Options::default())?;
        Ok(Self {
            socket: GenlSocket::open(Options::default())?,
            request: Request::new(client.family(), CMD_TASK_GET)
                .with(|it| it.u32(A_TASK_FIELDS, kind.fields.0))
                .dump()
                .encode(),
            buffer: vec![0; kind.buffer],
            tasks: 0,
        })
    }

    /// How many tasks the last dump had.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks
    }

    fn dump(&mut self) -> Result<()> {
        let socket = self.socket.as_fd().as_raw_fd();
        send(socket, &self.request, MsgFlags::empty())?;
        self.tasks = 0;
        loop {
            let size = recv(socket, &mut self.buffer, MsgFlags::empty())?;
            let mut rest = &self.buffer[..size];
            while let Some((length, kind)) = header(rest) {
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => bail!("the dump is refused"),
                    _ => self.tasks += 1,
                }
                rest = rest.get(length..).context("a message is cut off")?;
            }
        }
    }
}

/// The length and the type of the first message.
fn header(messages: &[u8]) -> Option<(usize, u16)> {
    let header = messages.first_chunk::<NLMSG_HDRLEN>()?;
    let [a, b, c, d, e, f, ..] = *header;
    let length = u32::from_ne_bytes([a, b, c, d]) as usize;
    Some((length.max(NLMSG_HDRLEN), u16::from_ne_bytes([e, f])))
}

impl Operation for Dump {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            self.dump()?;
        }
        Ok(())
    }

    fn tidy(&mut self, _times: u32) -> Result<()> {
        ensure!(self.tasks > 1_000, "{} tasks are dumped", self.tasks);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_follow_each_other() {
        let mut message = [0; 20];
        message[0] = 20;
        message[4] = 3;
        assert_eq!(header(&message), Some((20, 3)));
        assert_eq!(header(&message[..15]), None);
        // A length that leads nowhere does not lead back.
        message[0] = 0;
        assert_eq!(header(&message), Some((16, 3)));
    }
}
