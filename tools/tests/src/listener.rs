// SPDX-License-Identifier: GPL-2.0

//! Those who are told of exits, and the messages that they get.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, ensure};
use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt::RcvBufForce},
};
use taskstats::{
    Client, Error, Options, Stats, Subject,
    answer::{Body, Datagram},
    record::{FIELDS, Field, Taskstats, Unit},
    uapi::{TASKSTATS_CMD_NEW, TASKSTATS_GENL_VERSION, TASKSTATS_VERSION},
};

use crate::{implementation::Implementation, peer::wait_until};

/// Bytes of a message with a task's record.
const TASK: usize = 724;
/// Bytes of a message with a task's and its process's record.
const TASK_AND_PROCESS: usize = 1428;
/// Where the two records are.
const OFFSETS: [usize; 2] = [36, 740];

/// The fields that a process's record has beside delay accounting; all others are zero.
const OF_PROCESS: &[&str] = &[
    "version", "ac_etime", "ac_utime", "ac_stime", "nvcsw", "nivcsw",
];

/// A socket that is told of exits.
#[derive(Debug)]
pub struct Listener {
    client: Client,
    /// The lists of CPUs that it was ever registered for.
    cpus: BTreeSet<String>,
}

/// What is in a listener's queue.
#[derive(Debug, Default)]
pub struct Heard {
    /// The messages, in order.
    pub messages: Vec<ExitMessage>,
    /// How often the socket said that it has lost messages (`ENOBUFS`).
    pub losses: usize,
}

/// A message about an exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitMessage {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its sequence number.
    pub sequence: u32,
    /// The task's record.
    pub task: Taskstats,
    /// The process's record, with its id, where the last of several threads has gone.
    pub process: Option<(u32, Taskstats)>,
}

impl Listener {
    /// Opens a socket that is not registered yet; `port` 0 lets the kernel choose.
    pub fn open(port: u32) -> anyhow::Result<Self> {
        let options = Options {
            port,
            ..Options::default()
        };
        Ok(Self {
            client: Client::connect(options)?,
            cpus: BTreeSet::new(),
        })
    }

    /// Opens a socket and registers it for these CPUs.
    pub fn on(cpus: &str) -> anyhow::Result<Self> {
        let mut listener = Self::open(0)?;
        listener.register(cpus)?;
        Ok(listener)
    }

    /// Sets how many bytes the queue may hold, beyond what the system allows to others.
    pub fn room(&self, bytes: usize) -> anyhow::Result<()> {
        setsockopt(&self.client, RcvBufForce, &bytes).context("SO_RCVBUFFORCE")
    }

    /// Registers for these CPUs.
    pub fn register(&mut self, cpus: &str) -> anyhow::Result<()> {
        self.cpus.insert(cpus.to_owned());
        let registered = self.client.register(cpus);
        registered.with_context(|| format!("registering for {cpus:?}"))
    }

    /// Deregisters for these CPUs.
    pub fn deregister(&mut self, cpus: &str) -> anyhow::Result<()> {
        let deregistered = self.client.deregister(cpus);
        deregistered.with_context(|| format!("deregistering for {cpus:?}"))
    }

    /// The socket's port id.
    pub fn port(&self) -> u32 {
        self.client.port()
    }

