// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Listening to what exits by way of TASKSTATS, and counting what was lost.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_setaffinity},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    unistd::{Pid, gettid},
};

use crate::{
    client::Client,
    connection::Error,
    cpus,
    socket::{Options, is_overrun},
    stats::{Stats, Subject},
};

/// A record of a task that has exited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitRecord {
    /// The task's own record.
    pub task: Stats,
    /// The sum over its process, where it was the last of several threads.
    pub process: Option<Stats>,
}

/// What did not reach a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many messages are missing: the kernel numbers those of each CPU.
    pub messages: u64,
    /// How often the kernel said that a buffer had no room.
    pub overruns: u64,
}

/// Hears of each task that exits, on all CPUs.
///
/// The kernel numbers its messages for each CPU, but does not say of which CPU a message is. So there
/// is a socket for each, and a number that is missing is a message that was lost. To know each
/// CPU's first number, a thread of this process exits on each CPU when the listener is opened, and
/// again in [`ExitListener::settle`], for the last; their records are not handed out. On a CPU
/// where this process must not run, losses before the first and after the last record that was
/// received are not seen.
///
/// The file descriptor is readable as soon as there is a record.
#[derive(Debug)]
pub struct ExitListener {
    epoll: Epoll,
    sockets: Vec<PerCpu>,
    /// The socket that is asked next, so that none starves.
    turn: usize,
    /// Threads of this process that exit to have a message sent.
    probes: Vec<u32>,
    probes_heard: usize,
}

#[derive(Debug)]
struct PerCpu {
    cpus: Vec<u32>,
    client: Client,
    numbers: Numbers,
    overruns: u64,
}

