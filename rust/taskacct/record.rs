// SPDX-License-Identifier: GPL-2.0

//! What a message says of a task or of a process: a nest for each group of fields.
//!
//! All attributes have a fixed size, so a group is laid out when compiling, and written in one
//! piece.

use super::{
    fields::Fields,
    uapi::*, //
};
use crate::{
    abstractions::{
        cgroup,
        credentials::real_ids_in,
        delays::{
            self,
            Delay,
            Delays, //
        },
        mm::{
            Executable,
            Memory, //
        },
        namespace::Namespaces,
        task::{
            CpuTime,
            IoCounters,
            TaskView, //
        },
    },
    accounting::{
        basic::padded,
        extended::kibibyte_usecs,
        usage::{
            Totals,
            Usage, //
        },
    },
    genetlink::{
        AttributeHeader,
        AttributeI32,
        AttributeU32,
        AttributeU64,
        Payload,
        Room, //
    },
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::rcu, //
};

// CAST: A small constant.
const COMM_LEN: usize = TASKACCT_COMM_LEN as usize;

/// The room for all of it, with some to spare; checked when a record is written.
pub(super) const ROOM: Room = match Room::new(1280) {
    Some(room) => room,
    None => panic!("a record does not fit a message"),
};

/// The value of an attribute.
macro_rules! number {
    (AttributeU32) => {
        u32
    };
    (AttributeI32) => {
        i32
    };
    (AttributeU64) => {
        u64
    };
}

/// Defines a nest of numbers, as it is in a message, and how it is made.
macro_rules! nest {
    ($name:ident of $nest:ident { $($field:ident: $type:ident = $attribute:ident,)* }) => {
        #[derive(IntoBytes)]
        #[repr(C)]
        struct $name {
            nest: AttributeHeader,
            $($field: $type,)*
        }

        impl $name {
            const NEST: AttributeHeader = AttributeHeader::nest::<
                $nest,
                { size_of::<$name>() - size_of::<AttributeHeader>() },
            >();

            #[inline(always)]
            fn new($($field: number!($type)),*) -> Self {
                Self {
                    nest: Self::NEST,
                    $($field: $type::of::<$attribute>($field),)*
                }
            }
        }
    };
}

#[derive(IntoBytes)]
#[repr(C)]
struct Identity {
    nest: AttributeHeader,
    pid: AttributeU32,
    tgid: AttributeU32,
    ppid: AttributeU32,
    uid: AttributeU32,
    gid: AttributeU32,
    comm_header: AttributeHeader,
    comm: [u8; COMM_LEN],
}

nest! {
    Status of TASKACCT_A_TASK_STATUS {
        flags: AttributeU32 = TASKACCT_A_STATUS_FLAGS,
        nice: AttributeI32 = TASKACCT_A_STATUS_NICE,
        policy: AttributeU32 = TASKACCT_A_STATUS_POLICY,
        exit_code: AttributeU32 = TASKACCT_A_STATUS_EXIT_CODE,
        cgroup_id: AttributeU64 = TASKACCT_A_STATUS_CGROUP_ID,
        start_time: AttributeU64 = TASKACCT_A_STATUS_START_TIME,
        process_start_time: AttributeU64 = TASKACCT_A_STATUS_PROCESS_START_TIME,
    }
}

nest! {
    Cpu of TASKACCT_A_TASK_CPU {
        user_time: AttributeU64 = TASKACCT_A_CPU_USER_TIME,
        system_time: AttributeU64 = TASKACCT_A_CPU_SYSTEM_TIME,
        run_time: AttributeU64 = TASKACCT_A_CPU_RUN_TIME,
    }
}

nest! {
    Integrals of TASKACCT_A_TASK_MEMORY {
        resident: AttributeU64 = TASKACCT_A_MEMORY_RESIDENT_INTEGRAL,
        virtual_: AttributeU64 = TASKACCT_A_MEMORY_VIRTUAL_INTEGRAL,
    }
}

