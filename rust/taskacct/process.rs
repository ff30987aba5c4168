// SPDX-License-Identifier: GPL-2.0

//! `TASKACCT_CMD_PROCESS_GET`: a process, or all processes.

use super::{
    dump::Cursor,
    fields::Fields,
    record,
    request::{
        gone,
        hidden,
        subject,
        POLICY, //
    },
    state::Taskacct,
    uapi::TASKACCT_CMD_PROCESS_GET,
    viewer::Viewer, //
};
use crate::{
    abstractions::{
        access::Audit,
        pids::Kind,
        task::TaskView, //
    },
    genetlink::{
        Attributes,
        Caller,
        Command,
        Dump,
        Permission,
        Policy,
        Refusal,
        Request,
        Validation, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// `TASKACCT_CMD_PROCESS_GET`.
pub(super) struct Get;

// CAST: Commands fit a byte.
const CMD: u8 = TASKACCT_CMD_PROCESS_GET as u8;

#[vtable]
impl Command for Get {
    type Family = Taskacct;
    type Cursor = Cursor;

    const CMD: u8 = CMD;
    const POLICY: &'static [Policy] = POLICY;
    const VALIDATION: Validation = Validation::Strict;
    const PERMISSION: Permission = Permission::Any;

    fn doit<'a>(_: &Taskacct, request: Request<'a, Taskacct>) -> Result<(), Refusal<'a>> {
        let attributes = request.attributes();
        let viewer = Viewer::new(request.caller())?;
        let fields = Fields::wanted(attributes)?;
        let (leader, id) = subject(attributes, Kind::Process, &viewer)?;
        let leader = TaskView::of(&leader);
        if !viewer.may_see(leader, Audit::Yes) {
            return Err(hidden(id));
        }

        let mut reply = request.reply(CMD, record::ROOM, GFP_KERNEL)?;
        let rcu = rcu::read_lock();
        // CAST: Ids of tasks are not negative.
        let tgid = leader.tgid_nr_ns(viewer.namespaces().pid, &rcu) as u32;
        if tgid == 0 {
            return Err(gone(Kind::Process, id));
        }
        record::put_process(&mut reply, tgid, leader, fields, viewer.namespaces(), &rcu).map_err(
            |errno| match errno {
                ESRCH => gone(Kind::Process, id),
                errno => errno.into(),
            },
        )?;
        drop(rcu);

        // It may have executed a program meanwhile, as somebody else.
        if !viewer.may_see(leader, Audit::Yes) {
            return Err(hidden(id));
        }
        Ok(reply.send_to_socket()?)
    }

    fn start<'a>(
        _: &Taskacct,
        attributes: Attributes<'a>,
        caller: Caller<'a>,
    ) -> Result<Cursor, Refusal<'a>> {
        Cursor::new(attributes, caller)
    }

    fn dumpit(_: &Taskacct, dump: &mut Dump<'_, Taskacct>, cursor: &mut Cursor) -> Result {
        cursor.go_on(dump, CMD, Kind::Process, record::put_process)
    }
}
