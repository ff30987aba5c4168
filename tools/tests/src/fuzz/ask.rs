// SPDX-License-Identifier: GPL-2.0

//! Sends cases on one socket and collects what comes back to each.

use std::{io, mem};

use crate::request::{RawAttribute, Request};
use anyhow::{Context, ensure};
use taskstats::{
    GenlSocket, Options,
    answer::Datagram,
    uapi::{TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK},
};

use super::case::Before;
use crate::{
    clone_as_vfork::end_on,
    exchange::{Answer, Moment},
};

/// All CPUs, and those that tasks exit on.
const CPUS: [usize; 2] = [0, 1];
const ALL_CPUS: &str = "0-1";

/// Where a message has its sender's port id: 0 in a message about an exit, the receiver's own in
/// every answer.
const NLMSG_PID: std::ops::Range<usize> = 12..16;
/// Where a message about an exit has the task's id.
const EXITED_PID: std::ops::Range<usize> = 28..32;

/// Everything that came back to one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer, without the messages about exits.
    pub answer: Answer,
    /// Where the effect was looked at: of which CPUs' exits the socket heard.
    pub heard: Option<Vec<usize>>,
}

/// A case as it is sent.
#[derive(Clone, Debug)]
pub struct Send {
    /// The bytes.
    pub datagram: Vec<u8>,
    /// Whether the effect is looked at, and from where.
    pub effect: Option<Before>,
}

/// A socket that cases are sent on.
#[derive(Debug)]
pub struct Asker {
    socket: GenlSocket,
    register: Vec<u8>,
    deregister: Vec<u8>,
    /// Messages about exits that nobody waited for.
    pub strangers: u64,
}

impl Asker {
    /// A new socket.
    pub fn open(family: u16, extended_ack: bool, capped_ack: bool) -> anyhow::Result<Self> {
        let socket = GenlSocket::open(Options {
            extended_ack,
            capped_ack,
            ..Options::default()
        })?;
        let listen = |attribute| {
            let cpus = RawAttribute::text(attribute, ALL_CPUS);
            Request::get(family).with(cpus).encode()
        };
        Ok(Self {
            socket,
            register: listen(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK),
            deregister: listen(TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK),
            strangers: 0,
        })
    }

    /// Sends all of them. The socket is registered for no CPU before and after.
    pub fn ask_all(&mut self, sends: &[Send]) -> anyhow::Result<Vec<Reply>> {
        self.silently(Before::None)?;
        let replies = sends.iter().map(|send| self.ask(send)).collect();
        self.silently(Before::None)?;
        replies
    }

    fn ask(&mut self, send: &Send) -> anyhow::Result<Reply> {
        if let Some(before) = send.effect {
            self.silently(before)?;
        }
        let asked = Moment::now();
        let sent = self.socket.send(&send.datagram);
        // The kernel has answered when send returns: nothing has to be waited for.
        let (mut datagrams, lost) = self.drain()?;
        let answered = Moment::now();
        let mut socket_errno = lost;
        if let Err(error) = sent {
            socket_errno = Some(errno(&error)?);
        }
        let all = datagrams.len();
        datagrams.retain(|datagram| !is_about_exit(datagram));
        self.strangers += (all - datagrams.len()) as u64;
        let heard = send.effect.map(|_| self.hear()).transpose()?;
        Ok(Reply {
            answer: Answer {
                label: String::new(),
                asked,
                answered,
                socket_errno,
                datagrams,
            },
            heard,
        })
    }

    /// Registers or deregisters; the answer, if any, is not looked at.
    fn silently(&mut self, before: Before) -> anyhow::Result<()> {
        let request = match before {
            Before::All => &self.register,
            Before::None => &self.deregister,
        };
        self.socket.send(request)?;
        let (datagrams, _) = self.drain()?;
        let about_exits = datagrams.iter().filter(|it| is_about_exit(it)).count();
        self.strangers += about_exits as u64;
        ensure!(datagrams.len() == about_exits, "refused: {datagrams:02x?}");
        Ok(())
    }

    /// Lets a task exit on each CPU, and returns of which it heard.
    fn hear(&mut self) -> anyhow::Result<Vec<usize>> {
        let mut heard = Vec::new();
        for cpu in CPUS {
            let pid = end_on(cpu)?;
            let (datagrams, lost) = self.drain()?;
            ensure!(lost.is_none(), "messages about exits were lost");
            for datagram in datagrams {
                ensure!(is_about_exit(&datagram), "an answer to nothing");
                let about = datagram.get(EXITED_PID).context("a short message")?;
                if about == pid.to_ne_bytes() {
                    heard.push(cpu);
                } else {
                    self.strangers += 1;
                }
            }
        }
        self.silently(Before::None)?;
        Ok(heard)
    }

    /// All datagrams, and the errno of the socket if there was one in between.
    fn drain(&mut self) -> anyhow::Result<(Vec<Vec<u8>>, Option<i32>)> {
        let mut lost = None;
        loop {
            match self.socket.drain() {
                Ok(datagrams) => {
                    let bytes = |mut datagram: Datagram| mem::take(&mut datagram.0);
                    return Ok((datagrams.into_iter().map(bytes).collect(), lost));
                }
                Err(error) => lost = Some(errno(&error)?),
            }
        }
    }
}

fn is_about_exit(datagram: &[u8]) -> bool {
    datagram.get(NLMSG_PID) == Some(&[0; 4])
}

fn errno(error: &io::Error) -> anyhow::Result<i32> {
    error
        .raw_os_error()
        .with_context(|| format!("no errno: {error}"))
}