    /// Takes everything that is in the queue.
    pub fn hear(&mut self) -> anyhow::Result<Heard> {
        let mut heard = Heard::default();
        loop {
            match self.client.exit_record(Duration::ZERO) {
                Ok(None) => return Ok(heard),
                Ok(Some(datagram)) => {
                    let message = ExitMessage::parse(datagram, self.client.family());
                    heard.messages.push(message.context("an exit message")?);
                }
                Err(error) if lost(&error) => heard.losses += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// As [`Self::hear_all()`], after tasks have ended that were pinned to one CPU: `is_ours` tells
    /// them from all others. Their sequence numbers must be as promised.
    ///
    /// In which order the numbers come, neither C nor Rust promises: a task that has its number can
    /// be preempted before it sends. C promises less than Rust: it looks for the listeners of a CPU
    /// first, and takes the number of the CPU that the task is on then, so that a task that is not
    /// pinned can take a number away. Under Rust each number comes once, and none is missing from
    /// the first to the last of our tasks'; another task's may still be on its way. That is seen by
    /// a listener that was never registered for another CPU, whose numbers are others.
    pub fn hear_numbered(
        &mut self,
        is_ours: impl Fn(&Taskstats) -> bool,
    ) -> anyhow::Result<Vec<ExitMessage>> {
        let mut heard = self.hear_all()?;
        let ours = |heard: &[ExitMessage]| -> Vec<u32> {
            let ours = heard.iter().filter(|message| is_ours(&message.task));
            ours.map(|message| message.sequence).collect()
        };
        let of_ours = ours(&heard);
        missing(of_ours.iter().copied())?;
        let on_one_cpu =
            self.cpus.len() == 1 && self.cpus.iter().all(|it| it.parse::<u32>().is_ok());
        let promised = on_one_cpu && Implementation::in_charge()? == Implementation::Rust;
        let Some(&origin) = of_ours.first().filter(|_| promised) else {
            return Ok(heard);
        };
        let distance = |number: u32| number.wrapping_sub(origin) as i32;
        let first = of_ours.iter().map(|&it| distance(it)).min().unwrap_or(0);
        let last = of_ours.iter().map(|&it| distance(it)).max().unwrap_or(0);
        wait_until("the sequence numbers that are missing", || {
            heard.extend(self.hear_all()?);
            let between = heard
                .iter()
                .map(|message| message.sequence)
                .filter(|&it| (first..=last).contains(&distance(it)));
            Ok(missing(between)? == 0)
        })?;
        Ok(heard)
    }

    /// Takes everything that is in the queue, of which nothing may be missing.
    pub fn hear_all(&mut self) -> anyhow::Result<Vec<ExitMessage>> {
        let heard = self.hear()?;
        ensure!(heard.losses == 0, "messages were lost");
        Ok(heard.messages)
    }
}

fn lost(error: &Error) -> bool {
    error.errno() == Some(Errno::ENOBUFS as i32)
}

impl ExitMessage {
    /// Takes a message apart, and refuses whatever is not exactly as C sends it.
    fn parse(datagram: Datagram, family: u16) -> anyhow::Result<Self> {
        let length = datagram.0.len();
        let messages = datagram.messages()?;
        let [message] = &messages[..] else {
            anyhow::bail!("{} messages in one datagram", messages.len());
        };
        let header = &message.header;
        ensure!(header.length as usize == length, "{header:?} in {length}");
        ensure!(header.message_type == family, "type of {header:?}");
        ensure!(header.flags == 0, "flags of {header:?}");
        ensure!(header.port_number == 0, "port id of {header:?}");
        let Body::Generic {
            header: generic,
            attributes,
        } = &message.body
        else {
            anyhow::bail!("{:?}", message.body);
        };
        ensure!(
            generic.cmd == TASKSTATS_CMD_NEW && generic.version == TASKSTATS_GENL_VERSION,
            "{generic:?}"
        );
        ensure!(datagram.0[18..20] == [0; 2], "reserved bytes are not zero");
        ensure!(!attributes.iter().any(|it| it.nested), "a nested flag");

        let stats = Stats::of(message)?;
        ensure!(
            stats
                .iter()
                .map(|it| it.offset)
                .eq(OFFSETS.into_iter().take(stats.len())),
            "records elsewhere than at {OFFSETS:?}"
        );
        let (task, process) = match &stats[..] {
            [task] => (task, None),
            [task, process] => (task, Some(process)),
            _ => anyhow::bail!("{} records", stats.len()),
        };
        let expected = process.map_or(TASK, |_| TASK_AND_PROCESS);
        ensure!(length == expected, "{length} bytes instead of {expected}");
        ensure!(
            task.subject == Subject::Pid(task.record.ac_pid),
            "the record of {} under {:?}",
            task.record.ac_pid,
            task.subject
        );
        let process = process.map(|process| match process.subject {
            Subject::Tgid(tgid) => Ok((tgid, process.record.clone())),
            Subject::Pid(_) => Err(anyhow::anyhow!("two records of tasks")),
        });
        let process = process.transpose()?;
        whole(&task.record).context("the task's record")?;
        if let Some((tgid, record)) = &process {
            ensure!(*tgid == task.record.ac_tgid, "the record of process {tgid}");
            whole(record).context("the process's record")?;
            only_of_process(record)?;
        }
        Ok(Self {
            sequence: header.sequence_number,
            task: task.record.clone(),
            process,
            bytes: datagram.0.clone(),
        })
    }
}

fn is_zero(field: &Field, record: &Taskstats) -> bool {
    field.bytes(record).iter().all(|&byte| byte == 0)
}

/// The version is there, and what nobody wrote is zero.
fn whole(record: &Taskstats) -> anyhow::Result<()> {
    ensure!(
        record.version == TASKSTATS_VERSION,
        "version {}",
        record.version
    );
    for field in FIELDS.iter().filter(|field| field.unit == Unit::Padding) {
        ensure!(
            is_zero(field, record),
            "{}: {}",
            field.name,
            field.show(record)
        );
    }
    Ok(())
}

/// A process's record has delay accounting and five further sums.
fn only_of_process(record: &Taskstats) -> anyhow::Result<()> {
    for field in FIELDS {
        ensure!(
            in_process(field) || is_zero(field, record),
            "a process's record has {}: {}",
            field.name,
            field.show(record)
        );
    }
    Ok(())
}

/// Whether a process's record has that field.
pub fn in_process(field: &Field) -> bool {
    let delay = field.name.contains("_delay_")
        || field.name.ends_with("_count")
        || field.name.contains("_run_");
    delay || OF_PROCESS.contains(&field.name)
}

/// Fails if a sequence number came twice, and returns how many between the lowest and the highest
/// did not come.
fn missing(sequences: impl Iterator<Item = u32>) -> anyhow::Result<u32> {
    let mut sorted: Vec<_> = sequences.collect();
    // The numbers can wrap: those of one test are less than half of all apart.
    let Some(&origin) = sorted.first() else {
        return Ok(0);
    };
    let distance = |number: u32| number.wrapping_sub(origin) as i32;
    sorted.sort_by_key(|&number| distance(number));
    let mut missing = 0;
    for pair in sorted.windows(2) {
        let step = pair[1].wrapping_sub(pair[0]);
        ensure!(step > 0, "sequence number {} twice", pair[0]);
        missing += step - 1;
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_come_in_any_order() {
        let missing = |numbers: &[u32]| missing(numbers.iter().copied());
        assert_eq!(missing(&[]).unwrap(), 0);
        assert_eq!(missing(&[9964, 9962, 9963]).unwrap(), 0);
        assert_eq!(missing(&[0, u32::MAX, 1, u32::MAX - 1]).unwrap(), 0);
        assert_eq!(missing(&[7, 9, 12]).unwrap(), 3);
        assert!(missing(&[7, 8, 7]).is_err());
    }
}