nest! {
    AllMemory of TASKACCT_A_TASK_MEMORY {
        resident: AttributeU64 = TASKACCT_A_MEMORY_RESIDENT_INTEGRAL,
        virtual_: AttributeU64 = TASKACCT_A_MEMORY_VIRTUAL_INTEGRAL,
        resident_max: AttributeU64 = TASKACCT_A_MEMORY_RESIDENT_MAX,
        virtual_max: AttributeU64 = TASKACCT_A_MEMORY_VIRTUAL_MAX,
    }
}

nest! {
    Io of TASKACCT_A_TASK_IO {
        read_char: AttributeU64 = TASKACCT_A_IO_READ_CHAR,
        write_char: AttributeU64 = TASKACCT_A_IO_WRITE_CHAR,
        read_syscalls: AttributeU64 = TASKACCT_A_IO_READ_SYSCALLS,
        write_syscalls: AttributeU64 = TASKACCT_A_IO_WRITE_SYSCALLS,
        read_bytes: AttributeU64 = TASKACCT_A_IO_READ_BYTES,
        write_bytes: AttributeU64 = TASKACCT_A_IO_WRITE_BYTES,
        cancelled: AttributeU64 = TASKACCT_A_IO_CANCELLED_WRITE_BYTES,
    }
}

nest! {
    Faults of TASKACCT_A_TASK_FAULTS {
        minor: AttributeU64 = TASKACCT_A_FAULTS_MINOR,
        major: AttributeU64 = TASKACCT_A_FAULTS_MAJOR,
    }
}

nest! {
    Switches of TASKACCT_A_TASK_SWITCHES {
        voluntary: AttributeU64 = TASKACCT_A_SWITCHES_VOLUNTARY,
        involuntary: AttributeU64 = TASKACCT_A_SWITCHES_INVOLUNTARY,
    }
}

nest! {
    ExecutableFile of TASKACCT_A_TASK_EXECUTABLE {
        device: AttributeU64 = TASKACCT_A_EXECUTABLE_DEVICE,
        inode: AttributeU64 = TASKACCT_A_EXECUTABLE_INODE,
    }
}

/// The nest of a delay, which there are several of.
#[derive(IntoBytes)]
#[repr(C)]
struct DelayTotals {
    nest: AttributeHeader,
    count: AttributeU64,
    total: AttributeU64,
}

/// The same, with the longest and the shortest.
#[derive(IntoBytes)]
#[repr(C)]
struct DelayExtremes {
    nest: AttributeHeader,
    count: AttributeU64,
    total: AttributeU64,
    longest: AttributeU64,
    shortest: AttributeU64,
    longest_end: AttributeU64,
}

