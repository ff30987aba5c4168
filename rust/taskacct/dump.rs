// SPDX-License-Identifier: GPL-2.0

//! Dumps of tasks and of processes.
//!
//! A dump goes through the ids in ascending order and keeps nothing of a task between two rounds
//! but the next id. So who lives from the beginning to the end is in it exactly once, whoever comes
//! or goes meanwhile; there is nothing that user space would have to be told was interrupted
//! (`NLM_F_DUMP_INTR`).

use super::{
    fields::Fields,
    filter::Filter,
    request::refuse,
    state::Taskacct,
    uapi::{
        TASKACCT_A_TASK_FILTER,
        TASKACCT_A_TASK_PID,
        TASKACCT_A_TASK_PIDFD, //
    },
    viewer::Viewer, //
};
use crate::{
    abstractions::{
        access::Audit,
        namespace::Namespaces,
        pids::{
            self,
            Kind, //
        },
        task::TaskView, //
    },
    genetlink::{
        Attributes,
        Caller,
        Dump,
        Payload,
        Refusal, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

use core::ops::ControlFlow;

/// How many tasks are looked at before others may run.
const TASKS_AT_A_TIME: u32 = 256;

/// How far a dump has come, and all that it is about.
pub(super) struct State {
    viewer: Viewer,
    fields: Fields,
    filter: Filter,
    /// The next id to look at.
    next: u32,
}

/// How far a dump has come. Never empty: [`Default`] is for dumps without a beginning.
#[derive(Default)]
pub(super) struct Cursor(Option<KBox<State>>);

/// Why the visit of tasks breaks off.
enum Break {
    /// Others are to run.
    Pause,
    /// No more can be appended.
    Error(Error),
}

impl Cursor {
    /// Begins a dump.
    pub(super) fn new<'a>(
        attributes: Attributes<'a>,
        caller: Caller<'a>,
    ) -> Result<Self, Refusal<'a>> {
        const WORDS: &CStr = c"a dump is of many: there is a filter to select some";
        refuse(attributes, TASKACCT_A_TASK_PID, WORDS)?;
        refuse(attributes, TASKACCT_A_TASK_PIDFD, WORDS)?;

        let viewer = Viewer::new(caller)?;
        let state = State {
            fields: Fields::wanted(attributes)?,
            filter: match attributes.get(TASKACCT_A_TASK_FILTER) {
                Some(nest) => Filter::new(nest, &viewer)?,
                None => Filter::default(),
            },
            viewer,
            next: 1,
        };
        Ok(Self(Some(
            KBox::new(state, GFP_KERNEL).map_err(Error::from)?,
        )))
    }

    /// Appends messages of command `cmd`, each of which `fill` fills in with what has the id that
    /// it is given. With [`ESRCH`], `fill` leaves it out.
    #[inline(always)]
    pub(super) fn go_on(
        &mut self,
        dump: &mut Dump<'_, Taskacct>,
        cmd: u8,
        kind: Kind,
        mut fill: impl FnMut(
            &mut Payload,
            u32,
            TaskView<'_>,
            Fields,
            Namespaces<'_>,
            &rcu::Guard,
        ) -> Result,
    ) -> Result {
        let state = self.0.as_mut().ok_or(EINVAL)?;

        loop {
            let mut left = TASKS_AT_A_TIME;
            let rcu = rcu::read_lock();
            let State {
                viewer,
                fields,
                filter,
                next,
            } = &mut **state;
            let from = *next;
            let end = pids::visit(viewer.namespaces().pid, kind, from, &rcu, |id, task| {
                *next = id;
                if left == 0 {
                    return ControlFlow::Break(Break::Pause);
                }
                left -= 1;
                if !filter.matches(task, viewer, &rcu) || !viewer.may_see(task, Audit::No) {
                    return ControlFlow::Continue(());
                }
                let appended = dump.message(cmd, |payload| {
                    fill(payload, id, task, *fields, viewer.namespaces(), &rcu)?;
                    // It may have executed a program meanwhile, as somebody else.
                    if viewer.may_see(task, Audit::No) {
                        Ok(())
                    } else {
                        Err(ESRCH)
                    }
                });
                match appended {
                    Ok(()) | Err(ESRCH) => ControlFlow::Continue(()),
                    Err(errno) => ControlFlow::Break(Break::Error(errno)),
                }
            });
            drop(rcu);

            match end {
                ControlFlow::Continue(()) => {
                    // Beyond the greatest id there is nothing left.
                    state.next = u32::MAX;
                    return Ok(());
                }
                ControlFlow::Break(Break::Error(errno)) => return Err(errno),
                ControlFlow::Break(Break::Pause) => pids::cond_resched(),
            }
        }
    }
}
