// SPDX-License-Identifier: GPL-2.0

//! How a record travels: in a nested attribute, behind the id that it belongs to.

#![forbid(unsafe_code)]

use crate::{
    genetlink::{
        attribute_size,
        Attributes,
        Message, //
    },
    record::Record,
    uapi::{
        TASKSTATS_TYPE_AGGR_PID,
        TASKSTATS_TYPE_AGGR_TGID,
        TASKSTATS_TYPE_NULL,
        TASKSTATS_TYPE_PID,
        TASKSTATS_TYPE_STATS,
        TASKSTATS_TYPE_TGID, //
    },
};
use kernel::prelude::*;

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A task, with the id that is reported or was asked for.
    Task(u32),
    /// A process, with the id that is reported or was asked for.
    Process(u32),
}

/// The room that one record takes in a message. Mirrors `taskstats_packet_size()`.
pub(crate) const SIZE: usize = {
    // Where unaligned access is slow, the record may have padding before it.
    let padding = if cfg!(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) {
        0
    } else {
        attribute_size(0)
    };

    attribute_size(0)
        + attribute_size(size_of::<u32>())
        + attribute_size(size_of::<Record>())
        + padding
};

/// Appends a record. [`EMSGSIZE`] if the message has less room than [`SIZE`]. Mirrors `mk_reply()`.
pub(crate) fn put(message: &mut Message, subject: Subject, record: &Record) -> Result {
    let (aggregate, attribute, id) = match subject {
        Subject::Task(id) => (TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_PID, id),
        Subject::Process(id) => (TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_TGID, id),
    };
    let mut nest = message.nest(aggregate)?;

    nest.put_u32(attribute, id)?;
    nest.put_64bit(TASKSTATS_TYPE_STATS, record.as_bytes(), TASKSTATS_TYPE_NULL)
}
