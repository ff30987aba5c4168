// SPDX-License-Identifier: GPL-2.0

//! How a record travels: in a nested attribute, behind the id that it belongs to.

#![forbid(unsafe_code)]

use crate::{
    genetlink::{
        AttributeHeader,
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

use zerocopy_derive::KnownLayout;

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A task, with the id that is reported or was asked for.
    Task(u32),
    /// A process, with the id that is reported or was asked for.
    Process(u32),
}

/// The attributes that a record travels in. Mirrors what `mk_reply()` appends.
#[derive(FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
struct Aggregate {
    /// `TASKSTATS_TYPE_AGGR_PID` or `TASKSTATS_TYPE_AGGR_TGID`, around the others.
    nest: AttributeHeader,
    /// `TASKSTATS_TYPE_PID` or `TASKSTATS_TYPE_TGID`.
    id_header: AttributeHeader,
    id: u32,
    /// `TASKSTATS_TYPE_STATS`.
    record_header: AttributeHeader,
    record: Record,
}

/// The room for `records` records, at most two, which are aligned in memory.
///
/// C's records are not; there, a message begins where it may. Mirrors `taskstats_packet_size()`.
pub(crate) const fn room(records: usize) -> Room {
    const ALIGN: usize = align_of::<Aggregate>();
    const HEADROOM: usize = HEADERS.next_multiple_of(ALIGN) - HEADERS;

    const { assert!(HEADROOM < 8) };
    Room {
        size: records * size_of::<Aggregate>(),
        // CAST: Checked above.
        headroom: HEADROOM as u8,
    }
}

/// Appends a record, which `fill` fills in. [`EMSGSIZE`] if the message has no [`room`] for it, or
/// what `fill` says. Mirrors `mk_reply()`.
#[inline]
pub(crate) fn put(
    message: &mut Message,
    subject: Subject,
    fill: impl FnOnce(&mut Record) -> Result,
) -> Result {
    let (nest, attribute, id) = match subject {
        Subject::Task(id) => (TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_PID, id),
        Subject::Process(id) => (TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_TGID, id),
    };
    let aggregate = message.append::<Aggregate>()?;

    aggregate.nest = AttributeHeader::new(nest, size_of::<Aggregate>() - HEADER);
    aggregate.id_header = AttributeHeader::new(attribute, size_of::<u32>());
    aggregate.id = id;
    aggregate.record_header = AttributeHeader::new(TASKSTATS_TYPE_STATS, size_of::<Record>());
    fill(&mut aggregate.record)
}

const HEADER: usize = size_of::<AttributeHeader>();
