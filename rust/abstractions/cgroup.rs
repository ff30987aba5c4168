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

    /// Returns the group whose directory the file descriptor `fd` is of. [`EBADF`] if it is none,
    /// or of version 1. Mirrors `cgroup_get_from_fd()`.
    pub(crate) fn from_fd(fd: u32) -> Result<Self> {
        let fd = c_int::try_from(fd).map_err(|_| EBADF)?;
        // SAFETY: There are no requirements.
        let cgroup = from_err_ptr(unsafe { bindings::cgroup_get_from_fd(fd) })?;
        // INVARIANT: As above.
        Ok(Self {
            cgroup: NonNull::new(cgroup).ok_or(EBADF)?,
        })
    }

    /// Returns the root of the hierarchy.
    pub(crate) fn root() -> Self {
        // SAFETY: There is one, from boot on for ever, whose references are not counted.
        let cgroup = unsafe { &raw mut bindings::cgrp_dfl_root.cgrp };
        // SAFETY: The address of a static.
        let cgroup = unsafe { NonNull::new_unchecked(cgroup) };
        // INVARIANT: As above.
        Self { cgroup }
    }

    /// Returns what the group is.
    pub(crate) fn place(&self) -> Place {
        // SAFETY: By the type invariants, the group is valid.
        unsafe { Place::of(self.cgroup.as_ptr()) }
    }

    /// Visits the group and its descendants that have not been removed, each before its own.
    pub(crate) fn visit_descendants(&self, _rcu: &rcu::Guard, mut visit: impl FnMut(Place)) {
        // SAFETY: By the type invariants, the group is valid.
        let root = unsafe { &raw mut (*self.cgroup.as_ptr()).self_ };
        let mut css = core::ptr::null_mut();

        loop {
            // SAFETY: The RCU read lock is held, and `css` is null or what this has returned.
            css = unsafe { bindings::css_next_descendant_pre(css, root) };
            if css.is_null() {
                return;
            }
            // SAFETY: It is valid while the RCU read lock is held, and embedded in its group.
            let (place, flags) = unsafe {
                let cgroup = kernel::container_of!(css, bindings::cgroup, self_);
                (Place::of(cgroup), (&raw const (*css).flags).read_volatile())
            };
            if flags & bindings::CSS_ONLINE != 0 {
                visit(place);
            }
        }
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

/// What a control group of version 2 is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) id: u64,
    /// The id of the group that it is in, 0 for the root.
    pub(crate) parent: u64,
    /// How many groups it is in.
    pub(crate) level: u32,
    /// Whether it has processes, and not threads of those in another group.
    pub(crate) is_domain: bool,
}

#[cfg(CONFIG_CGROUPS)]
impl Place {
    /// # Safety
    ///
    /// `cgroup` must be valid.
    unsafe fn of(cgroup: *mut bindings::cgroup) -> Self {
        // SAFETY: By the safety requirements. The domain may change at this moment, and is a
        // pointer. CAST: Levels are not negative.
        unsafe {
            let domain = (&raw const (*cgroup).dom_cgrp).read_volatile();
            let parent = parent(cgroup);
            Self {
                id: id(cgroup),
                parent: if parent.is_null() { 0 } else { id(parent) },
                level: (*cgroup).level as u32,
                is_domain: core::ptr::eq(domain, cgroup),
            }
        }
    }
}

/// Returns whether a group is one of version 2.
///
/// # Safety
///
/// `cgroup` must be valid.
#[cfg(CONFIG_CGROUPS)]
pub(super) unsafe fn is_v2(cgroup: *mut bindings::cgroup) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { core::ptr::eq((*cgroup).root, &raw const bindings::cgrp_dfl_root) }
}

/// Returns the id of a group.
///
/// # Safety
///
/// `cgroup` must be valid.
#[cfg(CONFIG_CGROUPS)]
pub(super) unsafe fn id(cgroup: *mut bindings::cgroup) -> u64 {
    // SAFETY: By the safety requirements: a group has a node as long as it is valid.
    unsafe { (*(*cgroup).kn).id }
}

/// Returns the group that a group is in, null for the root. It is valid as long as `cgroup` is.
///
/// # Safety
///
/// `cgroup` must be valid.
#[cfg(CONFIG_CGROUPS)]
unsafe fn parent(cgroup: *mut bindings::cgroup) -> *mut bindings::cgroup {
    // SAFETY: By the safety requirements: the parent is set when a group is made.
    let css = unsafe { (*cgroup).self_.parent };
    if css.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: The parent of a group is embedded in a group, to which the first has a reference.
    unsafe { kernel::container_of!(css, bindings::cgroup, self_) }
}

/// Visits the ids of the control groups of version 2 that the process of `task` counts for, from
/// the group that has the process to the root.
#[inline]
#[cfg(CONFIG_CGROUPS)]
pub(crate) fn visit_domains_of(task: TaskView<'_>, _rcu: &rcu::Guard, mut visit: impl FnMut(u64)) {
    // SAFETY: The task is valid, and the RCU read lock is held; it keeps the group that the task is
    // in now, which keeps its domain and all that it is in.
    unsafe {
        let cgroup = bindings::task_dfl_cgroup(task.as_ptr());
        let mut next = (&raw const (*cgroup).dom_cgrp).read_volatile();
        while !next.is_null() {
            visit(id(next));
            next = parent(next);
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

    /// Returns [`EOPNOTSUPP`]: there are no control groups.
    pub(crate) fn from_fd(_fd: u32) -> Result<Self> {
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
