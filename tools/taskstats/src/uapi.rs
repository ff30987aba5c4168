// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! The numbers of the kernel's user-space interface, under the kernel's names.
//!
//! C headers: `include/uapi/linux/taskstats.h`, `include/uapi/linux/cgroupstats.h` and
//! `include/uapi/linux/netlink.h`.

/// The family's name.
pub const TASKSTATS_GENL_NAME: &str = "TASKSTATS";
/// The family's version.
pub const TASKSTATS_GENL_VERSION: u8 = 1;
/// The version of `struct taskstats` that this crate knows.
pub const TASKSTATS_VERSION: u16 = 17;
/// Bytes of `ac_comm`.
pub const TS_COMM_LEN: usize = 32;

/// Reserved.
pub const TASKSTATS_CMD_UNSPEC: u8 = 0;
/// Asks for a record, or registers and deregisters a listener.
pub const TASKSTATS_CMD_GET: u8 = 1;
/// What the kernel answers and what it sends when a task exits.
pub const TASKSTATS_CMD_NEW: u8 = 2;
/// Asks for the task counts of a cgroup.
pub const CGROUPSTATS_CMD_GET: u8 = 4;
/// What the kernel answers to [`CGROUPSTATS_CMD_GET`].
pub const CGROUPSTATS_CMD_NEW: u8 = 5;

/// Request: the task to answer for, `u32`.
pub const TASKSTATS_CMD_ATTR_PID: u16 = 1;
/// Request: the process to answer for, `u32`.
pub const TASKSTATS_CMD_ATTR_TGID: u16 = 2;
/// Request: the CPUs to send exit records of, a CPU list.
pub const TASKSTATS_CMD_ATTR_REGISTER_CPUMASK: u16 = 3;
/// Request: the CPUs to stop sending exit records of, a CPU list.
pub const TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK: u16 = 4;
/// Request: a file descriptor of a cgroup's directory, `u32`.
pub const CGROUPSTATS_CMD_ATTR_FD: u16 = 1;

/// Answer: a task's id, `u32`.
pub const TASKSTATS_TYPE_PID: u16 = 1;
/// Answer: a process's id, `u32`.
pub const TASKSTATS_TYPE_TGID: u16 = 2;
/// Answer: a `struct taskstats`.
pub const TASKSTATS_TYPE_STATS: u16 = 3;
/// Answer: a nest of a task's id and its record.
pub const TASKSTATS_TYPE_AGGR_PID: u16 = 4;
/// Answer: a nest of a process's id and its record.
pub const TASKSTATS_TYPE_AGGR_TGID: u16 = 5;
/// Answer: padding, where a kernel needs it.
pub const TASKSTATS_TYPE_NULL: u16 = 6;
/// Answer: a `struct cgroupstats`.
pub const CGROUPSTATS_TYPE_CGROUP_STATS: u16 = 1;

/// `ac_flag`: has forked and not yet called exec.
pub const AFORK: u8 = 0x01;
/// `ac_flag`: used super-user privileges.
pub const ASU: u8 = 0x02;
/// `ac_flag`: dumped core.
pub const ACORE: u8 = 0x08;
/// `ac_flag`: was killed by a signal.
pub const AXSIG: u8 = 0x10;
/// `ac_flag`: the exit record of the task that leaves its process dead.
pub const AGROUP: u8 = 0x20;

/// Extended acknowledgement: the error as a text.
pub const NLMSGERR_ATTR_MSG: u16 = 1;
/// Extended acknowledgement: offset of the offending attribute in the request, `u32`.
pub const NLMSGERR_ATTR_OFFS: u16 = 2;

/// `nla_type`: the value is attributes.
pub const NLA_F_NESTED: u16 = 0x8000;

/// Bytes of a `struct nlmsghdr`.
pub const NLMSG_HDRLEN: usize = 16;
