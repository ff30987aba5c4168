// SPDX-License-Identifier: GPL-2.0

//! Who asks, what may be seen, and from which namespaces.
//!
//! Who may read `/proc/PID/io` of a task may see it here; with `CAP_NET_ADMIN` in the initial user
//! namespace, all tasks, as TASKSTATS has it. Both are asked of the task that sends the request
//! and of the one that opened its socket: neither gains by the other. Mount options of procfs
//! (`hidepid`) are those of a mount, and none is known here.

use crate::{
    abstractions::{
        access::{
            may_read,
            Audit, //
        },
        credentials,
        namespace::Namespaces,
        task::TaskView, //
    },
    genetlink::{
        Caller,
        Refusal, //
    },
};
use kernel::{
    cred::Credential,
    current,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::aref::ARef, //
};
use taskstats_bindings::CAP_NET_ADMIN;

/// Who asks. All of it is held on to: a dump goes on when whoever began it has changed, or gone.
pub(super) struct Viewer {
    sender: ARef<Credential>,
    /// `None` if these are the sender's.
    opener: Option<ARef<Credential>>,
    sees_all: bool,
    pid: ARef<PidNamespace>,
}

impl Viewer {
    /// Returns who sends the request.
    pub(super) fn new<'a>(caller: Caller<'a>) -> Result<Self, Refusal<'a>> {
        let task = current!();
        let sender = credentials::current(task);
        let opener = caller
            .opener()
            .ok_or_else(|| Refusal::new(EPERM, c"nobody has opened this socket"))?;

        Ok(Self {
            opener: (!core::ptr::eq(opener, &*sender)).then(|| opener.into()),
            sender,
            sees_all: caller.is_capable(CAP_NET_ADMIN),
            pid: task.active_pid_ns().ok_or(ESRCH)?.into(),
        })
    }

    /// Returns the namespaces in which tasks and users are named.
    #[inline]
    pub(super) fn namespaces(&self) -> Namespaces<'_> {
        Namespaces {
            user: credentials::user_namespace(&self.sender),
            pid: &self.pid,
        }
    }

    /// Returns whether it may see `task`.
    #[inline]
    pub(super) fn may_see(&self, task: TaskView<'_>, audit: Audit) -> bool {
        self.sees_all
            || (may_read(&self.sender, task, audit)
                && self
                    .opener
                    .as_ref()
                    .is_none_or(|opener| may_read(opener, task, audit)))
    }
}
