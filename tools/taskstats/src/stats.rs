// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! What TASKSTATS answers: records with the id that they are of, and cgroup counts.

use netlink_packet_core::{DecodeError, parse_u32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    answer::{Attribute, Body, Message},
    delay::{Delay, DelayKind},
    record::{Field, Taskstats, Timespec},
    uapi::{
        CGROUPSTATS_CMD_NEW, CGROUPSTATS_TYPE_CGROUP_STATS, TASKSTATS_CMD_NEW,
        TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_NULL, TASKSTATS_TYPE_PID,
        TASKSTATS_TYPE_STATS, TASKSTATS_TYPE_TGID,
    },
};

/// Whom a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A task.
    Pid(u32),
    /// A process.
    Tgid(u32),
}

/// A record and whom it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Whom the record is of.
    pub subject: Subject,
    /// The record.
    pub record: Taskstats,
    /// How many bytes of the record the kernel has filled. Older kernels have fewer fields.
    pub known: usize,
    /// Where the record starts in its datagram.
    pub offset: usize,
}

impl Stats {
    /// The records of a `TASKSTATS_CMD_NEW` message, in their order.
    ///
    /// Strict, as the clients are that walk by position: each nest is an id and a record, nothing
    /// else, but for the padding before it on machines that need it.
    pub fn of(message: &Message<'_>) -> Result<Vec<Self>, DecodeError> {
        match &message.body {
            Body::Generic { header, attributes } if header.cmd == TASKSTATS_CMD_NEW => {
                attributes.iter().map(Self::parse).collect()
            }
            body => Err(format!("no TASKSTATS_CMD_NEW: {body:?}").into()),
        }
    }

    fn parse(aggregate: &Attribute<'_>) -> Result<Self, DecodeError> {
        let nest = aggregate.nest()?;
        let (id, stats) = match &nest[..] {
            [id, stats] => (id, stats),
            [id, pad, stats] if pad.kind == TASKSTATS_TYPE_NULL => (id, stats),
            _ => {
                let number = nest.len();
                return Err(format!("{number} attributes where an id and a record belong").into());
            }
        };
        let subject = match (aggregate.kind, id.kind) {
            (TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_PID) => Subject::Pid(parse_u32(id.value)?),
            (TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_TGID) => Subject::Tgid(parse_u32(id.value)?),
            kinds => return Err(format!("nest and id of types {kinds:?}").into()),
        };
        if stats.kind != TASKSTATS_TYPE_STATS {
            return Err(format!("type {} where the record belongs", stats.kind).into());
        }
        let (record, known) = Taskstats::of_any_version(stats.value)
            .ok_or_else(|| format!("a record of {} bytes", stats.value.len()))?;
        Ok(Self {
            subject,
            record,
            known,
            offset: stats.offset,
        })
    }

    /// Whether the kernel has sent this field: an older one has shorter records.
    pub fn has(&self, field: &Field) -> bool {
        field.offset + field.size <= self.known
    }

    /// How long it waited for one thing; `None` where the kernel's record does not have that.
    ///
    /// Zeroes do not say that it never waited: all but the waits for a CPU are counted only while
    /// `kernel.task_delayacct` is on.
    pub fn delay(&self, kind: DelayKind) -> Option<Delay> {
        let [count, total, longest, shortest, longest_end] = kind
            .offsets()
            .map(|offset| Field::at(offset).filter(|field| self.has(field)));
        let number = |field: &Field| field.number(&self.record);
        Some(Delay {
            count: number(count?)?,
            total: number(total?)?,
            longest: longest.and_then(number),
            shortest: shortest.and_then(number),
            longest_end: longest_end.and_then(|field| {
                let moment = Timespec::read_from_bytes(field.bytes(&self.record)).ok()?;
                let seconds = u64::try_from(moment.tv_sec).ok()?;
                let nanoseconds = u64::try_from(moment.tv_nsec).ok()?;
                seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
            }),
        })
    }
}

/// `struct cgroupstats`.
#[derive(Clone, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Cgroupstats {
    /// Sleeping tasks.
    pub nr_sleeping: u64,
    /// Running tasks.
    pub nr_running: u64,
    /// Stopped tasks.
    pub nr_stopped: u64,
    /// Uninterruptible tasks.
    pub nr_uninterruptible: u64,
    /// Tasks waiting for I/O.
    pub nr_io_wait: u64,
}

const _: () = assert!(size_of::<Cgroupstats>() == 40);

