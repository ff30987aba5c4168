// SPDX-License-Identifier: GPL-2.0

//! Dumps of all threads by the family taskacct, for which C has no counterpart but to be asked for
//! one task after the other.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{MsgFlags, recv, send};
use taskstats::{Client, GenlSocket, Options, Request, controller};

use crate::operation::Operation;

const NAME: &str = "taskacct";
const TASK_GET: u8 = 1;
const FIELDS: u16 = 3;
/// `NLM_F_DUMP`.
const DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_HDRLEN: usize = 16;

/// What is dumped: groups of fields, and the buffer that is received into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    fields: u32,
    buffer: usize,
}

/// The figure that BPF's iterator has values for.
pub(crate) const IDENTITY_AND_DELAYS: &str = "dump, identity and delays, a task";

const ALL: u32 = (1 << 10) - 1;

/// What is measured.
pub(crate) const KINDS: [Kind; 3] = [
    Kind {
        name: "dump, all fields, a task",
        fields: ALL,
        buffer: 32 << 10,
    },
    Kind {
        name: "dump, all fields, 4 KiB at a time, a task",
        fields: ALL,
        buffer: 4 << 10,
    },
    Kind {
        name: IDENTITY_AND_DELAYS,
        // TASKACCT_FIELD_IDENTITY, TASKACCT_FIELD_DELAYS.
        fields: 1 | 8,
        buffer: 32 << 10,
    },
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
        let mut client = Client::connect(Options::default())?;
        let answer = client.exchange(&controller::family_request(NAME).encode())?;
        let family = controller::Family::parse(&answer).context("no family taskacct")?;
        Ok(Self {
            socket: GenlSocket::open(Options::default())?,
            request: Request::new(family.id, TASK_GET)
                .with(|it| it.u32(FIELDS, kind.fields))
                .flags(DUMP)
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