/// Appends what is known of a task with the id `pid`. [`ESRCH`] if it has been released,
/// [`EMSGSIZE`] if there is no room.
#[inline(always)]
pub(super) fn put_task(
    payload: &mut Payload,
    pid: u32,
    task: TaskView<'_>,
    fields: Fields,
    namespaces: Namespaces<'_>,
    rcu: &rcu::Guard,
) -> Result {
    put_who(payload, pid, task, fields, namespaces, rcu)?;
    if fields.has(TASKACCT_FIELD_CPU) {
        put_cpu(payload, task.cpu_time(), task.run_time_ns())?;
    }
    if fields.has(TASKACCT_FIELD_DELAYS) {
        let extremes = fields.has(TASKACCT_FIELD_DELAY_EXTREMES);
        put_delay::<TASKACCT_A_TASK_CPU_DELAY>(payload, delays::of_cpu(task), extremes)?;
        if let Some(delays) = Delays::lock(task) {
            put_delay::<TASKACCT_A_TASK_BLOCK_IO_DELAY>(payload, delays.block_io(), extremes)?;
            put_delay::<TASKACCT_A_TASK_SWAP_IN_DELAY>(payload, delays.swap_in(), extremes)?;
            put_delay::<TASKACCT_A_TASK_RECLAIM_DELAY>(payload, delays.reclaim(), extremes)?;
            put_delay::<TASKACCT_A_TASK_THRASHING_DELAY>(payload, delays.thrashing(), extremes)?;
            put_delay::<TASKACCT_A_TASK_COMPACTION_DELAY>(payload, delays.compaction(), extremes)?;
            put_delay::<TASKACCT_A_TASK_WRITE_COPY_DELAY>(payload, delays.write_copy(), extremes)?;
            put_delay::<TASKACCT_A_TASK_IRQ_DELAY>(payload, delays.irq(), extremes)?;
        }
    }
    if fields.has(TASKACCT_FIELD_MEMORY | TASKACCT_FIELD_EXECUTABLE) {
        put_memory(
            payload,
            task.memory_integrals(),
            Memory::of(task, rcu),
            fields,
        )?;
    }
    if fields.has(TASKACCT_FIELD_IO) {
        put_io(payload, task.io())?;
    }
    if fields.has(TASKACCT_FIELD_FAULTS) {
        let (minor, major) = task.page_faults();
        payload.push(Faults::new(minor, major))?;
    }
    if fields.has(TASKACCT_FIELD_SWITCHES) {
        let (voluntary, involuntary) = task.context_switches();
        payload.push(Switches::new(voluntary, involuntary))?;
    }
    Ok(())
}

/// Appends what is known of the process with the id `tgid`, led by `leader`. [`ESRCH`] if it has
/// been released, [`EMSGSIZE`] if there is no room.
pub(super) fn put_process(
    payload: &mut Payload,
    tgid: u32,
    leader: TaskView<'_>,
    fields: Fields,
    namespaces: Namespaces<'_>,
    rcu: &rcu::Guard,
) -> Result {
    let usage = Usage::of_process(leader.task()).ok_or(ESRCH)?;

    put_usage(payload, tgid, leader, &usage, fields, namespaces, rcu)
}

/// Appends what is known of the process with the id `tgid`, led by `leader`, which has used
/// `usage`. [`ESRCH`] and [`EMSGSIZE`] as above.
pub(super) fn put_usage(
    payload: &mut Payload,
    tgid: u32,
    leader: TaskView<'_>,
    usage: &Usage,
    fields: Fields,
    namespaces: Namespaces<'_>,
    rcu: &rcu::Guard,
) -> Result {
    payload.push(AttributeU32::of::<TASKACCT_A_TASK_THREADS>(usage.threads))?;
    put_who(payload, tgid, leader, fields, namespaces, rcu)?;
    // The leader may have exited before the others.
    let memory = if fields.has(TASKACCT_FIELD_MEMORY | TASKACCT_FIELD_EXECUTABLE) {
        let living = usage.living.as_ref();
        living.and_then(|task| Memory::of(TaskView::of(task), rcu))
    } else {
        None
    };
    put_totals(payload, &usage.totals, memory, fields)
}

