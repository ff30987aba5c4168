// SPDX-License-Identifier: GPL-2.0

//! `TASKACCT_CMD_CGROUP_GET`: what the processes in a control group of version 2 have used, or in
//! all of them.

use super::{
    fields::Fields,
    groups::{
        Answer,
        Group,
        Groups, //
    },
    record,
    state::Taskacct,
    uapi::{
        TASKACCT_A_CGROUP_BLOCK_IO_DELAY,
        TASKACCT_A_CGROUP_CPU,
        TASKACCT_A_CGROUP_EXITED,
        TASKACCT_A_CGROUP_FD,
        TASKACCT_A_CGROUP_FIELDS,
        TASKACCT_A_CGROUP_ID,
        TASKACCT_A_CGROUP_IO_WAIT,
        TASKACCT_A_CGROUP_IRQ_DELAY,
        TASKACCT_A_CGROUP_LEVEL,
        TASKACCT_A_CGROUP_MEMORY,
        TASKACCT_A_CGROUP_PARENT_ID,
        TASKACCT_A_CGROUP_PROCESSES,
        TASKACCT_A_CGROUP_RUNNING,
        TASKACCT_A_CGROUP_SINCE,
        TASKACCT_A_CGROUP_SLEEPING,
        TASKACCT_A_CGROUP_STOPPED,
        TASKACCT_A_CGROUP_SWITCHES,
        TASKACCT_A_CGROUP_UNCOUNTED,
        TASKACCT_A_CGROUP_UNINTERRUPTIBLE,
        TASKACCT_A_TASK_BLOCK_IO_DELAY,
        TASKACCT_A_TASK_CPU,
        TASKACCT_A_TASK_IRQ_DELAY,
        TASKACCT_A_TASK_MEMORY,
        TASKACCT_A_TASK_SWITCHES,
        TASKACCT_CMD_CGROUP_GET,
        TASKACCT_FIELD_MASK, //
    }, //
};
use crate::{
    abstractions::cgroup::Cgroup,
    genetlink::{
        AttributeU32,
        AttributeU64,
        Attributes,
        Caller,
        Command,
        Dump,
        Payload,
        Permission,
        Policy,
        Refusal,
        Request,
        Validation, //
    },
};
use kernel::{
    alloc::{
        flags,
        KVVec, //
    },
    prelude::*,
    rbtree::RBTreeNodeReservation,
    static_assert,
    sync::rcu, //
};

/// The attributes of a request.
const POLICY: &[Policy] = &[
    Policy::STRICT,
    Policy::U64,                              // TASKACCT_A_CGROUP_ID
    Policy::U32,                              // TASKACCT_A_CGROUP_FD
    Policy::U32.in_mask(TASKACCT_FIELD_MASK), // TASKACCT_A_CGROUP_FIELDS
];

static_assert!(TASKACCT_A_CGROUP_ID == 1);
static_assert!(TASKACCT_A_CGROUP_FD == 2);
static_assert!(TASKACCT_A_CGROUP_FIELDS == 3);

// The nests are those of tasks.
static_assert!(TASKACCT_A_CGROUP_CPU == TASKACCT_A_TASK_CPU);
static_assert!(TASKACCT_A_CGROUP_BLOCK_IO_DELAY == TASKACCT_A_TASK_BLOCK_IO_DELAY);
static_assert!(TASKACCT_A_CGROUP_IRQ_DELAY == TASKACCT_A_TASK_IRQ_DELAY);
static_assert!(TASKACCT_A_CGROUP_MEMORY == TASKACCT_A_TASK_MEMORY);
static_assert!(TASKACCT_A_CGROUP_SWITCHES == TASKACCT_A_TASK_SWITCHES);

/// What an answer has in any case.
#[derive(IntoBytes)]
#[repr(C)]
struct Counts {
    id: AttributeU64,
    parent: AttributeU64,
    level: AttributeU32,
    processes: AttributeU32,
    running: AttributeU32,
    sleeping: AttributeU32,
    uninterruptible: AttributeU32,
    stopped: AttributeU32,
    io_wait: AttributeU32,
    exited: AttributeU64,
    uncounted: AttributeU64,
    since: AttributeU64,
}

/// `TASKACCT_CMD_CGROUP_GET`.
pub(super) struct Get;

// CAST: Commands fit a byte.
const CMD: u8 = TASKACCT_CMD_CGROUP_GET as u8;

#[vtable]
impl Command for Get {
    type Family = Taskacct;
    type Cursor = Cursor;

    const CMD: u8 = CMD;
    const POLICY: &'static [Policy] = POLICY;
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::NetAdmin;

