// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Taking taskacct's answers apart. What is not known is passed over: newer kernels send more.

use netlink_packet_core::{DecodeError, NlasIterator, parse_u32, parse_u64};

use super::{
    Cgroup, Cpu, Executable, ExitStats, Faults, Fields, Identity, Info, Io, Memory, Seam, Status,
    Switches, Task,
    uapi::{self, *},
};
use crate::delay::Delay;

/// Hands each attribute to `each`, as a type without flags and a value.
fn each(
    bytes: &[u8],
    mut each: impl FnMut(u16, &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for attribute in NlasIterator::new(bytes) {
        let attribute = attribute?;
        each(attribute.kind(), attribute.value())?;
    }
    Ok(())
}

/// Fills fields of a new value by their attributes.
macro_rules! fill {
    ($bytes:expr, $type:ty, $($kind:ident => $field:ident = $how:expr),* $(,)?) => {{
        let mut value = <$type>::default();
        each($bytes, |kind, bytes| {
            match kind {
                $($kind => value.$field = $how(bytes)?,)*
                _ => {}
            }
            Ok(())
        })?;
        value
    }};
}

fn some_u64(bytes: &[u8]) -> Result<Option<u64>, DecodeError> {
    parse_u64(bytes).map(Some)
}

fn i32(bytes: &[u8]) -> Result<i32, DecodeError> {
    parse_u32(bytes).map(|number| number as i32)
}

fn comm(bytes: &[u8]) -> Result<[u8; uapi::COMM_LEN], DecodeError> {
    bytes
        .try_into()
        .map_err(|_| format!("a name of {} bytes", bytes.len()).into())
}

fn identity(bytes: &[u8]) -> Result<Identity, DecodeError> {
    Ok(fill!(bytes, Identity,
        A_IDENTITY_PID => pid = parse_u32,
        A_IDENTITY_TGID => tgid = parse_u32,
        A_IDENTITY_PPID => ppid = parse_u32,
        A_IDENTITY_UID => uid = parse_u32,
        A_IDENTITY_GID => gid = parse_u32,
        A_IDENTITY_COMM => comm = comm,
    ))
}

fn status(bytes: &[u8]) -> Result<Status, DecodeError> {
    Ok(fill!(bytes, Status,
        A_STATUS_FLAGS => flags = parse_u32,
        A_STATUS_NICE => nice = i32,
        A_STATUS_POLICY => policy = parse_u32,
        A_STATUS_EXIT_CODE => exit_code = parse_u32,
        A_STATUS_CGROUP_ID => cgroup_id = parse_u64,
        A_STATUS_START_TIME => start_time = parse_u64,
        A_STATUS_PROCESS_START_TIME => process_start_time = parse_u64,
    ))
}

fn cpu(bytes: &[u8]) -> Result<Cpu, DecodeError> {
    Ok(fill!(bytes, Cpu,
        A_CPU_USER_TIME => user_time = parse_u64,
        A_CPU_SYSTEM_TIME => system_time = parse_u64,
        A_CPU_RUN_TIME => run_time = parse_u64,
    ))
}

fn delay(bytes: &[u8]) -> Result<Delay, DecodeError> {
    Ok(fill!(bytes, Delay,
        A_DELAY_COUNT => count = parse_u64,
        A_DELAY_TOTAL => total = parse_u64,
        A_DELAY_LONGEST => longest = some_u64,
        A_DELAY_SHORTEST => shortest = some_u64,
        A_DELAY_LONGEST_END => longest_end = some_u64,
    ))
}

fn memory(bytes: &[u8]) -> Result<Memory, DecodeError> {
    Ok(fill!(bytes, Memory,
        A_MEMORY_RESIDENT_INTEGRAL => resident_integral = parse_u64,
        A_MEMORY_VIRTUAL_INTEGRAL => virtual_integral = parse_u64,
        A_MEMORY_RESIDENT_MAX => resident_max = some_u64,
        A_MEMORY_VIRTUAL_MAX => virtual_max = some_u64,
    ))
}

fn io(bytes: &[u8]) -> Result<Io, DecodeError> {
    Ok(fill!(bytes, Io,
        A_IO_READ_CHAR => read_char = parse_u64,
        A_IO_WRITE_CHAR => write_char = parse_u64,
        A_IO_READ_SYSCALLS => read_syscalls = parse_u64,
        A_IO_WRITE_SYSCALLS => write_syscalls = parse_u64,
        A_IO_READ_BYTES => read_bytes = parse_u64,
        A_IO_WRITE_BYTES => write_bytes = parse_u64,
        A_IO_CANCELLED_WRITE_BYTES => cancelled_write_bytes = parse_u64,
    ))
}

fn faults(bytes: &[u8]) -> Result<Faults, DecodeError> {
    Ok(fill!(bytes, Faults,
        A_FAULTS_MINOR => minor = parse_u64,
        A_FAULTS_MAJOR => major = parse_u64,
    ))
}

fn switches(bytes: &[u8]) -> Result<Switches, DecodeError> {
    Ok(fill!(bytes, Switches,
        A_SWITCHES_VOLUNTARY => voluntary = parse_u64,
        A_SWITCHES_INVOLUNTARY => involuntary = parse_u64,
    ))
}

fn executable(bytes: &[u8]) -> Result<Executable, DecodeError> {
    Ok(fill!(bytes, Executable,
        A_EXECUTABLE_DEVICE => device = parse_u64,
        A_EXECUTABLE_INODE => inode = parse_u64,
    ))
}

/// A task or a process, of the attributes of a message.
pub(super) fn task(bytes: &[u8]) -> Result<Task, DecodeError> {
    let mut task = Task::default();
    each(bytes, |kind, bytes| {
        match kind {
            A_TASK_THREADS => task.threads = Some(parse_u32(bytes)?),
            A_TASK_IDENTITY => task.identity = Some(identity(bytes)?),
            A_TASK_STATUS => task.status = Some(status(bytes)?),
            A_TASK_CPU => task.cpu = Some(cpu(bytes)?),
            // The kinds have the order of `DelayKind::ALL`.
            A_TASK_CPU_DELAY..=A_TASK_IRQ_DELAY => {
                task.delays[usize::from(kind - A_TASK_CPU_DELAY)] = Some(delay(bytes)?);
            }
            A_TASK_MEMORY => task.memory = Some(memory(bytes)?),
            A_TASK_IO => task.io = Some(io(bytes)?),
            A_TASK_FAULTS => task.faults = Some(faults(bytes)?),
            A_TASK_SWITCHES => task.switches = Some(switches(bytes)?),
            A_TASK_EXECUTABLE => task.executable = Some(executable(bytes)?),
            A_TASK_EXIT_CPU => task.exit_cpu = Some(parse_u32(bytes)?),
            A_TASK_EXIT_TIME => task.exit_time = Some(parse_u64(bytes)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(task)
}

/// A control group, of the attributes of a message.
pub(super) fn cgroup(bytes: &[u8]) -> Result<Cgroup, DecodeError> {
    let mut group = Cgroup::default();
    each(bytes, |kind, bytes| {
        let used = &mut group.used;
        match kind {
            A_CGROUP_ID => group.id = parse_u64(bytes)?,
            A_CGROUP_PARENT_ID => group.parent_id = parse_u64(bytes)?,
            A_CGROUP_LEVEL => group.level = parse_u32(bytes)?,
            A_CGROUP_PROCESSES => group.processes = parse_u32(bytes)?,
            A_CGROUP_EXITED => group.exited = parse_u64(bytes)?,
            A_CGROUP_CPU => used.cpu = Some(cpu(bytes)?),
            A_CGROUP_CPU_DELAY..=A_CGROUP_IRQ_DELAY => {
                used.delays[usize::from(kind - A_CGROUP_CPU_DELAY)] = Some(delay(bytes)?);
            }
            A_CGROUP_MEMORY => used.memory = Some(memory(bytes)?),
            A_CGROUP_IO => used.io = Some(io(bytes)?),
            A_CGROUP_FAULTS => used.faults = Some(faults(bytes)?),
            A_CGROUP_SWITCHES => used.switches = Some(switches(bytes)?),
            A_CGROUP_RUNNING => group.running = parse_u32(bytes)?,
            A_CGROUP_SLEEPING => group.sleeping = parse_u32(bytes)?,
            A_CGROUP_UNINTERRUPTIBLE => group.uninterruptible = parse_u32(bytes)?,
            A_CGROUP_STOPPED => group.stopped = parse_u32(bytes)?,
            A_CGROUP_IO_WAIT => group.io_wait = parse_u32(bytes)?,
            A_CGROUP_UNCOUNTED => group.uncounted = parse_u64(bytes)?,
            A_CGROUP_SINCE => group.since = parse_u64(bytes)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(group)
}

/// What the kernel can count, of the attributes of a message.
pub(super) fn info(bytes: &[u8]) -> Result<Info, DecodeError> {
    let mut info = Info {
        seam: Seam::Other(u32::MAX),
        delays_on: false,
        fields: Fields(0),
        since: 0,
        exits_on: false,
    };
    each(bytes, |kind, bytes| {
        match kind {
            A_INFO_SEAM => {
                info.seam = match parse_u32(bytes)? {
                    SEAM_SLOT => Seam::Slot,
                    SEAM_LIVEPATCH => Seam::Livepatch,
                    other => Seam::Other(other),
                }
            }
            A_INFO_DELAYS_ON => info.delays_on = parse_u32(bytes)? != 0,
            A_INFO_FIELDS => info.fields = Fields(parse_u32(bytes)?),
            A_INFO_SINCE => info.since = parse_u64(bytes)?,
            A_INFO_EXITS_ON => info.exits_on = parse_u32(bytes)? != 0,
            _ => {}
        }
        Ok(())
    })?;
    Ok(info)
}

/// What has become of a socket's messages, of the attributes of a message.
pub(super) fn exit_stats(bytes: &[u8]) -> Result<ExitStats, DecodeError> {
    Ok(fill!(bytes, ExitStats,
        A_EXIT_STATS_MATCHED => matched = parse_u64,
        A_EXIT_STATS_DELIVERED => delivered = parse_u64,
        A_EXIT_STATS_LOST_FULL => lost_full = parse_u64,
        A_EXIT_STATS_LOST_MEMORY => lost_memory = parse_u64,
        A_EXIT_STATS_GAPS => gaps = parse_u64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delay::DelayKind,
        request::{Attributes, Request},
    };

    /// The bytes of attributes, without a message around them.
    fn bytes(attributes: impl FnOnce(Attributes) -> Attributes) -> Vec<u8> {
        Request::new(0, 0).with(attributes).encode().split_off(20)
    }

    #[test]
    fn a_task_with_what_is_not_known() {
        let identity = Attributes::new()
            .u32(A_IDENTITY_PID, 7)
            .u32(99, 1)
            .bytes(A_IDENTITY_COMM, b"sleep\0\0\0\0\0\0\0\0\0\0\0");
        let delay = Attributes::new()
            .u64(A_DELAY_COUNT, 3)
            .u64(A_DELAY_TOTAL, 9);
        let status = Attributes::new().u32(A_STATUS_NICE, -5i32 as u32);
        let task = task(&bytes(|it| {
            it.nest(A_TASK_IDENTITY, &identity)
                .nest(A_TASK_STATUS, &status)
                .nest(A_TASK_IRQ_DELAY, &delay)
                .u64(500, 1)
        }))
        .unwrap();
        assert_eq!(task.identity.unwrap().pid, 7);
        assert_eq!(task.identity.unwrap().name(), "sleep");
        assert_eq!(task.status.unwrap().nice, -5);
        assert_eq!(task.delay(DelayKind::Irq).total, 9);
        assert_eq!(task.delay(DelayKind::Irq).longest, None);
        assert_eq!(task.delay(DelayKind::Cpu).count, 0);
        assert_eq!(task.cpu, None);
    }

    #[test]
    fn each_kind_of_delay_is_in_its_place() {
        for (number, kind) in DelayKind::ALL.into_iter().enumerate() {
            let delay = Attributes::new().u64(A_DELAY_COUNT, 1);
            let number = number as u16;
            let of_task = bytes(|it| it.nest(A_TASK_CPU_DELAY + number, &delay));
            let of_group = bytes(|it| it.nest(A_CGROUP_CPU_DELAY + number, &delay));
            assert_eq!(task(&of_task).unwrap().delay(kind).count, 1);
            assert_eq!(cgroup(&of_group).unwrap().used.delay(kind).count, 1);
        }
    }

    #[test]
    fn wrong_sizes_are_errors() {
        assert!(task(&bytes(|it| it.u64(A_TASK_THREADS, 1))).is_err());
        assert!(exit_stats(&bytes(|it| it.u32(A_EXIT_STATS_GAPS, 1))).is_err());
        let name = Attributes::new().bytes(A_IDENTITY_COMM, b"x");
        assert!(task(&bytes(|it| it.nest(A_TASK_IDENTITY, &name))).is_err());
        let mut cut = bytes(|it| it.u32(A_TASK_THREADS, 1));
        cut.truncate(6);
        assert!(task(&cut).is_err());
    }
}
