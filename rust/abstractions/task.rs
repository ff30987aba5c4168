// SPDX-License-Identifier: GPL-2.0

//! What is counted of a task, and what it is.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use kernel::{
    cred::Credential,
    pid_namespace::PidNamespace,
    prelude::*,
    static_assert,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::{
        Pid,
        Task, //
    }, //
};
use taskstats_bindings as bindings;

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

/// CPU time spent so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct CpuTime {
    pub(crate) user_ns: u64,
    pub(crate) system_ns: u64,
}

/// A task's name. The last byte is a NUL; bytes after the first NUL are meaningless.
// CAST: `usize` is at least 32 bits wide.
pub(crate) type Comm = [u8; bindings::TASK_COMM_LEN as usize];

/// I/O so far, in bytes unless the name says otherwise. Counters that the kernel is not configured
/// for are 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct IoCounters {
    /// Bytes read by system calls, from anywhere.
    pub(crate) read_char: u64,
    /// Bytes written by system calls, to anywhere.
    pub(crate) write_char: u64,
    /// Number of system calls that read.
    pub(crate) read_syscalls: u64,
    /// Number of system calls that write.
    pub(crate) write_syscalls: u64,
    /// Bytes read from storage.
    pub(crate) read_bytes: u64,
    /// Bytes written to storage, or dirtied.
    pub(crate) write_bytes: u64,
    /// Bytes of `write_bytes` that were never written, because the file was truncated.
    pub(crate) cancelled_write_bytes: u64,
}

impl IoCounters {
    /// Returns those of `io`, which nobody changes meanwhile.
    pub(super) fn of(io: &bindings::task_io_accounting) -> Self {
        let counters = Self::default();
        #[cfg(CONFIG_TASK_XACCT)]
        let counters = Self {
            read_char: io.rchar,
            write_char: io.wchar,
            read_syscalls: io.syscr,
            write_syscalls: io.syscw,
            ..counters
        };
        #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
        let counters = Self {
            read_bytes: io.read_bytes,
            write_bytes: io.write_bytes,
            cancelled_write_bytes: io.cancelled_write_bytes,
            ..counters
        };
        let _ = io;
        counters
    }

    /// Adds `other`.
    pub(crate) fn add(&mut self, other: Self) {
        let sum = |to: &mut u64, more: u64| *to = to.wrapping_add(more);
        sum(&mut self.read_char, other.read_char);
        sum(&mut self.write_char, other.write_char);
        sum(&mut self.read_syscalls, other.read_syscalls);
        sum(&mut self.write_syscalls, other.write_syscalls);
        sum(&mut self.read_bytes, other.read_bytes);
        sum(&mut self.write_bytes, other.write_bytes);
        sum(&mut self.cancelled_write_bytes, other.cancelled_write_bytes);
    }
}

/// A task's `PF_*` flags.
#[derive(Clone, Copy)]
pub(crate) struct Flags(c_uint);

impl Flags {
    #[inline]
    const fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// The task is exiting.
    #[inline]
    pub(crate) const fn exiting(self) -> bool {
        self.has(bindings::PF_EXITING)
    }

    /// The task was forked and has not executed a program since.
    #[inline]
    pub(crate) const fn fork_no_exec(self) -> bool {
        self.has(bindings::PF_FORKNOEXEC)
    }

    /// The task has used superuser privileges.
    #[inline]
    pub(crate) const fn super_priv(self) -> bool {
        self.has(bindings::PF_SUPERPRIV)
    }

    /// The task has dumped core.
    #[inline]
    pub(crate) const fn dump_core(self) -> bool {
        self.has(bindings::PF_DUMPCORE)
    }

    /// The task was killed by a signal.
    #[inline]
    pub(crate) const fn signaled(self) -> bool {
        self.has(bindings::PF_SIGNALED)
    }

    /// The task is a kernel thread: an `mm` that it has is borrowed.
    #[inline]
    pub(crate) const fn kthread(self) -> bool {
        self.has(bindings::PF_KTHREAD)
    }
}

/// What a task does at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs, or is ready to.
    Running,
    /// It waits, and signals can interrupt that; or it is idle, as threads of the kernel are.
    Sleeping,
    /// It waits, and not all signals can interrupt that.
    Uninterruptible,
    /// It is stopped, or traced and stopped.
    Stopped,
}

