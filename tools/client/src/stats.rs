// SPDX-License-Identifier: GPL-2.0

//! What TASKSTATS answers: records with the id that they are of, and cgroup counts.

use netlink_packet_core::{DecodeError, parse_u32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    answer::{Attribute, Body, Message},
    record::Taskstats,
    uapi::{
        CGROUPSTATS_CMD_NEW, CGROUPSTATS_TYPE_CGROUP_STATS, TASKSTATS_CMD_NEW,
        TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_PID,
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
    /// Where the record starts in its datagram.
    pub offset: usize,
}

impl Stats {
    /// The records of a `TASKSTATS_CMD_NEW` message, in their order.
    ///
    /// Strict, as the clients are that walk by position: each nest is an id and a record, nothing
    /// else.
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
        let [id, stats] = &nest[..] else {
            return Err(
                format!("{} attributes where an id and a record belong", nest.len()).into(),
            );
        };
        let subject = match (aggregate.kind, id.kind) {
            (TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_PID) => Subject::Pid(parse_u32(id.value)?),
            (TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_TGID) => Subject::Tgid(parse_u32(id.value)?),
            kinds => return Err(format!("nest and id of types {kinds:?}").into()),
        };
        if stats.kind != TASKSTATS_TYPE_STATS {
            return Err(format!("type {} where the record belongs", stats.kind).into());
        }
        let record = Taskstats::from_payload(stats.value)
            .ok_or_else(|| format!("a record of {} bytes", stats.value.len()))?;
        Ok(Self {
            subject,
            record,
            offset: stats.offset,
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
        request::{RawAttribute, Request},
    };

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        Request::get(0)
            .with(RawAttribute::new(kind, value))
            .encode()
            .split_off(20)
    }

    fn answer(nest: &[u8], aggregate: u16) -> Datagram {
        let attribute = RawAttribute::new(aggregate, nest);
        Datagram(Request::new(20, TASKSTATS_CMD_NEW).with(attribute).encode())
    }

    fn parse(datagram: &Datagram) -> Result<Vec<Stats>, DecodeError> {
        Stats::of(&datagram.messages().unwrap()[0])
    }

    fn nest(id_kind: u16, record: &[u8]) -> Vec<u8> {
        let mut nest = attribute(id_kind, &77u32.to_ne_bytes());
        nest.extend(attribute(TASKSTATS_TYPE_STATS, record));
        nest
    }

    #[test]
    fn a_pid_answer() {
        let mut record = [0; RECORD_SIZE];
        record[..2].copy_from_slice(&17u16.to_ne_bytes());
        let datagram = answer(&nest(TASKSTATS_TYPE_PID, &record), TASKSTATS_TYPE_AGGR_PID);
        assert_eq!(datagram.0.len(), 724);
        let stats = &parse(&datagram).unwrap()[0];
        assert_eq!(stats.subject, Subject::Pid(77));
        assert_eq!(stats.offset, 36);
        assert_eq!(stats.record.version, 17);
    }

    #[test]
    fn what_stock_clients_would_trip_over_is_refused() {
        let record = [0; RECORD_SIZE];
        let wrong_id = nest(TASKSTATS_TYPE_TGID, &record);
        assert!(parse(&answer(&wrong_id, TASKSTATS_TYPE_AGGR_PID)).is_err());
        let short = nest(TASKSTATS_TYPE_PID, &record[8..]);
        assert!(parse(&answer(&short, TASKSTATS_TYPE_AGGR_PID)).is_err());
        let mut more = nest(TASKSTATS_TYPE_PID, &record);
        more.extend(attribute(6, &[]));
        assert!(parse(&answer(&more, TASKSTATS_TYPE_AGGR_PID)).is_err());
        let good = nest(TASKSTATS_TYPE_PID, &record);
        assert!(parse(&answer(&good, TASKSTATS_TYPE_AGGR_TGID)).is_err());
    }

    #[test]
    fn cgroup_counts() {
        let counts = [1u64, 2, 3, 4, 5].map(u64::to_ne_bytes).concat();
        let request = Request::new(20, CGROUPSTATS_CMD_NEW).with(RawAttribute::new(1, counts));
        let datagram = Datagram(request.encode());
        let counts = Cgroupstats::of(&datagram.messages().unwrap()[0]).unwrap();
        assert_eq!((counts.nr_sleeping, counts.nr_io_wait), (1, 5));
        assert!(Stats::of(&datagram.messages().unwrap()[0]).is_err());
    }
}
