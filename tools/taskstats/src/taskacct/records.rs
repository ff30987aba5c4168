// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! What taskacct answers. Times are nanoseconds, sizes bytes, unless something else is said.
//!
//! A group that was not asked for, or that the kernel cannot count, is `None`.

use super::{Fields, uapi};
use crate::delay::{Delay, DelayKind};

/// Who a task or a process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The thread's id in the caller's pid namespace; of a process, that of its leader.
    pub pid: u32,
    /// The process's id.
    pub tgid: u32,
    /// The id of the parent's process, 0 if it has none in the caller's pid namespace.
    pub ppid: u32,
    /// The real user id in the caller's user namespace.
    pub uid: u32,
    /// The real group id in the caller's user namespace.
    pub gid: u32,
    /// The name, padded with NULs.
    pub comm: [u8; uapi::COMM_LEN],
}

impl Identity {
    /// The name's bytes up to its first NUL.
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0);
        &self.comm[..end.unwrap_or(uapi::COMM_LEN)]
    }

    /// The name; what is no UTF-8 in it is replaced.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(self.comm()).into_owned()
    }
}

/// How a task is scheduled, and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What it is and has done: `uapi::TASK_FLAG_*`.
    pub flags: u32,
    /// The nice value, -20 to 19.
    pub nice: i32,
    /// The scheduling policy, `SCHED_*`.
    pub policy: u32,
    /// What wait() gives the parent, 0 before the task exits.
    pub exit_code: u32,
    /// The id of its control group of version 2, 0 in a kernel without.
    pub cgroup_id: u64,
    /// When it began, of `CLOCK_MONOTONIC`.
    pub start_time: u64,
    /// When the leader of its process began, of `CLOCK_MONOTONIC`.
    pub process_start_time: u64,
}

impl Status {
    /// Whether it is a thread of the kernel.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & uapi::TASK_FLAG_KERNEL_THREAD != 0
    }

    /// Whether it is exiting, or has exited and was not waited for.
    pub fn is_exiting(&self) -> bool {
        self.flags & uapi::TASK_FLAG_EXITING != 0
    }
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In user space, as precise as the kernel is configured for.
    pub user_time: u64,
    /// In the kernel, as precise as the kernel is configured for.
    pub system_time: u64,
    /// As the scheduler measures it.
    pub run_time: u64,
}

/// Memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident memory integrated over CPU time, in kibibyte-microseconds.
    pub resident_integral: u64,
    /// Virtual memory integrated over CPU time, in kibibyte-microseconds.
    pub virtual_integral: u64,
    /// The most resident memory so far; `None` without memory of its own.
    pub resident_max: Option<u64>,
    /// The most virtual memory so far; `None` without memory of its own.
    pub virtual_max: Option<u64>,
}

/// What was read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes read by system calls, from anywhere.
    pub read_char: u64,
    /// Bytes written by system calls, to anywhere.
    pub write_char: u64,
    /// System calls that read.
    pub read_syscalls: u64,
    /// System calls that write.
    pub write_syscalls: u64,
    /// Bytes fetched from storage.
    pub read_bytes: u64,
    /// Bytes sent to storage, or to be sent.
    pub write_bytes: u64,
    /// Bytes of `write_bytes` that were not sent after all, as the file was truncated.
    pub cancelled_write_bytes: u64,
}

/// Page faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Without I/O.
    pub minor: u64,
    /// With I/O.
    pub major: u64,
}

/// Context switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Because it waited.
    pub voluntary: u64,
    /// Because another task took the CPU.
    pub involuntary: u64,
}

/// The file that is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executable {
    /// Its device, as stat() encodes it.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
}

/// A thread, or a process: then all that is summed up is so over the threads that live and have
/// lived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Of a process, how many threads live.
    pub threads: Option<u32>,
    /// Who it is.
    pub identity: Option<Identity>,
    /// How it is scheduled, and what it has done.
    pub status: Option<Status>,
    /// CPU time.
    pub cpu: Option<Cpu>,
    /// Delays, in the order of [`DelayKind::ALL`]; those that there were none of are `None`.
    pub delays: [Option<Delay>; 8],
    /// Memory.
    pub memory: Option<Memory>,
    /// What was read and written.
    pub io: Option<Io>,
    /// Page faults.
    pub faults: Option<Faults>,
    /// Context switches.
    pub switches: Option<Switches>,
    /// The file that is executed.
    pub executable: Option<Executable>,
    /// Of what has ended, the CPU on which it did.
    pub exit_cpu: Option<u32>,
    /// Of what has ended, when it did, of `CLOCK_MONOTONIC`.
    pub exit_time: Option<u64>,
}

impl Task {
    /// How long it waited for one thing; zeroes, if it never did.
    pub fn delay(&self, kind: DelayKind) -> Delay {
        self.delays[kind as usize].unwrap_or_default()
    }
}

/// A control group: what the processes in it and in its descendants have used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Its id, the inode number of its directory.
    pub id: u64,
    /// The id of the one that it is in, 0 for the root.
    pub parent_id: u64,
    /// How many it is in, 0 for the root.
    pub level: u32,
    /// How many processes live.
    pub processes: u32,
    /// How many of their threads run, or are ready to.
    pub running: u32,
    /// How many threads wait and can be interrupted by signals.
    pub sleeping: u32,
    /// How many threads wait and cannot be interrupted by all signals.
    pub uninterruptible: u32,
    /// How many threads are stopped, or traced and stopped.
    pub stopped: u32,
    /// How many of the threads that wait do so for I/O.
    pub io_wait: u32,
    /// How many processes have exited since counting began.
    pub exited: u64,
    /// How many ends, of the whole machine, could not be counted.
    pub uncounted: u64,
    /// When counting what exits began, of `CLOCK_MONOTONIC`.
    pub since: u64,
    /// What they have used. It has neither identity nor status.
    pub used: Task,
}

/// How the module has got its place in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seam {
    /// By the slot of a patched kernel.
    Slot,
    /// By livepatch, in a kernel as it is.
    Livepatch,
    /// In a way that this crate does not know.
    Other(u32),
}

/// What the kernel can count, and how the module works in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// How the module has got its place.
    pub seam: Seam,
    /// Whether `kernel.task_delayacct` is on.
    pub delays_on: bool,
    /// The groups of fields that this kernel can count.
    pub fields: Fields,
    /// When the module was loaded, of `CLOCK_MONOTONIC`.
    pub since: u64,
    /// Whether the module hears of all ends.
    pub exits_on: bool,
}

/// What has become of the messages for a socket with a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitStats {
    /// How many the filters have let through.
    pub matched: u64,
    /// Of these, those that were put into the socket's buffer.
    pub delivered: u64,
    /// Of these, those that the buffer had no room for.
    pub lost_full: u64,
    /// Of these, those that there was no memory for.
    pub lost_memory: u64,
    /// How often the module has ceased to hear of all ends.
    pub gaps: u64,
}