/// A view of a task that cannot go away during `'a`, because there is a reference to it, or the RCU
/// read lock is held, or it is the current task.
///
/// The task itself, and all others, may run at the same time. Unless an accessor says otherwise, it
/// therefore reads a counter that the task, or the scheduler on its behalf, may change at any time.
/// Each is a word and is read once; any value that it has had is good enough, and two of them may
/// be of different moments. C reads them in the same way.
#[derive(Clone, Copy)]
pub(crate) struct TaskView<'a>(&'a Task);

/// Returns the number that `pid` has in `ns`, or 0 if it has none there. Mirrors `pid_nr_ns()`, which
/// is not inline, and takes most of what three ids cost.
///
/// # Safety
///
/// `pid` must be null or valid.
#[inline]
unsafe fn nr_in(pid: *const bindings::pid, ns: &PidNamespace) -> Pid {
    let ns = ns.as_ptr();

    if pid.is_null() {
        return 0;
    }
    // SAFETY: The namespace is valid, and by the safety requirements, so is the pid. Neither changes
    // its level, and a pid has a number for each level up to its own, which stay as they are.
    unsafe {
        let level = (*ns).level;
        if level > (*pid).level {
            return 0;
        }
        // CAST: Levels are small. The numbers follow the struct.
        let number = (&raw const (*pid).numbers)
            .cast::<bindings::upid>()
            .add(level as usize);
        if (*number).ns == ns {
            (*number).nr
        } else {
            0
        }
    }
}

/// Reads a word of the task once.
macro_rules! read {
    ($view:expr, $($field:ident).+) => {
        // SAFETY: The task is valid as long as the view is, and so are its fields. Whoever writes
        // to this one at the same time writes a word, and volatile is what the kernel's memory
        // model has for such reads (`READ_ONCE()`).
        unsafe { (&raw const (*$view.as_ptr())$(.$field)+).read_volatile() }
    };
}

impl<'a> TaskView<'a> {
    /// Returns a view of `task`.
    #[inline]
    pub(crate) fn of(task: &'a Task) -> Self {
        Self(task)
    }