    fn doit<'a>(family: &Taskacct, request: Request<'a, Taskacct>) -> Result<(), Refusal<'a>> {
        let attributes = request.attributes();
        let fields = fields(attributes)?;
        let cgroup = subject(attributes)?
            .ok_or_else(|| Refusal::new(EINVAL, c"neither an id nor a file descriptor"))?;
        let place = cgroup.place();
        if !place.is_domain {
            return Err(Refusal::new(
                EOPNOTSUPP,
                c"a threaded control group: its processes count for its domain",
            ));
        }
        let mut groups = Groups::new();
        let node = RBTreeNodeReservation::new(flags::GFP_KERNEL)?;
        groups.insert(node.into_node(place.id, Group::new(place)));

        let answer = sum_up(family, groups)?;
        let mut reply = request.reply(CMD, record::ROOM, GFP_KERNEL)?;
        for group in answer.groups.values() {
            put(&mut reply, &answer, group, fields)?;
        }
        Ok(reply.send_to_socket()?)
    }

    fn start<'a>(
        family: &Taskacct,
        attributes: Attributes<'a>,
        _: Caller<'a>,
    ) -> Result<Cursor, Refusal<'a>> {
        let fields = fields(attributes)?;
        let root = subject(attributes)?.unwrap_or_else(Cgroup::root);
        let state = State {
            answer: sum_up(family, descendants(&root)?)?,
            fields,
            next: 0,
        };
        Ok(Cursor(Some(
            KBox::new(state, flags::GFP_KERNEL).map_err(Error::from)?,
        )))
    }

    fn dumpit(_: &Taskacct, dump: &mut Dump<'_, Taskacct>, cursor: &mut Cursor) -> Result {
        let state = cursor.0.as_mut().ok_or(EINVAL)?;

        while let Some(cursor) = state.answer.groups.cursor_lower_bound(&state.next) {
            let (&id, group) = cursor.current();
            dump.message(CMD, |payload| {
                put(payload, &state.answer, group, state.fields)
            })?;
            state.next = id.wrapping_add(1);
        }
        Ok(())
    }
}

/// All that a dump is about. Never empty: [`Default`] is for dumps without a beginning.
#[derive(Default)]
pub(super) struct Cursor(Option<KBox<State>>);

struct State {
    answer: Answer,
    fields: Fields,
    /// The next id to send.
    next: u64,
}

fn fields(attributes: Attributes<'_>) -> Result<Fields> {
    Fields::of_attribute(attributes.get(TASKACCT_A_CGROUP_FIELDS))
}

/// Returns the group that a request names, if it does.
fn subject(attributes: Attributes<'_>) -> Result<Option<Cgroup>, Refusal<'_>> {
    match (
        attributes.get(TASKACCT_A_CGROUP_ID),
        attributes.get(TASKACCT_A_CGROUP_FD),
    ) {
        (Some(id), None) => match Cgroup::from_id(id.uint()?) {
            Ok(cgroup) => Ok(Some(cgroup)),
            Err(errno) => {
                Err(Refusal::new(errno, c"no control group of version 2 has this id").at(id))
            }
        },
        (None, Some(fd)) => match Cgroup::from_fd(fd.u32()?) {
            Ok(cgroup) => Ok(Some(cgroup)),
            Err(errno) => {
                Err(Refusal::new(errno, c"no directory of a control group of version 2").at(fd))
            }
        },
        (Some(_), Some(fd)) => {
            Err(Refusal::new(EINVAL, c"an id and a file descriptor: one is enough").at(fd))
        }
        (None, None) => Ok(None),
    }
}

/// Returns `root` and its descendants that are domains.
fn descendants(root: &Cgroup) -> Result<Groups> {
    let mut places = KVVec::new();
    loop {
        let mut missing: usize = 0;
        root.visit_descendants(&rcu::read_lock(), |place| {
            if place.is_domain && places.push_within_capacity(place).is_err() {
                missing = missing.wrapping_add(1);
            }
        });
        if missing == 0 {
            break;
        }
        // More may come meanwhile.
        let wanted = places.len().wrapping_add(missing).wrapping_add(16);
        places = KVVec::with_capacity(wanted, flags::GFP_KERNEL)?;
    }
    let mut groups = Groups::new();
    for &place in &places {
        let node = RBTreeNodeReservation::new(flags::GFP_KERNEL)?;
        groups.insert(node.into_node(place.id, Group::new(place)));
    }
    Ok(groups)
}

fn sum_up<'a>(family: &Taskacct, groups: Groups) -> Result<Answer, Refusal<'a>> {
    family.must_hear()?;
    Ok(family.groups.get().ok_or(ENODEV)?.sum_up(groups)?)
}

/// Appends what is known of a group.
fn put(payload: &mut Payload, answer: &Answer, group: &Group, fields: Fields) -> Result {
    let (place, threads) = (&group.place, &group.threads);

    payload.push(Counts {
        id: AttributeU64::of::<TASKACCT_A_CGROUP_ID>(place.id),
        parent: AttributeU64::of::<TASKACCT_A_CGROUP_PARENT_ID>(place.parent),
        level: AttributeU32::of::<TASKACCT_A_CGROUP_LEVEL>(place.level),
        processes: AttributeU32::of::<TASKACCT_A_CGROUP_PROCESSES>(group.processes),
        running: AttributeU32::of::<TASKACCT_A_CGROUP_RUNNING>(threads.running),
        sleeping: AttributeU32::of::<TASKACCT_A_CGROUP_SLEEPING>(threads.sleeping),
        uninterruptible: AttributeU32::of::<TASKACCT_A_CGROUP_UNINTERRUPTIBLE>(
            threads.uninterruptible,
        ),
        stopped: AttributeU32::of::<TASKACCT_A_CGROUP_STOPPED>(threads.stopped),
        io_wait: AttributeU32::of::<TASKACCT_A_CGROUP_IO_WAIT>(threads.io_wait),
        exited: AttributeU64::of::<TASKACCT_A_CGROUP_EXITED>(group.exited),
        uncounted: AttributeU64::of::<TASKACCT_A_CGROUP_UNCOUNTED>(answer.uncounted),
        since: AttributeU64::of::<TASKACCT_A_CGROUP_SINCE>(answer.since),
    })?;
    record::put_totals(payload, &group.totals, None, fields)
}
