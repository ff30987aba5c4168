// SPDX-License-Identifier: GPL-2.0

//! Which tasks are dumped.

use super::{
    uapi::{
        TASKACCT_A_FILTER_CGROUP_ALONE,
        TASKACCT_A_FILTER_CGROUP_ID,
        TASKACCT_A_FILTER_MAX,
        TASKACCT_A_FILTER_NO_KERNEL_THREADS,
        TASKACCT_A_FILTER_TGID,
        TASKACCT_A_FILTER_UID, //
    },
    viewer::Viewer, //
};
use crate::{
    abstractions::{
        cgroup::Cgroup,
        credentials::User,
        task::TaskView, //
    },
    genetlink::{
        Attribute,
        Policy,
        Range,
        Refusal, //
    },
};
use kernel::{
    prelude::*,
    static_assert,
    sync::rcu, //
};

const IDS: Range = Range::new(1, i32::MAX as u64);

/// The attributes of a filter.
pub(super) const POLICY: &[Policy] = &[
    Policy::STRICT,
    Policy::U32.in_range(&IDS), // TASKACCT_A_FILTER_TGID
    Policy::U64,                // TASKACCT_A_FILTER_CGROUP_ID
    Policy::FLAG,               // TASKACCT_A_FILTER_CGROUP_ALONE
    Policy::U32,                // TASKACCT_A_FILTER_UID
    Policy::FLAG,               // TASKACCT_A_FILTER_NO_KERNEL_THREADS
];

static_assert!(TASKACCT_A_FILTER_TGID == 1);
static_assert!(TASKACCT_A_FILTER_CGROUP_ID == 2);
static_assert!(TASKACCT_A_FILTER_CGROUP_ALONE == 3);
static_assert!(TASKACCT_A_FILTER_UID == 4);
static_assert!(TASKACCT_A_FILTER_NO_KERNEL_THREADS == 5);
// CAST: A small constant.
static_assert!(POLICY.len() == TASKACCT_A_FILTER_MAX as usize + 1);

/// Which tasks are dumped: those that all of this holds for.
#[derive(Default)]
pub(super) struct Filter {
    tgid: Option<u32>,
    cgroup: Option<Cgroup>,
    alone: bool,
    user: Option<User>,
    no_kernel_threads: bool,
}

impl Filter {
    /// Reads a filter.
    pub(super) fn new<'a>(nest: Attribute<'a>, viewer: &Viewer) -> Result<Self, Refusal<'a>> {
        // CAST: A small constant.
        let attributes = nest.nested::<{ TASKACCT_A_FILTER_MAX as usize + 1 }>();
        let get = |attribute: c_uint| attributes.get(attribute as usize).copied().flatten();

        let alone = get(TASKACCT_A_FILTER_CGROUP_ALONE);
        let cgroup = match (get(TASKACCT_A_FILTER_CGROUP_ID), alone) {
            (Some(id), _) => Some(Cgroup::from_id(id.uint()?).map_err(|errno| {
                Refusal::new(errno, c"no control group of version 2 has this id").at(id)
            })?),
            (None, Some(alone)) => {
                return Err(Refusal::new(EINVAL, c"alone, but no control group").at(alone))
            }
            (None, None) => None,
        };
        let user = match get(TASKACCT_A_FILTER_UID) {
            Some(uid) => Some(
                User::in_namespace(viewer.namespaces().user, uid.u32()?).ok_or_else(|| {
                    Refusal::new(
                        EINVAL,
                        c"no user has this id in the caller's user namespace",
                    )
                    .at(uid)
                })?,
            ),
            None => None,
        };
        Ok(Self {
            tgid: match get(TASKACCT_A_FILTER_TGID) {
                Some(tgid) => Some(tgid.u32()?),
                None => None,
            },
            cgroup,
            alone: alone.is_some(),
            user,
            no_kernel_threads: get(TASKACCT_A_FILTER_NO_KERNEL_THREADS).is_some(),
        })
    }

    /// Returns whether `task` is dumped.
    #[inline]
    pub(super) fn matches(&self, task: TaskView<'_>, viewer: &Viewer, rcu: &rcu::Guard) -> bool {
        if self.no_kernel_threads && task.flags().kthread() {
            return false;
        }
        if let Some(user) = self.user {
            if !user.is_real_of(task.credentials(rcu)) {
                return false;
            }
        }
        if let Some(tgid) = self.tgid {
            // CAST: Ids of tasks are not negative.
            if task.tgid_nr_ns(viewer.namespaces().pid, rcu) as u32 != tgid {
                return false;
            }
        }
        self.cgroup
            .as_ref()
            .is_none_or(|cgroup| cgroup.has(task, self.alone, rcu))
    }
}
