// SPDX-License-Identifier: GPL-2.0

//! What user space sees: the numbers of commands, attributes and flags, and the structs.
//!
//! C headers: [`include/uapi/linux/taskstats.h`](srctree/include/uapi/linux/taskstats.h),
//! [`include/uapi/linux/cgroupstats.h`](srctree/include/uapi/linux/cgroupstats.h),
//! [`include/uapi/linux/acct.h`](srctree/include/uapi/linux/acct.h)

use kernel::{
    prelude::*,
    static_assert, //
};

pub(crate) use kernel::bindings::{
    cgroupstats,
    taskstats,
    ACORE,
    AFORK,
    AGROUP,
    ASU,
    AXSIG,
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
    TASKSTATS_TYPE_TGID,
    TASKSTATS_VERSION, //
};

// What the module is written for. Another version of the struct wants another look at the code, and
// at `layout.rs`.
static_assert!(TASKSTATS_VERSION == 17);
static_assert!(size_of::<taskstats>() == 688);
static_assert!(align_of::<taskstats>() == 8);
static_assert!(size_of::<cgroupstats>() == 40);
