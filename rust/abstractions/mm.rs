// SPDX-License-Identifier: GPL-2.0

//! The memory of a task, and the file that it executes.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/sched/task.h`](srctree/include/linux/sched/task.h)

use super::task::TaskView;
use kernel::{
    fs::File,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};
use taskstats_bindings as bindings;

use core::ptr::NonNull;

/// What is known of a task's own memory.
pub(crate) struct Memory {
    /// The most resident memory so far, in pages.
    pub(crate) high_water_rss_pages: u64,
    /// The most virtual memory so far, in pages.
    pub(crate) high_water_vm_pages: u64,
    /// The file that it executes.
    pub(crate) executable: Option<Executable>,
}

/// Where the file is that a task executes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Executable {
    /// The device, as `stat()` encodes it.
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl Memory {
    /// Returns what is known of the memory of `task`, or `None` if it is a kernel thread, or
    /// exiting and past `exit_mm()`. Mirrors what `xacct_add_tsk()` and `exe_add_tsk()` read, under
    /// one lock and without a reference. Inlined, as a dump does it for each task.
    #[inline(always)]
    pub(crate) fn of(task: TaskView<'_>, rcu: &rcu::Guard) -> Option<Self> {
        if task.flags().kthread() {
            return None;
        }

        let mm = MmGuard::lock(task)?;
        let (high_water_rss, high_water_vm) = mm.high_water_pages();
        let file = mm.executable(rcu);
        drop(mm);

        Some(Self {
            high_water_rss_pages: high_water_rss,
            high_water_vm_pages: high_water_vm,
            executable: file.map(|file| Executable::of(&file)),
        })
    }
}

/// A task's memory, locked: the task cannot give it up meanwhile.
///
/// # Invariants
///
/// The task's `alloc_lock` is held, and `mm` is the task's. A task changes its `mm` under this lock
/// alone and puts it after that; so `mm` has a user.
#[must_use = "the lock is released immediately when the guard is unused"]
struct MmGuard<'a> {
    task: TaskView<'a>,
    mm: NonNull<bindings::mm_struct>,
}

impl<'a> MmGuard<'a> {
    /// Mirrors `task_lock()`.
    #[inline]
    fn lock(task: TaskView<'a>) -> Option<Self> {
        // SAFETY: The task is valid, and its lock is initialized.
        unsafe { bindings::spin_lock(&raw mut (*task.as_ptr()).alloc_lock) };
        // SAFETY: The task is valid, and the field changes under the lock, which is held.
        let mm = NonNull::new(unsafe { (*task.as_ptr()).mm });
        if mm.is_none() {
            unlock(task);
        }
        // INVARIANT: The lock was taken above.
        Some(Self { task, mm: mm? })
    }

    /// Returns the most resident and virtual memory so far, in pages.
    #[inline]
    fn high_water_pages(&self) -> (u64, u64) {
        // SAFETY: By the type invariants, `mm` has a user. The counters are words.
        unsafe {
            (
                bindings::get_mm_hiwater_rss(self.mm.as_ptr()) as u64,
                bindings::get_mm_hiwater_vm(self.mm.as_ptr()) as u64,
            )
        }
    }

    /// Returns the file that is executed. Mirrors `get_mm_exe_file()`.
    #[inline]
    fn executable(&self, _rcu: &rcu::Guard) -> Option<ARef<File>> {
        // SAFETY: By the type invariants, `mm` has a user, and so the file is valid where it is
        // not null, or on its way out, which the function sees under the RCU read lock.
        let file = unsafe {
            bindings::get_file_rcu(&raw mut (*self.mm.as_ptr()).__bindgen_anon_1.exe_file)
        };
        // SAFETY: The function has taken a reference to the file, which is ours now. Positions in
        // it are nobody's business here: nothing is read from it. CAST: `File` is a transparent
        // wrapper.
        NonNull::new(file.cast::<File>()).map(|file| unsafe { ARef::from_raw(file) })
    }
}

impl Drop for MmGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        unlock(self.task);
    }
}

/// Mirrors `task_unlock()`.
#[inline]
fn unlock(task: TaskView<'_>) {
    // SAFETY: The task is valid. Whoever calls this holds the lock.
    unsafe { bindings::spin_unlock(&raw mut (*task.as_ptr()).alloc_lock) };
}

impl Executable {
    /// Returns where `file` is.
    #[inline]
    fn of(file: &File) -> Self {
        // SAFETY: The file is valid; it holds a reference to its inode, and that to its superblock.
        // None of the fields read here changes while they live.
        let (device, inode) = unsafe {
            let inode = (*file.as_ptr()).f_inode;
            ((*(*inode).i_sb).s_dev, (*inode).i_ino)
        };

        Self {
            device: encode_dev(device),
            inode,
        }
    }
}

/// Encodes a device number as user space knows it. Mirrors `huge_encode_dev()`.
pub(crate) const fn encode_dev(dev: bindings::dev_t) -> u64 {
    const MINOR_BITS: u32 = 20;
    let (major, minor) = (dev >> MINOR_BITS, dev & ((1 << MINOR_BITS) - 1));

    ((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)) as u64
}