    /// Returns the task.
    #[inline]
    pub(crate) fn task(self) -> &'a Task {
        self.0
    }

    /// Returns the C struct.
    #[inline]
    pub(crate) fn as_ptr(self) -> *mut bindings::task_struct {
        self.0.as_ptr()
    }

    /// Returns the flags, which the task alone changes.
    #[inline]
    pub(crate) fn flags(self) -> Flags {
        Flags(read!(self, flags))
    }

    /// Returns the exit code, which the task sets when it exits.
    #[inline]
    pub(crate) fn exit_code(self) -> c_int {
        read!(self, exit_code)
    }

    /// Returns whether the task is a zombie or dead.
    #[inline]
    pub(crate) fn has_exit_state(self) -> bool {
        read!(self, exit_state) != 0
    }

    /// Returns what the task does at the moment, if it does not exit.
    #[inline]
    pub(crate) fn state(self) -> State {
        let state = read!(self, __state);
        let has = |bits: c_uint| state & bits != 0;

        if state == bindings::TASK_RUNNING {
            State::Running
        } else if has(bindings::__TASK_STOPPED | bindings::__TASK_TRACED) {
            State::Stopped
        } else if has(bindings::TASK_INTERRUPTIBLE | bindings::TASK_NOLOAD) {
            State::Sleeping
        } else {
            State::Uninterruptible
        }
    }

    /// Returns whether the task waits for I/O, if it waits.
    #[inline]
    pub(crate) fn waits_for_io(self) -> bool {
        // SAFETY: The task is valid as long as the view is.
        unsafe { bindings::task_in_iowait(self.as_ptr()) }
    }

    /// Returns the nice value, -20 to 19. Mirrors `task_nice()`.
    #[inline]
    pub(crate) fn nice(self) -> c_int {
        // CAST: A priority fits.
        const DEFAULT_PRIO: c_int = (bindings::MAX_RT_PRIO + bindings::NICE_WIDTH / 2) as c_int;
        read!(self, static_prio).wrapping_sub(DEFAULT_PRIO)
    }

    /// Returns the scheduling policy, `SCHED_*`.
    #[inline]
    pub(crate) fn policy(self) -> c_uint {
        read!(self, policy)
    }

    /// Returns the task's id in `ns`, 0 if it has none there or has been released. Mirrors
    /// `task_pid_nr_ns()`.
    #[inline]
    pub(crate) fn pid_nr_ns(self, ns: &PidNamespace, _rcu: &rcu::Guard) -> Pid {
        let pid = read!(self, thread_pid);
        // SAFETY: The pid is null or valid while the RCU read lock is held: it is freed a grace
        // period after the last task gave it up.
        unsafe { nr_in(pid, ns) }
    }

    /// Returns the id of the task's process in `ns`, 0 if it has none there or has been released.
    /// Mirrors `task_tgid_nr_ns()`.
    #[inline]
    pub(crate) fn tgid_nr_ns(self, ns: &PidNamespace, _rcu: &rcu::Guard) -> Pid {
        // CAST: A small constant.
        const TGID: usize = bindings::pid_type_PIDTYPE_TGID as usize;
        let signal = read!(self, signal);
        // SAFETY: The task holds a reference to its `signal` as long as it is valid. The pid in it
        // is changed at any time, and is a pointer.
        let pid = unsafe { (&raw const (*signal).pids[TGID]).read_volatile() };

        // SAFETY: As in `pid_nr_ns()`.
        unsafe { nr_in(pid, ns) }
    }

    /// Returns whether the task has been released, so that its pointers to other tasks may be
    /// stale. The inverse of `pid_alive()`.
    #[inline]
    fn is_released(self) -> bool {
        read!(self, thread_pid).is_null()
    }

    /// Returns the leader of the task's process, unless the task has been released.
    #[inline]
    pub(crate) fn group_leader<'rcu>(self, _rcu: &'rcu rcu::Guard) -> Option<TaskView<'rcu>> {
        if self.is_released() {
            return None;
        }
        let leader = read!(self, group_leader);
        // SAFETY: A leader is released after its threads, of which the task was one a moment ago:
        // we hold the RCU read lock, and so there is a reference to the leader. That goes for the
        // old and the new one when a thread executes a program and takes the leader's place.
        // CAST: `Task` is a transparent wrapper.
        Some(TaskView(unsafe { &*leader.cast::<Task>() }))
    }

    /// Returns whether the task leads its process. Mirrors `thread_group_leader()`.
    #[inline]
    pub(crate) fn is_group_leader(self) -> bool {
        read!(self, exit_signal) >= 0
    }

    /// Returns the task's parent, unless the task has been released.
    #[inline]
    pub(crate) fn real_parent<'rcu>(self, _rcu: &'rcu rcu::Guard) -> Option<TaskView<'rcu>> {
        if self.is_released() {
            return None;
        }
        let parent = read!(self, real_parent);
        // SAFETY: A task that has not been released has a parent; one that exits hands its children
        // on first. We hold the RCU read lock, so a parent that was the task's a moment ago is
        // still there. CAST: `Task` is a transparent wrapper.
        Some(TaskView(unsafe { &*parent.cast::<Task>() }))
    }

    /// Returns the task's real credentials. Mirrors `__task_cred()`.
    #[inline]
    pub(crate) fn credentials<'rcu>(self, _rcu: &'rcu rcu::Guard) -> &'rcu Credential {
        let cred = read!(self, real_cred);
        // SAFETY: A task has credentials as long as it is valid, and they are freed a grace period
        // after they were replaced; we hold the RCU read lock.
        unsafe { Credential::from_ptr(cred) }
    }

    /// Returns when the task began, in nanoseconds of the monotonic clock. It changes when a thread
    /// that is not the leader executes a program, to the leader's.
    #[inline]
    pub(crate) fn start_time_ns(self) -> u64 {
        read!(self, start_time)
    }

    /// Returns the CPU time. Mirrors `task_cputime()`.
    #[inline]
    pub(crate) fn cpu_time(self) -> CpuTime {
        let (mut user_ns, mut system_ns) = (0, 0);

        // SAFETY: The task is valid, and so are the places for the results. What is returned tells
        // whether the task is running, which matters to nobody here.
        unsafe { bindings::task_cputime(self.as_ptr(), &mut user_ns, &mut system_ns) };
        CpuTime { user_ns, system_ns }
    }

    /// Returns the CPU time that has been added to the task's so far, which never shrinks.
    ///
    /// Where CPU time is accounted at each entry into the kernel (`CONFIG_VIRT_CPU_ACCOUNTING_GEN`),
    /// less than a tick of either kind waits to be added. [`Self::cpu_time()`] has what waits while
    /// the task runs in that mode, and lacks it again as soon as the task changes the mode, sleeps
    /// or ends.
    #[inline]
    pub(crate) fn added_cpu_time(self) -> CpuTime {
        CpuTime {
            user_ns: read!(self, utime),
            system_ns: read!(self, stime),
        }
    }

    /// Returns the CPU time as the speed of the CPU scales it, where the architecture counts it,
    /// and `plain` elsewhere. Mirrors `task_cputime_scaled()`.
    #[inline]
    pub(crate) fn scaled_cpu_time(self, plain: CpuTime) -> CpuTime {
        #[cfg(CONFIG_ARCH_HAS_SCALED_CPUTIME)]
        {
            let _ = plain;
            CpuTime {
                user_ns: read!(self, utimescaled),
                system_ns: read!(self, stimescaled),
            }
        }
        #[cfg(not(CONFIG_ARCH_HAS_SCALED_CPUTIME))]
        plain
    }

    /// Returns the CPU time as the scheduler measures it, in nanoseconds.
    #[inline]
    pub(crate) fn run_time_ns(self) -> u64 {
        read!(self, se.sum_exec_runtime)
    }

    /// Returns whether delays other than the CPU's are collected for the task: it was started while
    /// `kernel.task_delayacct` was on.
    #[inline]
    pub(crate) fn collects_delays(self) -> bool {
        #[cfg(CONFIG_TASK_DELAY_ACCT)]
        let collects = !read!(self, delays).is_null();
        #[cfg(not(CONFIG_TASK_DELAY_ACCT))]
        let collects = false;
        collects
    }

    /// Returns whether others than root may look into the task: it has executed a program that they
    /// may read, and not changed its ids since. Mirrors `task_still_dumpable()`, without who may
    /// nevertheless.
    pub(crate) fn is_dumpable(self, _rcu: &rcu::Guard) -> bool {
        // CAST: To the struct as it is known here.
        let state = read!(self, exec_state).cast::<bindings::task_exec_state>();
        // SAFETY: A task has such a state as long as it is valid; it is replaced when the task
        // executes a program, and freed a grace period later. We hold the RCU read lock.
        let dumpable = unsafe { (&raw const (*state).dumpable).read_volatile() };

        dumpable == bindings::task_dumpable_TASK_DUMPABLE_OWNER
    }

    /// Returns the number of voluntary and involuntary context switches.
    #[inline]
    pub(crate) fn context_switches(self) -> (u64, u64) {
        // CAST: `unsigned long` is at most 64 bits wide.
        (read!(self, nvcsw) as u64, read!(self, nivcsw) as u64)
    }

    /// Returns the number of page faults without and with I/O.
    #[inline]
    pub(crate) fn page_faults(self) -> (u64, u64) {
        // CAST: `unsigned long` is at most 64 bits wide.
        (read!(self, min_flt) as u64, read!(self, maj_flt) as u64)
    }

    /// Returns the name. If it changes at this moment, parts of it may be the new one's; the last
    /// byte is always a NUL.
    #[inline]
    pub(crate) fn comm(self) -> Comm {
        /// A name as a number, which is read by words and not by bytes.
        #[repr(C, packed)]
        struct Name(u128);
        static_assert!(size_of::<Name>() == size_of::<Comm>());

        // SAFETY: The task is valid as long as the view is, and so is its name, which has the size
        // of a `Name`; that is aligned anywhere. Volatile as in `read!`.
        let name = unsafe {
            (&raw const (*self.as_ptr()).comm)
                .cast::<Name>()
                .read_volatile()
        };
        name.0.to_ne_bytes()
    }

    /// Returns resident and virtual memory, integrated over CPU time, in pages times nanoseconds by
    /// 1024.
    #[inline]
    #[cfg(CONFIG_TASK_XACCT)]
    pub(crate) fn memory_integrals(self) -> (u64, u64) {
        (read!(self, acct_rss_mem1), read!(self, acct_vm_mem1))
    }

    /// Returns the I/O so far. Other tasks change it as well, each field a word.
    #[inline]
    #[cfg(CONFIG_TASK_XACCT)]
    pub(crate) fn io(self) -> IoCounters {
        let io = IoCounters {
            read_char: read!(self, ioac.rchar),
            write_char: read!(self, ioac.wchar),
            read_syscalls: read!(self, ioac.syscr),
            write_syscalls: read!(self, ioac.syscw),
            ..IoCounters::default()
        };
        #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
        let io = IoCounters {
            read_bytes: read!(self, ioac.read_bytes),
            write_bytes: read!(self, ioac.write_bytes),
            cancelled_write_bytes: read!(self, ioac.cancelled_write_bytes),
            ..io
        };
        io
    }

    /// Returns zeroes: nothing of this is counted.
    #[inline]
    #[cfg(not(CONFIG_TASK_XACCT))]
    pub(crate) fn memory_integrals(self) -> (u64, u64) {
        (0, 0)
    }

    /// Returns zeroes: nothing of this is counted.
    #[inline]
    #[cfg(not(CONFIG_TASK_XACCT))]
    pub(crate) fn io(self) -> IoCounters {
        IoCounters::default()
    }
}
