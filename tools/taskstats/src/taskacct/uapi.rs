// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! The numbers of the family taskacct, under the names of `include/uapi/linux/taskacct.h` without
//! their `TASKACCT_`.
//!
//! `kbuild check` holds that header against its description, and a test below holds these numbers
//! against the header: what drifts fails one of the two.

/// The family's name.
pub const FAMILY_NAME: &str = "taskacct";
/// The multicast group of what exits.
pub const MCGRP_EXITS: &str = "exits";
/// Bytes of a task's name.
pub const COMM_LEN: usize = 16;

macro_rules! numbers {
    ($($name:ident: $type:ty = $value:literal;)*) => {
        $(
            #[doc = concat!("`TASKACCT_", stringify!($name), "`.")]
            pub const $name: $type = $value;
        )*

        #[cfg(test)]
        const ALL: &[(&str, u64)] = &[$((stringify!($name), $value)),*];
    };
}

numbers! {
    FIELD_IDENTITY: u32 = 1;
    FIELD_STATUS: u32 = 2;
    FIELD_CPU: u32 = 4;
    FIELD_DELAYS: u32 = 8;
    FIELD_DELAY_EXTREMES: u32 = 16;
    FIELD_MEMORY: u32 = 32;
    FIELD_IO: u32 = 64;
    FIELD_FAULTS: u32 = 128;
    FIELD_SWITCHES: u32 = 256;
    FIELD_EXECUTABLE: u32 = 512;
    FIELD_MASK: u32 = 1023;
    TASK_FLAG_LEADER: u32 = 1;
    TASK_FLAG_KERNEL_THREAD: u32 = 2;
    TASK_FLAG_EXITING: u32 = 4;
    TASK_FLAG_NO_EXEC: u32 = 8;
    TASK_FLAG_SUPER_PRIV: u32 = 16;
    TASK_FLAG_DUMP_CORE: u32 = 32;
    TASK_FLAG_SIGNALED: u32 = 64;
    SEAM_SLOT: u32 = 0;
    SEAM_LIVEPATCH: u32 = 1;
    A_IDENTITY_PID: u16 = 1;
    A_IDENTITY_TGID: u16 = 2;
    A_IDENTITY_PPID: u16 = 3;
    A_IDENTITY_UID: u16 = 4;
    A_IDENTITY_GID: u16 = 5;
    A_IDENTITY_COMM: u16 = 6;
    A_STATUS_FLAGS: u16 = 1;
    A_STATUS_NICE: u16 = 2;
    A_STATUS_POLICY: u16 = 3;
    A_STATUS_EXIT_CODE: u16 = 4;
    A_STATUS_CGROUP_ID: u16 = 5;
    A_STATUS_START_TIME: u16 = 6;
    A_STATUS_PROCESS_START_TIME: u16 = 7;
    A_CPU_USER_TIME: u16 = 1;
    A_CPU_SYSTEM_TIME: u16 = 2;
    A_CPU_RUN_TIME: u16 = 3;
    A_DELAY_COUNT: u16 = 1;
    A_DELAY_TOTAL: u16 = 2;
    A_DELAY_LONGEST: u16 = 3;
    A_DELAY_SHORTEST: u16 = 4;
    A_DELAY_LONGEST_END: u16 = 5;
    A_MEMORY_RESIDENT_INTEGRAL: u16 = 1;
    A_MEMORY_VIRTUAL_INTEGRAL: u16 = 2;
    A_MEMORY_RESIDENT_MAX: u16 = 3;
    A_MEMORY_VIRTUAL_MAX: u16 = 4;
    A_IO_READ_CHAR: u16 = 1;
    A_IO_WRITE_CHAR: u16 = 2;
    A_IO_READ_SYSCALLS: u16 = 3;
    A_IO_WRITE_SYSCALLS: u16 = 4;
    A_IO_READ_BYTES: u16 = 5;
    A_IO_WRITE_BYTES: u16 = 6;
    A_IO_CANCELLED_WRITE_BYTES: u16 = 7;
    A_FAULTS_MINOR: u16 = 1;
    A_FAULTS_MAJOR: u16 = 2;
    A_SWITCHES_VOLUNTARY: u16 = 1;
    A_SWITCHES_INVOLUNTARY: u16 = 2;
    A_EXECUTABLE_DEVICE: u16 = 1;
    A_EXECUTABLE_INODE: u16 = 2;
    A_FILTER_TGID: u16 = 1;
    A_FILTER_CGROUP_ID: u16 = 2;
    A_FILTER_CGROUP_ALONE: u16 = 3;
    A_FILTER_UID: u16 = 4;
    A_FILTER_NO_KERNEL_THREADS: u16 = 5;
    A_TASK_PID: u16 = 1;
    A_TASK_PIDFD: u16 = 2;
    A_TASK_FIELDS: u16 = 3;
    A_TASK_FILTER: u16 = 4;
    A_TASK_THREADS: u16 = 5;
    A_TASK_IDENTITY: u16 = 6;
    A_TASK_STATUS: u16 = 7;
    A_TASK_CPU: u16 = 8;
    A_TASK_CPU_DELAY: u16 = 9;
    A_TASK_BLOCK_IO_DELAY: u16 = 10;
    A_TASK_SWAP_IN_DELAY: u16 = 11;
    A_TASK_RECLAIM_DELAY: u16 = 12;
    A_TASK_THRASHING_DELAY: u16 = 13;
    A_TASK_COMPACTION_DELAY: u16 = 14;
    A_TASK_WRITE_COPY_DELAY: u16 = 15;
    A_TASK_IRQ_DELAY: u16 = 16;
    A_TASK_MEMORY: u16 = 17;
    A_TASK_IO: u16 = 18;
    A_TASK_FAULTS: u16 = 19;
    A_TASK_SWITCHES: u16 = 20;
    A_TASK_EXECUTABLE: u16 = 21;
    A_TASK_EXIT_CPU: u16 = 22;
    A_TASK_EXIT_TIME: u16 = 23;
    A_CGROUP_ID: u16 = 1;
    A_CGROUP_FD: u16 = 2;
    A_CGROUP_FIELDS: u16 = 3;
    A_CGROUP_PARENT_ID: u16 = 4;
    A_CGROUP_LEVEL: u16 = 5;
    A_CGROUP_PROCESSES: u16 = 6;
    A_CGROUP_EXITED: u16 = 7;
    A_CGROUP_CPU: u16 = 8;
    A_CGROUP_CPU_DELAY: u16 = 9;
    A_CGROUP_BLOCK_IO_DELAY: u16 = 10;
    A_CGROUP_SWAP_IN_DELAY: u16 = 11;
    A_CGROUP_RECLAIM_DELAY: u16 = 12;
    A_CGROUP_THRASHING_DELAY: u16 = 13;
    A_CGROUP_COMPACTION_DELAY: u16 = 14;
    A_CGROUP_WRITE_COPY_DELAY: u16 = 15;
    A_CGROUP_IRQ_DELAY: u16 = 16;
    A_CGROUP_MEMORY: u16 = 17;
    A_CGROUP_IO: u16 = 18;
    A_CGROUP_FAULTS: u16 = 19;
    A_CGROUP_SWITCHES: u16 = 20;
    A_CGROUP_RUNNING: u16 = 21;
    A_CGROUP_SLEEPING: u16 = 22;
    A_CGROUP_UNINTERRUPTIBLE: u16 = 23;
    A_CGROUP_STOPPED: u16 = 24;
    A_CGROUP_IO_WAIT: u16 = 25;
    A_CGROUP_UNCOUNTED: u16 = 26;
    A_CGROUP_SINCE: u16 = 27;
    A_EXIT_FILTER_THREADS: u16 = 1;
    A_EXIT_FILTER_PROCESSES: u16 = 2;
    A_EXIT_FILTER_FIELDS: u16 = 3;
    A_EXIT_FILTER_FAILED: u16 = 4;
    A_EXIT_FILTER_UID: u16 = 5;
    A_EXIT_FILTER_CGROUP_ID: u16 = 6;
    A_EXIT_FILTER_CGROUP_ALONE: u16 = 7;
    A_EXIT_FILTER_ANCESTOR: u16 = 8;
    A_EXIT_FILTER_NONE: u16 = 9;
    A_EXIT_STATS_MATCHED: u16 = 1;
    A_EXIT_STATS_DELIVERED: u16 = 2;
    A_EXIT_STATS_LOST_FULL: u16 = 3;
    A_EXIT_STATS_LOST_MEMORY: u16 = 4;
    A_EXIT_STATS_GAPS: u16 = 5;
    A_INFO_SEAM: u16 = 1;
    A_INFO_DELAYS_ON: u16 = 2;
    A_INFO_FIELDS: u16 = 3;
    A_INFO_SINCE: u16 = 4;
    A_INFO_EXITS_ON: u16 = 5;
    CMD_TASK_GET: u8 = 1;
    CMD_PROCESS_GET: u8 = 2;
    CMD_INFO_GET: u8 = 3;
    CMD_CGROUP_GET: u8 = 4;
    CMD_EXIT_FILTER_SET: u8 = 5;
    CMD_EXIT_STATS_GET: u8 = 6;
    CMD_EXIT_NTF: u8 = 7;
    CMD_PROCESS_EXIT_NTF: u8 = 8;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const HEADER: &str = include_str!("../../../../include/uapi/linux/taskacct.h");

    /// What the header's enumerations give names to.
    fn of_header() -> BTreeMap<String, u64> {
        let mut numbers = BTreeMap::new();
        let mut next = None;
        for line in HEADER.lines().map(str::trim) {
            if line.starts_with("enum") && line.ends_with('{') {
                next = Some(0);
            } else if line.starts_with('}') {
                next = None;
            } else if let Some(number) = next {
                let (name, value) = match line.trim_end_matches(',').split_once(" = ") {
                    Some((name, value)) => (name, value.parse().ok()),
                    None => (line.trim_end_matches(','), Some(number)),
                };
                let Some(value) = value else {
                    continue;
                };
                if let Some(name) = name.strip_prefix("TASKACCT_") {
                    numbers.insert(name.to_owned(), value);
                    next = Some(value + 1);
                }
            }
        }
        numbers
    }

    #[test]
    fn the_numbers_are_those_of_the_header() {
        let header = of_header();
        let ours: BTreeMap<_, _> = ALL
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect();
        assert!(header.len() > 100, "{}", header.len());
        assert_eq!(ours, header);
        for text in [
            "TASKACCT_FAMILY_NAME\t\"taskacct\"",
            "TASKACCT_MCGRP_EXITS\t\"exits\"",
            "TASKACCT_COMM_LEN\t16",
        ] {
            assert!(HEADER.contains(text), "{text}");
        }
    }
}
