// SPDX-License-Identifier: GPL-2.0

//! What requests for one task or process have in common with each other.

use super::{
    filter,
    uapi::{
        TASKACCT_A_TASK_FIELDS,
        TASKACCT_A_TASK_FILTER,
        TASKACCT_A_TASK_PID,
        TASKACCT_A_TASK_PIDFD,
        TASKACCT_FIELD_MASK, //
    },
    viewer::Viewer, //
};
use crate::{
    abstractions::pids::{
        self,
        Kind, //
    },
    genetlink::{
        Attribute,
        Attributes,
        Policy,
        Range,
        Refusal, //
    },
};
use kernel::{
    fs::LocalFile,
    prelude::*,
    static_assert,
    sync::aref::ARef,
    task::Task, //
};

const IDS: Range = Range::new(1, i32::MAX as u64);

/// The attributes of a request for tasks or processes.
pub(super) const POLICY: &[Policy] = &[
    Policy::STRICT,
    Policy::U32.in_range(&IDS),               // TASKACCT_A_TASK_PID
    Policy::U32,                              // TASKACCT_A_TASK_PIDFD
    Policy::U32.in_mask(TASKACCT_FIELD_MASK), // TASKACCT_A_TASK_FIELDS
    Policy::nested(filter::POLICY),           // TASKACCT_A_TASK_FILTER
];

static_assert!(TASKACCT_A_TASK_PID == 1);
static_assert!(TASKACCT_A_TASK_PIDFD == 2);
static_assert!(TASKACCT_A_TASK_FIELDS == 3);
static_assert!(TASKACCT_A_TASK_FILTER == 4);

/// Refuses a request that has the attribute.
pub(super) fn refuse<'a>(
    attributes: Attributes<'a>,
    attribute: c_uint,
    words: &'static CStr,
) -> Result<(), Refusal<'a>> {
    match attributes.get(attribute) {
        Some(attribute) => Err(Refusal::new(EINVAL, words).at(attribute)),
        None => Ok(()),
    }
}

/// Returns the task, or the leader of the process, that a request names, and the attribute that
/// does so.
pub(super) fn subject<'a>(
    attributes: Attributes<'a>,
    kind: Kind,
    viewer: &Viewer,
) -> Result<(ARef<Task>, Attribute<'a>), Refusal<'a>> {
    refuse(
        attributes,
        TASKACCT_A_TASK_FILTER,
        c"a filter is for dumps, and this is a request for one",
    )?;
    match (
        attributes.get(TASKACCT_A_TASK_PID),
        attributes.get(TASKACCT_A_TASK_PIDFD),
    ) {
        (Some(pid), None) => pids::find(viewer.namespaces().pid, kind, pid.u32()?)
            .map(|task| (task, pid))
            .ok_or_else(|| gone(kind, pid)),
        (None, Some(pidfd)) => {
            let file = LocalFile::fget(pidfd.u32()?).map_err(|error| {
                Refusal::new(error.into(), c"no open file descriptor").at(pidfd)
            })?;
            match pids::of_pidfd(&file, kind) {
                Ok(task) => Ok((task, pidfd)),
                Err(ESRCH) => Err(gone(kind, pidfd)),
                Err(errno) => Err(Refusal::new(errno, c"not a pidfd").at(pidfd)),
            }
        }
        (Some(_), Some(pidfd)) => {
            Err(Refusal::new(EINVAL, c"a pid and a pidfd: one is enough").at(pidfd))
        }
        (None, None) => Err(Refusal::new(EINVAL, c"neither a pid nor a pidfd")),
    }
}

/// There is no such task, or none any more.
pub(super) fn gone(kind: Kind, id: Attribute<'_>) -> Refusal<'_> {
    let words = match kind {
        Kind::Task => c"there is no such task in the caller's pid namespace",
        Kind::Process => c"there is no such process in the caller's pid namespace",
    };
    Refusal::new(ESRCH, words).at(id)
}

/// The caller may not see the task.
pub(super) fn hidden(id: Attribute<'_>) -> Refusal<'_> {
    Refusal::new(
        EPERM,
        c"neither CAP_NET_ADMIN nor the right to read /proc/PID/io of it",
    )
    .at(id)
}
