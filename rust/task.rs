// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate's `Task` does not tell yet.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::{
        Pid,
        Task, //
    },
};

use core::ptr::NonNull;

/// Finds the task with the id `nr` in the current task's pid namespace, which stays there as long
/// as the RCU read lock is held. Mirrors `find_task_by_vpid()`.
#[inline]
pub(crate) fn find_by_vpid(nr: Pid, _rcu: &rcu::Guard) -> Option<&Task> {
    // SAFETY: The RCU read lock is held.
    let pid = unsafe { bindings::find_vpid(nr) };
    // SAFETY: `pid` is null or valid while the RCU read lock is held.
    let task = unsafe { bindings::pid_task(pid, bindings::pid_type_PIDTYPE_PID) };
    // SAFETY: The task is null or valid while the RCU read lock is held: its last reference is not
    // put before a grace period after it was unhashed. CAST: `Task` is a transparent wrapper.
    unsafe { task.cast::<Task>().as_ref() }
}

/// Finds the task with the id `nr` in the current task's pid namespace and takes a reference.
/// Mirrors `find_get_task_by_vpid()`.
#[inline]
pub(crate) fn find_get_by_vpid(nr: Pid) -> Option<ARef<Task>> {
    find_by_vpid(nr, &rcu::read_lock()).map(ARef::from)
}

/// User and system time, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

/// Where the file is that a task executes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Executable {
    /// The device, as `stat()` encodes it.
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What the kernel crate's `Task` does not tell yet.
pub(crate) trait TaskExt {
    /// Returns the task's id in `ns`, 0 if it has none there. Mirrors `task_pid_nr_ns()`.
    fn pid_nr_ns(&self, ns: &PidNamespace) -> Pid;

    /// Returns the number of voluntary and involuntary context switches.
    fn context_switches(&self) -> (u64, u64);

    /// Returns the time spent so far. Mirrors `task_cputime()`.
    fn cpu_time(&self) -> CpuTime;

    /// Returns when the task was started, in nanoseconds of the monotonic clock.
    fn start_time(&self) -> u64;

    /// Tells whether the task is past its exit notification: a zombie or dead.
    fn has_exit_state(&self) -> bool;

    /// Returns the file that the task executes, none for kernel threads. Mirrors
    /// `get_task_exe_file()` and `exe_add_tsk()`.
    fn executable(&self) -> Option<Executable>;
}

impl TaskExt for Task {
    #[inline]
    fn pid_nr_ns(&self, ns: &PidNamespace) -> Pid {
        // SAFETY: Task and namespace are valid.
        unsafe {
            bindings::__task_pid_nr_ns(self.as_ptr(), bindings::pid_type_PIDTYPE_PID, ns.as_ptr())
        }
    }

    #[inline]
    fn context_switches(&self) -> (u64, u64) {
        let task = self.as_ptr();

        // SAFETY: The task is valid. The counters are words that the scheduler counts up on the
        // task's CPU; a value that is about to change is as good as the next. C reads them so, too.
        let voluntary = unsafe { (&raw const (*task).nvcsw).read_volatile() };
        // SAFETY: As above.
        let involuntary = unsafe { (&raw const (*task).nivcsw).read_volatile() };

        // CAST: `unsigned long` is at most 64 bits wide.
        (voluntary as u64, involuntary as u64)
    }

    #[inline]
    fn cpu_time(&self) -> CpuTime {
        let (mut user, mut system) = (0, 0);

        // SAFETY: The task is valid, and so are the places for the results. What is returned tells
        // whether the task is running, which matters to nobody here.
        unsafe { bindings::task_cputime(self.as_ptr(), &mut user, &mut system) };
        CpuTime { user, system }
    }

    #[inline]
    fn start_time(&self) -> u64 {
        // SAFETY: The task is valid. The field changes only when a thread that is not the leader
        // executes a program, and is a word.
        unsafe { (&raw const (*self.as_ptr()).start_time).read_volatile() }
    }

    #[inline]
    fn has_exit_state(&self) -> bool {
        // SAFETY: The task is valid. The field is a word that is only ever set.
        unsafe { (&raw const (*self.as_ptr()).exit_state).read_volatile() != 0 }
    }

    fn executable(&self) -> Option<Executable> {
        // SAFETY: The task is valid.
        let file = NonNull::new(unsafe { bindings::get_task_exe_file(self.as_ptr()) })?.as_ptr();

        // SAFETY: We have a reference to the file; it holds one to its inode, and that to its
        // superblock. None of the fields read here changes while they live.
        let (device, inode) = unsafe {
            let inode = (*file).f_inode;
            ((*(*inode).i_sb).s_dev, (*inode).i_ino)
        };
        // SAFETY: The reference is ours, and not used any more.
        unsafe { bindings::fput(file) };

        Some(Executable {
            device: encode_dev(device),
            inode,
        })
    }
}

/// Encodes a device number as user space knows it. Mirrors `huge_encode_dev()`.
const fn encode_dev(dev: bindings::dev_t) -> u64 {
    const MINOR_BITS: u32 = 20;
    let (major, minor) = (dev >> MINOR_BITS, dev & ((1 << MINOR_BITS) - 1));

    ((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)) as u64
}
