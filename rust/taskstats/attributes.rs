// SPDX-License-Identifier: GPL-2.0

//! How a record travels: in a nested attribute, behind the id that it belongs to.

use super::uapi::{
    TASKSTATS_TYPE_AGGR_PID,
    TASKSTATS_TYPE_AGGR_TGID,
    TASKSTATS_TYPE_NULL,
    TASKSTATS_TYPE_PID,
    TASKSTATS_TYPE_STATS,
    TASKSTATS_TYPE_TGID, //
};
use crate::{
    accounting::record::Record,
    genetlink::{
        AttributeHeader,
        Payload,
        Room,
        HEADER,
        PADS_64BIT, //
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

/// The attributes that a record travels in, where C does not pad them. Mirrors what `mk_reply()`
/// appends.
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

/// The size of what is in the nest.
const NESTED: usize = size_of::<Aggregate>() - HEADER;

/// Returns the room for `RECORDS` records. Mirrors `taskstats_packet_size()`.
pub(crate) const fn room<const RECORDS: usize>() -> Room {
    room_if::<PADS_64BIT, RECORDS>()
}

/// Returns the room for `RECORDS` records, which are aligned in memory: where C does not pad them,
/// the message begins where they are.
pub(crate) const fn room_if<const PADS: bool, const RECORDS: usize>() -> Room {
    if PADS {
        // As C does, room for padding before each.
        const {
            let size = RECORDS * (size_of::<Aggregate>() + HEADER);
            match Room::new(size) {
                Some(room) => room,
                None => panic!("too many records"),
            }
        }
    } else {
        Room::of::<[Aggregate; RECORDS]>()
    }
}

/// Appends a record, which `fill` fills in. [`EMSGSIZE`] if the payload has no [`room`] for it, or
/// what `fill` says. Mirrors `mk_reply()`.
#[inline]
pub(crate) fn put(
    payload: &mut Payload,
    subject: Subject,
    fill: impl FnOnce(&mut Record) -> Result,
) -> Result {
    put_if::<PADS_64BIT>(payload, subject, fill)
}

/// Appends a record as C does where it pads records, or where it does not.
#[inline]
pub(crate) fn put_if<const PADS: bool>(
    payload: &mut Payload,
    subject: Subject,
    fill: impl FnOnce(&mut Record) -> Result,
) -> Result {
    if PADS {
        put_padded(payload, subject, fill)
    } else {
        put_whole(payload, subject, fill)
    }
}

#[inline]
fn put_whole(
    payload: &mut Payload,
    subject: Subject,
    fill: impl FnOnce(&mut Record) -> Result,
) -> Result {
    const ID: usize = size_of::<u32>();
    let aggregate = payload.append::<Aggregate>()?;

    (aggregate.nest, aggregate.id_header, aggregate.id) = match subject {
        Subject::Task(id) => (
            AttributeHeader::of::<TASKSTATS_TYPE_AGGR_PID, NESTED>(),
            AttributeHeader::of::<TASKSTATS_TYPE_PID, ID>(),
            id,
        ),
        Subject::Process(id) => (
            AttributeHeader::of::<TASKSTATS_TYPE_AGGR_TGID, NESTED>(),
            AttributeHeader::of::<TASKSTATS_TYPE_TGID, ID>(),
            id,
        ),
    };
    aggregate.record_header =
        AttributeHeader::of::<TASKSTATS_TYPE_STATS, { size_of::<Record>() }>();
    fill(&mut aggregate.record)
}

/// Where the record is depends on where the message has come to, so it is put piece by piece.
fn put_padded(
    payload: &mut Payload,
    subject: Subject,
    fill: impl FnOnce(&mut Record) -> Result,
) -> Result {
    let (nest, attribute, id) = match subject {
        Subject::Task(id) => (TASKSTATS_TYPE_AGGR_PID, TASKSTATS_TYPE_PID, id),
        Subject::Process(id) => (TASKSTATS_TYPE_AGGR_TGID, TASKSTATS_TYPE_TGID, id),
    };

    // CAST: Small constants.
    payload.nest_noflag(nest as u16, |payload| {
        payload.put_u32(attribute as u16, id)?;
        fill(payload.reserve_64bit::<Record, true, TASKSTATS_TYPE_STATS, TASKSTATS_TYPE_NULL>()?)
    })
}