impl Cgroupstats {
    /// The counts of a `CGROUPSTATS_CMD_NEW` message.
    pub fn of(message: &Message<'_>) -> Result<Self, DecodeError> {
        match &message.body {
            Body::Generic { header, attributes } if header.cmd == CGROUPSTATS_CMD_NEW => {
                match &attributes[..] {
                    [stats] if stats.kind == CGROUPSTATS_TYPE_CGROUP_STATS => {
                        Self::read_from_bytes(stats.value)
                            .map_err(|_| format!("counts of {} bytes", stats.value.len()).into())
                    }
                    other => Err(format!("no cgroup counts: {other:?}").into()),
                }
            }
            body => Err(format!("no CGROUPSTATS_CMD_NEW: {body:?}").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        answer::Datagram,
        record::RECORD_SIZE,
        request::{Attributes, Request},
    };

    fn answer(nest: &Attributes, aggregate: u16) -> Datagram {
        Datagram(
            Request::new(20, TASKSTATS_CMD_NEW)
                .with(|it| it.nest(aggregate, nest))
                .encode(),
        )
    }

    fn parse(datagram: &Datagram) -> Result<Vec<Stats>, DecodeError> {
        Stats::of(&datagram.messages().unwrap()[0])
    }

    fn nest(id_kind: u16, record: &[u8]) -> Attributes {
        Attributes::new()
            .u32(id_kind, 77)
            .bytes(TASKSTATS_TYPE_STATS, record)
    }

    fn record(version: u16, size: usize) -> Vec<u8> {
        let mut record = vec![0; size];
        record[..2].copy_from_slice(&version.to_ne_bytes());
        record[16..24].copy_from_slice(&5u64.to_ne_bytes());
        record
    }

    #[test]
    fn a_pid_answer() {
        let record = record(17, RECORD_SIZE);
        let datagram = answer(&nest(TASKSTATS_TYPE_PID, &record), TASKSTATS_TYPE_AGGR_PID);
        assert_eq!(datagram.0.len(), 724);
        let stats = &parse(&datagram).unwrap()[0];
        assert_eq!(stats.subject, Subject::Pid(77));
        assert_eq!(stats.offset, 36);
        assert_eq!(stats.record.version, 17);
        assert_eq!(stats.delay(DelayKind::Cpu).unwrap().count, 5);
        assert_eq!(stats.delay(DelayKind::Cpu).unwrap().longest_end, Some(0));
    }

    #[test]
    fn a_shorter_record_lacks_what_came_later() {
        let record = record(13, 416);
        let datagram = answer(&nest(TASKSTATS_TYPE_PID, &record), TASKSTATS_TYPE_AGGR_PID);
        let stats = &parse(&datagram).unwrap()[0];
        assert_eq!(stats.delay(DelayKind::Cpu).unwrap().count, 5);
        assert_eq!(stats.delay(DelayKind::Cpu).unwrap().longest, None);
        assert!(stats.delay(DelayKind::WriteCopy).is_some());
        assert_eq!(stats.delay(DelayKind::Irq), None);
        assert!(!stats.has(Field::named("irq_count").unwrap()));
    }

    #[test]
    fn padding_before_the_record_is_passed_over() {
        let padded = Attributes::new()
            .u32(TASKSTATS_TYPE_PID, 77)
            .flag(TASKSTATS_TYPE_NULL)
            .bytes(TASKSTATS_TYPE_STATS, &record(17, RECORD_SIZE));
        let datagram = answer(&padded, TASKSTATS_TYPE_AGGR_PID);
        assert_eq!(parse(&datagram).unwrap()[0].record.cpu_count, 5);
    }

    #[test]
    fn what_stock_clients_would_trip_over_is_refused() {
        let record = record(17, RECORD_SIZE);
        let wrong_id = nest(TASKSTATS_TYPE_TGID, &record);
        assert!(parse(&answer(&wrong_id, TASKSTATS_TYPE_AGGR_PID)).is_err());
        let short = nest(TASKSTATS_TYPE_PID, &record[..320]);
        assert!(parse(&answer(&short, TASKSTATS_TYPE_AGGR_PID)).is_err());
        let more = nest(TASKSTATS_TYPE_PID, &record).flag(6);
        assert!(parse(&answer(&more, TASKSTATS_TYPE_AGGR_PID)).is_err());
        let good = nest(TASKSTATS_TYPE_PID, &record);
        assert!(parse(&answer(&good, TASKSTATS_TYPE_AGGR_TGID)).is_err());
    }

    #[test]
    fn cgroup_counts() {
        let counts = [1u64, 2, 3, 4, 5].map(u64::to_ne_bytes).concat();
        let request = Request::new(20, CGROUPSTATS_CMD_NEW).with(|it| it.bytes(1, &counts));
        let datagram = Datagram(request.encode());
        let counts = Cgroupstats::of(&datagram.messages().unwrap()[0]).unwrap();
        assert_eq!((counts.nr_sleeping, counts.nr_io_wait), (1, 5));
        assert!(Stats::of(&datagram.messages().unwrap()[0]).is_err());
    }
}