/// Appends what has been used. `memory` is that of a process, if it has any. [`EMSGSIZE`] if there
/// is no room.
pub(super) fn put_totals(
    payload: &mut Payload,
    totals: &Totals,
    memory: Option<Memory>,
    fields: Fields,
) -> Result {
    if fields.has(TASKACCT_FIELD_CPU) {
        put_cpu(payload, totals.time, totals.run_time_ns)?;
    }
    if fields.has(TASKACCT_FIELD_DELAYS) {
        let extremes = fields.has(TASKACCT_FIELD_DELAY_EXTREMES);
        let [cpu, block_io, swap_in, reclaim, thrashing, compaction, write_copy, irq] =
            totals.delays;
        put_delay::<TASKACCT_A_TASK_CPU_DELAY>(payload, cpu, extremes)?;
        put_delay::<TASKACCT_A_TASK_BLOCK_IO_DELAY>(payload, block_io, extremes)?;
        put_delay::<TASKACCT_A_TASK_SWAP_IN_DELAY>(payload, swap_in, extremes)?;
        put_delay::<TASKACCT_A_TASK_RECLAIM_DELAY>(payload, reclaim, extremes)?;
        put_delay::<TASKACCT_A_TASK_THRASHING_DELAY>(payload, thrashing, extremes)?;
        put_delay::<TASKACCT_A_TASK_COMPACTION_DELAY>(payload, compaction, extremes)?;
        put_delay::<TASKACCT_A_TASK_WRITE_COPY_DELAY>(payload, write_copy, extremes)?;
        put_delay::<TASKACCT_A_TASK_IRQ_DELAY>(payload, irq, extremes)?;
    }
    if fields.has(TASKACCT_FIELD_MEMORY | TASKACCT_FIELD_EXECUTABLE) {
        put_memory(payload, totals.memory_integrals, memory, fields)?;
    }
    if fields.has(TASKACCT_FIELD_IO) {
        put_io(payload, totals.io)?;
    }
    if fields.has(TASKACCT_FIELD_FAULTS) {
        let (minor, major) = totals.page_faults;
        payload.push(Faults::new(minor, major))?;
    }
    if fields.has(TASKACCT_FIELD_SWITCHES) {
        let (voluntary, involuntary) = totals.context_switches;
        payload.push(Switches::new(voluntary, involuntary))?;
    }
    Ok(())
}

/// Appends who the task is, and its state.
#[inline(always)]
fn put_who(
    payload: &mut Payload,
    pid: u32,
    task: TaskView<'_>,
    fields: Fields,
    namespaces: Namespaces<'_>,
    rcu: &rcu::Guard,
) -> Result {
    if fields.has(TASKACCT_FIELD_IDENTITY) {
        put_identity(payload, pid, task, namespaces, rcu)?;
    }
    if fields.has(TASKACCT_FIELD_STATUS) {
        payload.push(status(task, rcu))?;
    }
    Ok(())
}

#[inline(always)]
fn put_identity(
    payload: &mut Payload,
    pid: u32,
    task: TaskView<'_>,
    namespaces: Namespaces<'_>,
    rcu: &rcu::Guard,
) -> Result {
    // CAST: Ids of tasks are not negative.
    let tgid = task.tgid_nr_ns(namespaces.pid, rcu) as u32;
    if tgid == 0 {
        return Err(ESRCH);
    }
    let ppid = match task.real_parent(rcu) {
        // CAST: As above.
        Some(parent) => parent.tgid_nr_ns(namespaces.pid, rcu) as u32,
        None => 0,
    };
    let (uid, gid) = real_ids_in(task.credentials(rcu), namespaces.user);

    payload.push(Identity {
        nest: AttributeHeader::nest::<
            TASKACCT_A_TASK_IDENTITY,
            { size_of::<Identity>() - size_of::<AttributeHeader>() },
        >(),
        pid: AttributeU32::of::<TASKACCT_A_IDENTITY_PID>(pid),
        tgid: AttributeU32::of::<TASKACCT_A_IDENTITY_TGID>(tgid),
        ppid: AttributeU32::of::<TASKACCT_A_IDENTITY_PPID>(ppid),
        uid: AttributeU32::of::<TASKACCT_A_IDENTITY_UID>(uid),
        gid: AttributeU32::of::<TASKACCT_A_IDENTITY_GID>(gid),
        comm_header: AttributeHeader::of::<TASKACCT_A_IDENTITY_COMM, COMM_LEN>(),
        comm: padded(task.comm()),
    })
}

