// SPDX-License-Identifier: GPL-2.0

//! How a record travels: in a nested attribute, behind the id that it belongs to.

#![forbid(unsafe_code)]

use crate::{
    genetlink::{
        attribute_size,
        Attributes,
        Message,
        Room,
        HEADERS, //
    },
    record::Record,
    uapi::{
        TASKSTATS_TYPE_AGGR_PID,
        TASKSTATS_TYPE_AGGR_TGID,
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

/// The size of one record in a message.
const SIZE: usize =
    attribute_size(attribute_size(size_of::<u32>()) + attribute_size(size_of::<Record>()));

/// Where a record is behind the end of the aggregate before it.
const OFFSET: usize = attribute_size(0) + attribute_size(size_of::<u32>()) + attribute_size(0);

/// The room for `records` records, at most two, which are aligned in memory.
///
/// C's records are not; there, a message begins where it may. Mirrors `taskstats_packet_size()`.
pub(crate) const fn room(records: usize) -> Room {
    const ALIGN: usize = align_of::<Record>();
    const FIRST: usize = HEADERS + OFFSET;
    const HEADROOM: usize = FIRST.next_multiple_of(ALIGN) - FIRST;

    // The second record is aligned if the first one is.
    const { assert!(SIZE % ALIGN == 0) };
    const { assert!(HEADROOM < 8) };
    Room {
        size: records * SIZE,
        // CAST: Checked above.
        headroom: HEADROOM as u8,
    }
}

/// Appends a record, which `fill` fills in. [`EMSGSIZE`] if the message has no [`room`] for it, or
/// what `fill` says. Mirrors `mk_reply()`.
pub(crate) fn put(
    message: &mut Message,
    subject: Subject,
    fill: impl FnOnce(&mut Record) -> Result,
) -> Result {
    let (aggregate, attribute, id) = match subject {
        Subject::Task(id) => (TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_PID, id),
        Subject::Process(id) => (TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_TGID, id),
    };
    let mut nest = message.nest(aggregate)?;

    nest.put_u32(attribute, id)?;
    let payload = nest.reserve(TASKSTATS_TYPE_STATS, size_of::<Record>())?;
    fill(Record::from_zeroes(payload).ok_or(EMSGSIZE)?)
}
