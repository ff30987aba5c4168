// SPDX-License-Identifier: GPL-2.0

//! A question and its answer, with the time at which they were.

use std::io;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use taskstats::{Client, answer::Datagram};

/// A moment by the two clocks that a record is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// `CLOCK_MONOTONIC`, which a task's start is kept in, in nanoseconds.
    pub monotonic_ns: i64,
    /// `CLOCK_REALTIME_COARSE`, the clock of `ktime_get_real_seconds()`, in seconds.
    pub real_s: i64,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        let read = |clock| clock_gettime(clock).expect("every Linux has this clock");
        let monotonic = read(ClockId::CLOCK_MONOTONIC);
        Self {
            monotonic_ns: monotonic.tv_sec() * 1_000_000_000 + monotonic.tv_nsec(),
            real_s: read(ClockId::CLOCK_REALTIME_COARSE).tv_sec(),
        }
    }
}

/// Everything that came back to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked, in words.
    pub label: String,
    /// Just before the request was sent.
    pub asked: Moment,
    /// Just after the last answer was received.
    pub answered: Moment,
    /// The errno of the send or receive call, where one failed.
    pub socket_errno: Option<i32>,
    /// The datagrams, byte for byte.
    pub datagrams: Vec<Vec<u8>>,
}

impl Answer {
    /// The datagrams to be taken apart.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram> {
        self.datagrams.iter().cloned().map(Datagram)
    }
}

/// Whoever can put a request to the kernel.
pub trait Ask {
    /// The family's id.
    fn family(&self) -> u16;

    /// Sends these bytes and collects what comes back.
    fn ask(&mut self, label: &str, request: &[u8]) -> anyhow::Result<Answer>;
}

impl Ask for Client {
    fn family(&self) -> u16 {
        Client::family(self)
    }

    fn ask(&mut self, label: &str, request: &[u8]) -> anyhow::Result<Answer> {
        let asked = Moment::now();
        let result = self.exchange(request);
        let answered = Moment::now();
        let (socket_errno, datagrams) = match result {
            Ok(datagrams) => (None, datagrams),
            Err(error) => (Some(errno(&error)?), Vec::new()),
        };
        Ok(Answer {
            label: label.to_owned(),
            asked,
            answered,
            socket_errno,
            datagrams: datagrams.into_iter().map(|datagram| datagram.0).collect(),
        })
    }
}

fn errno(error: &io::Error) -> anyhow::Result<i32> {
    error
        .raw_os_error()
        .ok_or_else(|| anyhow::anyhow!("no errno: {error}"))
}
