// SPDX-License-Identifier: GPL-2.0

//! Control groups: which a task is in, and the tasks of one, counted by state.
//!
//! C header: [`include/linux/cgroup.h`](srctree/include/linux/cgroup.h)
//! C source: [`kernel/cgroup/cgroup-v1.c`](srctree/kernel/cgroup/cgroup-v1.c)

use super::task::TaskView;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::LocalFile,
    prelude::*,
    static_assert,
    sync::rcu, //
};
use taskstats_bindings::{
    self as bindings,
    cgroupstats, //
};

use core::ptr::NonNull;

/// The bytes of one `struct cgroupstats`.
#[repr(C, align(8))]
pub(crate) struct CgroupStats([u8; size_of::<cgroupstats>()]);

static_assert!(size_of::<CgroupStats>() == size_of::<cgroupstats>());
static_assert!(align_of::<CgroupStats>() == align_of::<cgroupstats>());

impl CgroupStats {
    /// Counts the tasks of the control group whose directory `file` is. Mirrors
    /// `cgroupstats_build()`.
    ///
    /// [`EINVAL`] if it is not a directory of a version 1 hierarchy, [`ENOENT`] if the group has
    /// been removed.
    pub(crate) fn of(file: &LocalFile) -> Result<Self> {
        let mut stats = Self([0; size_of::<cgroupstats>()]);

        // SAFETY: The file is valid, and its path is set when it is opened and stays.
        let dentry = unsafe { (*file.as_ptr()).__bindgen_anon_1.f_path.dentry };
        // SAFETY: The struct is valid and zeroed; the file holds a reference to its dentry.
        to_result(unsafe { bindings::cgroupstats_build(stats.0.as_mut_ptr().cast(), dentry) })?;
        Ok(stats)
    }

    /// Returns the bytes as they go to user space.
    #[inline]
    pub(crate) fn into_bytes(self) -> [u8; size_of::<cgroupstats>()] {
        self.0
    }
}

/// A control group of version 2.
///
/// # Invariants
///
/// `cgroup` is valid, and this value holds a reference to it.
pub(crate) struct Cgroup {
    #[cfg_attr(not(CONFIG_CGROUPS), expect(dead_code))]
    cgroup: NonNull<bindings::cgroup>,
}

// SAFETY: References to control groups may be put from any thread.
unsafe impl Send for Cgroup {}

// SAFETY: What is read of it never changes.
unsafe impl Sync for Cgroup {}

#[cfg(CONFIG_CGROUPS)]
impl Cgroup {
    /// Returns the group with the id `id`. [`ENOENT`] if there is none, or it is outside of the
    /// current task's cgroup namespace. Mirrors `cgroup_get_from_id()`.
    pub(crate) fn from_id(id: u64) -> Result<Self> {
        // SAFETY: There are no requirements.
        let cgroup = from_err_ptr(unsafe { bindings::cgroup_get_from_id(id) })?;
        // INVARIANT: The function has taken a reference, which is ours.
        Ok(Self {
            cgroup: NonNull::new(cgroup).ok_or(ENOENT)?,
        })
    }

    /// Returns whether `task` is in the group or, unless `alone`, in one of its descendants.
    #[inline]
    pub(crate) fn has(&self, task: TaskView<'_>, alone: bool, _rcu: &rcu::Guard) -> bool {
        if alone {
            // SAFETY: The task is valid, and the RCU read lock is held.
            let cgroup = unsafe { bindings::task_dfl_cgroup(task.as_ptr()) };
            core::ptr::eq(cgroup, self.cgroup.as_ptr())
        } else {
            // SAFETY: The task and the group are valid, and the RCU read lock is held.
            unsafe { bindings::task_under_cgroup_hierarchy(task.as_ptr(), self.cgroup.as_ptr()) }
        }
    }
}

#[cfg(CONFIG_CGROUPS)]
impl Drop for Cgroup {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, there is a reference, which is given up.
        unsafe { bindings::cgroup_put(self.cgroup.as_ptr()) };
    }
}

#[cfg(not(CONFIG_CGROUPS))]
impl Cgroup {
    /// Returns [`EOPNOTSUPP`]: there are no control groups.
    pub(crate) fn from_id(_id: u64) -> Result<Self> {
        Err(EOPNOTSUPP)
    }

    /// Never called: there are no control groups.
    pub(crate) fn has(&self, _task: TaskView<'_>, _alone: bool, _rcu: &rcu::Guard) -> bool {
        false
    }
}

/// Returns the id of the control group of version 2 that `task` is in.
#[inline]
#[cfg(CONFIG_CGROUPS)]
pub(crate) fn id_of(task: TaskView<'_>, _rcu: &rcu::Guard) -> u64 {
    // SAFETY: The task is valid, and the RCU read lock is held; it keeps the group that the task is
    // in now, and the group its node.
    unsafe { (*(*bindings::task_dfl_cgroup(task.as_ptr())).kn).id }
}

/// Returns 0: there are no control groups.
#[inline]
#[cfg(not(CONFIG_CGROUPS))]
pub(crate) fn id_of(_task: TaskView<'_>, _rcu: &rcu::Guard) -> u64 {
    0
}
