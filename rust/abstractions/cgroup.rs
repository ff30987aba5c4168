// SPDX-License-Identifier: GPL-2.0

//! The tasks of a control group, counted by state.
//!
//! C source: [`kernel/cgroup/cgroup-v1.c`](srctree/kernel/cgroup/cgroup-v1.c)

use kernel::{
    error::to_result,
    fs::LocalFile,
    prelude::*,
    static_assert, //
};
use taskstats_bindings::{
    self as bindings,
    cgroupstats, //
};

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
