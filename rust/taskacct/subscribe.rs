// SPDX-License-Identifier: GPL-2.0

//! `TASKACCT_CMD_EXIT_FILTER_SET`, `TASKACCT_CMD_EXIT_STATS_GET`: what a socket is sent of what
//! ends, and what has become of that.

use super::{
    exits::{
        Counts,
        ExitFilter, //
    },
    state::Taskacct,
    uapi::{
        TASKACCT_A_EXIT_FILTER_ANCESTOR,
        TASKACCT_A_EXIT_FILTER_CGROUP_ALONE,
        TASKACCT_A_EXIT_FILTER_CGROUP_ID,
        TASKACCT_A_EXIT_FILTER_FAILED,
        TASKACCT_A_EXIT_FILTER_FIELDS,
        TASKACCT_A_EXIT_FILTER_MAX,
        TASKACCT_A_EXIT_FILTER_NONE,
        TASKACCT_A_EXIT_FILTER_PROCESSES,
        TASKACCT_A_EXIT_FILTER_THREADS,
        TASKACCT_A_EXIT_FILTER_UID,
        TASKACCT_A_EXIT_STATS_DELIVERED,
        TASKACCT_A_EXIT_STATS_GAPS,
        TASKACCT_A_EXIT_STATS_LOST_FULL,
        TASKACCT_A_EXIT_STATS_LOST_MEMORY,
        TASKACCT_A_EXIT_STATS_MATCHED,
        TASKACCT_CMD_EXIT_FILTER_SET,
        TASKACCT_CMD_EXIT_STATS_GET,
        TASKACCT_FIELD_MASK, //
    },
};
use crate::{
    abstractions::namespace::Namespaces,
    genetlink::{
        AttributeU64,
        Command,
        Permission,
        Policy,
        Range,
        Refusal,
        Request,
        Room,
        Validation, //
    },
};
use kernel::{
    current,
    prelude::*,
    static_assert, //
};

const IDS: Range = Range::new(1, i32::MAX as u64);

/// The attributes of a filter.
const POLICY: &[Policy] = &[
    Policy::STRICT,
    Policy::FLAG,                             // TASKACCT_A_EXIT_FILTER_THREADS
    Policy::FLAG,                             // TASKACCT_A_EXIT_FILTER_PROCESSES
    Policy::U32.in_mask(TASKACCT_FIELD_MASK), // TASKACCT_A_EXIT_FILTER_FIELDS
    Policy::FLAG,                             // TASKACCT_A_EXIT_FILTER_FAILED
    Policy::U32,                              // TASKACCT_A_EXIT_FILTER_UID
    Policy::U64,                              // TASKACCT_A_EXIT_FILTER_CGROUP_ID
    Policy::FLAG,                             // TASKACCT_A_EXIT_FILTER_CGROUP_ALONE
    Policy::U32.in_range(&IDS),               // TASKACCT_A_EXIT_FILTER_ANCESTOR
    Policy::FLAG,                             // TASKACCT_A_EXIT_FILTER_NONE
];

static_assert!(TASKACCT_A_EXIT_FILTER_THREADS == 1);
static_assert!(TASKACCT_A_EXIT_FILTER_PROCESSES == 2);
static_assert!(TASKACCT_A_EXIT_FILTER_FIELDS == 3);
static_assert!(TASKACCT_A_EXIT_FILTER_FAILED == 4);
static_assert!(TASKACCT_A_EXIT_FILTER_UID == 5);
static_assert!(TASKACCT_A_EXIT_FILTER_CGROUP_ID == 6);
static_assert!(TASKACCT_A_EXIT_FILTER_CGROUP_ALONE == 7);
static_assert!(TASKACCT_A_EXIT_FILTER_ANCESTOR == 8);
static_assert!(TASKACCT_A_EXIT_FILTER_NONE == 9);
// CAST: A small constant.
static_assert!(POLICY.len() == TASKACCT_A_EXIT_FILTER_MAX as usize + 1);

/// `TASKACCT_CMD_EXIT_FILTER_SET`.
pub(super) struct SetFilter;

#[vtable]
impl Command for SetFilter {
    type Family = Taskacct;
    type Cursor = ();

    // CAST: Commands fit a byte.
    const CMD: u8 = TASKACCT_CMD_EXIT_FILTER_SET as u8;
    const POLICY: &'static [Policy] = POLICY;
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::NetAdmin;

    fn doit<'a>(family: &Taskacct, request: Request<'a, Taskacct>) -> Result<(), Refusal<'a>> {
        let attributes = request.attributes();
        if !Namespaces::current(current!())?.are_init() {
            return Err(Refusal::new(
                EINVAL,
                c"who listens must be in the initial user and pid namespaces",
            ));
        }
        let filter = match attributes.get(TASKACCT_A_EXIT_FILTER_NONE) {
            None => Some(ExitFilter::new(attributes)?),
            Some(none) => {
                if (1..TASKACCT_A_EXIT_FILTER_NONE).any(|other| attributes.get(other).is_some()) {
                    return Err(Refusal::new(EINVAL, c"nothing, and yet something").at(none));
                }
                None
            }
        };
        if filter.is_some() {
            family.must_hear()?;
        }
        let exits = family.exits.get().ok_or(ENODEV)?;
        Ok(request
            .socket_private()?
            .set(&exits, request.socket(), filter, family.gaps())?)
    }
}

/// `TASKACCT_CMD_EXIT_STATS_GET`.
pub(super) struct GetStats;

/// The answer.
#[derive(IntoBytes)]
#[repr(C)]
struct Stats {
    matched: AttributeU64,
    delivered: AttributeU64,
    lost_full: AttributeU64,
    lost_memory: AttributeU64,
    gaps: AttributeU64,
}

#[vtable]
impl Command for GetStats {
    type Family = Taskacct;
    type Cursor = ();

    // CAST: Commands fit a byte.
    const CMD: u8 = TASKACCT_CMD_EXIT_STATS_GET as u8;
    const POLICY: &'static [Policy] = &[Policy::STRICT];
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::Any;

    fn doit<'a>(family: &Taskacct, request: Request<'a, Taskacct>) -> Result<(), Refusal<'a>> {
        let counts = request.socket_private()?.counts();
        let gaps = counts.map_or(0, |counts| family.gaps().wrapping_sub(counts.gaps_before));
        let became = counts.map(Counts::read).unwrap_or_default();
        let mut reply = request.reply(Self::CMD, Room::of::<Stats>(), GFP_KERNEL)?;
        reply.push(Stats {
            matched: AttributeU64::of::<TASKACCT_A_EXIT_STATS_MATCHED>(became.matched),
            delivered: AttributeU64::of::<TASKACCT_A_EXIT_STATS_DELIVERED>(became.delivered),
            lost_full: AttributeU64::of::<TASKACCT_A_EXIT_STATS_LOST_FULL>(became.lost_full),
            lost_memory: AttributeU64::of::<TASKACCT_A_EXIT_STATS_LOST_MEMORY>(became.lost_memory),
            gaps: AttributeU64::of::<TASKACCT_A_EXIT_STATS_GAPS>(gaps),
        })?;
        Ok(reply.send_to_socket()?)
    }
}
