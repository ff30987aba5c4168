// SPDX-License-Identifier: GPL-2.0

//! The numbers of commands and attributes.
//!
//! C headers: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h),
//! [`include/uapi/linux/cgroupstats.h`](srctree/include/uapi/linux/cgroupstats.h)

pub(crate) use taskstats_bindings::{
    CGROUPSTATS_CMD_ATTR_FD,
    CGROUPSTATS_CMD_GET,
    CGROUPSTATS_CMD_NEW,
    CGROUPSTATS_TYPE_CGROUP_STATS,
    TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK,
    TASKSTATS_CMD_ATTR_PID,
    TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
    TASKSTATS_CMD_ATTR_TGID,
    TASKSTATS_CMD_GET,
    TASKSTATS_CMD_NEW,
    TASKSTATS_GENL_NAME,
    TASKSTATS_GENL_VERSION,
    TASKSTATS_TYPE_AGGR_PID,
    TASKSTATS_TYPE_AGGR_TGID,
    TASKSTATS_TYPE_NULL,
    TASKSTATS_TYPE_PID,
    TASKSTATS_TYPE_STATS,
    TASKSTATS_TYPE_TGID, //
};