#[inline(always)]
fn status(task: TaskView<'_>, rcu: &rcu::Guard) -> Status {
    let flags = task.flags();
    let bit = |is: bool, bit: u32| if is { bit } else { 0 };
    let start_time = task.start_time_ns();

    Status::new(
        bit(task.is_group_leader(), TASKACCT_TASK_FLAG_LEADER)
            | bit(flags.kthread(), TASKACCT_TASK_FLAG_KERNEL_THREAD)
            | bit(flags.exiting(), TASKACCT_TASK_FLAG_EXITING)
            | bit(flags.fork_no_exec(), TASKACCT_TASK_FLAG_NO_EXEC)
            | bit(flags.super_priv(), TASKACCT_TASK_FLAG_SUPER_PRIV)
            | bit(flags.dump_core(), TASKACCT_TASK_FLAG_DUMP_CORE)
            | bit(flags.signaled(), TASKACCT_TASK_FLAG_SIGNALED),
        task.nice(),
        task.policy(),
        if flags.exiting() {
            // CAST: The bits are what counts.
            task.exit_code() as u32
        } else {
            0
        },
        cgroup::id_of(task, rcu),
        start_time,
        match task.group_leader(rcu) {
            Some(leader) => leader.start_time_ns(),
            // The task has been released, and the leader may be gone.
            None => start_time,
        },
    )
}

#[inline(always)]
fn put_cpu(payload: &mut Payload, time: CpuTime, run_time_ns: u64) -> Result {
    payload.push(Cpu::new(time.user_ns, time.system_ns, run_time_ns))
}

/// Appends a delay, if there was any of that kind.
#[inline(always)]
fn put_delay<const KIND: c_uint>(payload: &mut Payload, delay: Delay, extremes: bool) -> Result {
    const HEADER: usize = size_of::<AttributeHeader>();

    if delay.count == 0 {
        return Ok(());
    }
    let count = AttributeU64::of::<TASKACCT_A_DELAY_COUNT>(delay.count);
    let total = AttributeU64::of::<TASKACCT_A_DELAY_TOTAL>(delay.total_ns);
    if extremes {
        payload.push(DelayExtremes {
            nest: AttributeHeader::nest::<KIND, { size_of::<DelayExtremes>() - HEADER }>(),
            count,
            total,
            longest: AttributeU64::of::<TASKACCT_A_DELAY_LONGEST>(delay.longest_ns),
            shortest: AttributeU64::of::<TASKACCT_A_DELAY_SHORTEST>(delay.shortest_ns),
            longest_end: AttributeU64::of::<TASKACCT_A_DELAY_LONGEST_END>(
                delay.longest_end.as_nanoseconds(),
            ),
        })
    } else {
        payload.push(DelayTotals {
            nest: AttributeHeader::nest::<KIND, { size_of::<DelayTotals>() - HEADER }>(),
            count,
            total,
        })
    }
}

/// Appends memory and executable, as far as either is asked for. `memory` is the task's own, if it
/// has any.
#[inline(always)]
fn put_memory(
    payload: &mut Payload,
    integrals: (u64, u64),
    memory: Option<Memory>,
    fields: Fields,
) -> Result {
    // CAST: A page's size fits.
    const SIZE: u64 = PAGE_SIZE as u64;

    if fields.has(TASKACCT_FIELD_MEMORY) {
        let (resident, virtual_) = (kibibyte_usecs(integrals.0), kibibyte_usecs(integrals.1));
        match &memory {
            Some(memory) => payload.push(AllMemory::new(
                resident,
                virtual_,
                memory.high_water_rss_pages.wrapping_mul(SIZE),
                memory.high_water_vm_pages.wrapping_mul(SIZE),
            ))?,
            None => payload.push(Integrals::new(resident, virtual_))?,
        }
    }
    if fields.has(TASKACCT_FIELD_EXECUTABLE) {
        if let Some(Executable { device, inode }) = memory.and_then(|memory| memory.executable) {
            payload.push(ExecutableFile::new(device, inode))?;
        }
    }
    Ok(())
}

#[inline(always)]
fn put_io(payload: &mut Payload, io: IoCounters) -> Result {
    payload.push(Io::new(
        io.read_char,
        io.write_char,
        io.read_syscalls,
        io.write_syscalls,
        io.read_bytes,
        io.write_bytes,
        io.cancelled_write_bytes,
    ))
}