impl AsFd for ExitListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl ExitListener {
    /// Listens on all CPUs. Each gets a socket with these options.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_ADMIN` in the initial user namespace, `EINVAL` outside of the
    /// initial pid or user namespace.
    pub fn open(options: Options) -> Result<Self, Error> {
        let possible = cpus::named("possible")?;
        let online = cpus::named("online").unwrap_or_else(|_| possible.clone());
        let (online, offline): (Vec<u32>, Vec<u32>) =
            possible.into_iter().partition(|cpu| online.contains(cpu));
        let mut shares: Vec<Vec<u32>> = online.iter().map(|&cpu| vec![cpu]).collect();
        if !offline.is_empty() {
            shares.push(offline);
        }
        let mut listener = Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io::Error::from)?,
            sockets: Vec::new(),
            turn: 0,
            probes: Vec::new(),
            probes_heard: 0,
        };
        for (number, cpus) in shares.into_iter().enumerate() {
            let mut client = Client::connect(options)?;
            client.register(&cpus::list(&cpus))?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
            let added = listener.epoll.add(&client, event);
            added.map_err(io::Error::from)?;
            listener.sockets.push(PerCpu {
                cpus,
                client,
                numbers: Numbers::default(),
                overruns: 0,
            });
        }
        listener.probe();
        Ok(listener)
    }

    /// The next record, waiting for it until `timeout` is over. That the kernel has lost some is no
    /// error: [`ExitListener::lost`] says how many.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<ExitRecord>, Error> {
        let end = Instant::now().checked_add(timeout);
        loop {
            for _ in 0..self.sockets.len() {
                match self.heard()? {
                    Some(record) => return Ok(Some(record)),
                    None => self.turn = (self.turn + 1) % self.sockets.len(),
                }
            }
            let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            let milliseconds = left.as_millis().clamp(1, i32::MAX as u128) as i32;
            let timeout = EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX);
            match self.epoll.wait(&mut [EpollEvent::empty()], timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    /// Waits until all that has exited before was received, or until `timeout` is over, and returns
    /// the records. From then on [`ExitListener::lost`] is exact for all of that time.
    pub fn settle(&mut self, timeout: Duration) -> Result<Vec<ExitRecord>, Error> {
        let end = Instant::now() + timeout;
        let mut records = Vec::new();
        while Instant::now() < end {
            // Room for what the threads send.
            while let Some(record) = self.next(Duration::ZERO)? {
                records.push(record);
                if Instant::now() >= end {
                    return Ok(records);
                }
            }
            let heard = self.probes_heard;
            let sent = self.probe();
            // Whoever has exited has sent by then: there is nothing to wait for.
            while let Some(record) = self.next(Duration::ZERO)? {
                records.push(record);
            }
            if self.probes_heard >= heard + sent {
                break;
            }
        }
        Ok(records)
    }

    /// What did not arrive so far, as far as it is known; see [`ExitListener::settle`].
    pub fn lost(&self) -> Lost {
        let numbers = self.sockets.iter().map(|socket| &socket.numbers);
        let (due, received) = numbers.fold((0, 0), |(due, received), of| {
            (due + of.due(), received + of.received + of.foreign)
        });
        Lost {
            messages: due.saturating_sub(received),
            overruns: self.sockets.iter().map(|socket| socket.overruns).sum(),
        }
    }

    /// The next record of the socket whose turn it is.
    fn heard(&mut self) -> Result<Option<ExitRecord>, Error> {
        loop {
            let socket = &mut self.sockets[self.turn];
            let datagram = match socket.client.exit_record(Duration::ZERO) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(None),
                Err(Error::Socket(error)) if is_overrun(&error) => {
                    socket.overruns += 1;
                    socket.numbers.may_jump = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let messages = datagram.messages()?;
            let Some(message) = messages.first() else {
                continue;
            };
            let mut records = Stats::of(message)?.into_iter();
            // One number counts for several CPUs that were offline: nothing is to be learned of it.
            if let [_] = socket.cpus[..] {
                socket.numbers.heard(message.header.sequence_number);
            }
            let Some(task) = records.next() else {
                continue;
            };
            if let Subject::Pid(pid) = task.subject {
                if self.probes.contains(&pid) {
                    self.probes_heard += 1;
                    continue;
                }
            }
            return Ok(Some(ExitRecord {
                task,
                process: records.next(),
            }));
        }
    }

    /// Has a thread exit on each CPU. Where that cannot be, the count of what is lost is less exact.
    /// Returns how many did.
    fn probe(&mut self) -> usize {
        let (sender, ids) = mpsc::channel();
        for socket in &self.sockets {
            let [cpu] = socket.cpus[..] else {
                continue;
            };
            let sender = sender.clone();
            let thread = thread::Builder::new().spawn(move || {
                let mut only = CpuSet::new();
                let there = only
                    .set(cpu as usize)
                    .and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
                if there.is_ok() {
                    // Nobody is left to hear of it where that fails.
                    let _ = sender.send(gettid().as_raw() as u32);
                }
            });
            if let Ok(thread) = thread {
                // What it panics of is not ours to care about: it does not.
                let _ = thread.join();
            }
        }
        drop(sender);
        let before = self.probes.len();
        self.probes.extend(ids);
        self.probes.len() - before
    }
}

/// The numbers of one CPU's messages.
#[derive(Debug, Default)]
struct Numbers {
    lowest: Option<u32>,
    highest: u32,
    received: u64,
    /// Messages with a number of another CPU: their task moved at the last moment.
    foreign: u64,
    may_jump: bool,
}

impl Numbers {
    /// Further away than what can have come in another order.
    const FAR: u32 = 1 << 16;

    fn heard(&mut self, number: u32) {
        let Some(lowest) = self.lowest else {
            self.lowest = Some(number);
            self.highest = number;
            self.received = 1;
            return;
        };
        let ahead = number.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(number);
        if ahead < u32::MAX / 2 {
            if ahead > Self::FAR && !self.may_jump {
                self.foreign += 1;
                return;
            }
            self.highest = number;
            self.may_jump = false;
        } else if behind > Self::FAR {
            self.foreign += 1;
            return;
        } else if lowest.wrapping_sub(number) < u32::MAX / 2 {
            // One with a lower number was overtaken by the first.
            self.lowest = Some(number);
        }
        self.received += 1;
    }

    /// How many messages there must have been.
    fn due(&self) -> u64 {
        let span = |lowest| u64::from(self.highest.wrapping_sub(lowest)) + 1;
        self.lowest.map_or(0, span) + self.foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(numbers: &[u32]) -> u64 {
        let mut of = Numbers::default();
        for &number in numbers {
            of.heard(number);
        }
        of.due() - of.received - of.foreign
    }

    #[test]
    fn missing_numbers_are_counted() {
        assert_eq!(lost(&[]), 0);
        assert_eq!(lost(&[7, 8, 9]), 0);
        assert_eq!(lost(&[7, 9, 12]), 3);
    }

    #[test]
    fn the_order_does_not_matter() {
        assert_eq!(lost(&[8, 7, 10, 9, 11]), 0);
        assert_eq!(lost(&[8, 7, 10, 12, 9]), 1);
    }

    #[test]
    fn numbers_begin_anew() {
        assert_eq!(lost(&[u32::MAX - 1, u32::MAX, 0, 1]), 0);
        assert_eq!(lost(&[u32::MAX, 1]), 1);
    }

    #[test]
    fn a_number_of_another_cpu_is_no_loss() {
        assert_eq!(lost(&[7, 8, 5_000_000, 9]), 0);
        assert_eq!(lost(&[5_000_000, 8, 5_000_001]), 0);
    }

    #[test]
    fn after_an_overrun_a_jump_is_one() {
        let mut of = Numbers::default();
        of.heard(1);
        of.may_jump = true;
        of.heard(200_001);
        assert_eq!(of.due() - of.received, 199_999);
    }
}
