// SPDX-License-Identifier: GPL-2.0

//! `TASKSTATS_CMD_GET`: the record of a task or a process, and registration of listeners.

use super::{
    attributes::{
        self,
        Subject, //
    },
    state::Taskstats,
    uapi::*, //
};
use crate::{
    abstractions::{
        cpumask::CpuSet,
        namespace::Namespaces,
        task::{
            self,
            TaskView, //
        },
        thread_group::SighandGuard,
        time::monotonic_ns,
    },
    accounting::record::Record,
    genetlink::{
        Attribute,
        Command,
        Permission,
        Policy,
        Refusal,
        Request,
        Validation, //
    },
};
use kernel::{
    current,
    prelude::*,
    sync::rcu,
    task::Pid, //
};

/// `TASKSTATS_CMD_GET`.
pub(crate) struct Get;

#[vtable]
impl Command for Get {
    type Family = Taskstats;
    type Cursor = ();

    const CMD: u8 = TASKSTATS_CMD_GET as u8;
    const VALIDATION: Validation = Validation::Liberal;
    const PERMISSION: Permission = Permission::NetAdmin;
    const POLICY: &'static [Policy] = &[
        Policy::UNSPEC,
        Policy::U32,    // TASKSTATS_CMD_ATTR_PID
        Policy::U32,    // TASKSTATS_CMD_ATTR_TGID
        Policy::STRING, // TASKSTATS_CMD_ATTR_REGISTER_CPUMASK
        Policy::STRING, // TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK
    ];

    /// Does what the first of the attributes asks for, in the order below. Mirrors
    /// `taskstats_user_cmd()`.
    #[inline]
    fn doit<'a>(taskstats: &Taskstats, request: Request<'a, Taskstats>) -> Result<(), Refusal<'a>> {
        if let Some(list) = request.attribute(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK) {
            let cpus = cpus_to_listen_on(list)?;
            Ok(request
                .socket_private()?
                .register(&taskstats.listeners, request.socket(), &cpus)?)
        } else if let Some(list) = request.attribute(TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK) {
            let cpus = cpus_to_listen_on(list)?;
            taskstats.listeners.deregister(request.socket(), &cpus);
            Ok(())
        } else if let Some(pid) = request.attribute(TASKSTATS_CMD_ATTR_PID) {
            answer_task(request, pid)
        } else if let Some(tgid) = request.attribute(TASKSTATS_CMD_ATTR_TGID) {
            answer_process(request, tgid)
        } else {
            Err(Refusal::new(
                EINVAL,
                c"nothing is asked for: no pid, no tgid, no CPUs to register or deregister",
            ))
        }
    }
}

/// Reads the CPUs of a registration. Exit records show all tasks with their ids in the initial
/// namespaces, so [`EINVAL`] for callers in others. Mirrors the checks of `add_del_listener()`.
fn cpus_to_listen_on(list: Attribute<'_>) -> Result<CpuSet, Refusal<'_>> {
    let cpus = CpuSet::parse(list.payload())
        .map_err(|(errno, words)| Refusal::new(errno, words).at(list))?;

    if !Namespaces::current(current!())?.are_init() {
        return Err(Refusal::new(
            EINVAL,
            c"who listens must be in the initial user and pid namespaces",
        ));
    }
    Ok(cpus)
}

/// Mirrors `cmd_attr_pid()` and `fill_stats_for_pid()`.
fn answer_task<'a>(
    request: Request<'a, Taskstats>,
    attribute: Attribute<'a>,
) -> Result<(), Refusal<'a>> {
    let pid = attribute.u32()?;
    let task = task::find_get_by_vpid(pid as Pid).ok_or_else(|| no_such_task(attribute))?;
    let mut reply = request.reply(TASKSTATS_CMD_NEW as u8, attributes::room::<1>(), GFP_KERNEL)?;

    attributes::put(&mut reply, Subject::Task(pid), |record| {
        record.fill(TaskView::of(&task), Namespaces::current(current!())?);
        Ok(())
    })?;
    Ok(reply.send_to_socket()?)
}

/// Mirrors `cmd_attr_tgid()`.
fn answer_process<'a>(
    request: Request<'a, Taskstats>,
    attribute: Attribute<'a>,
) -> Result<(), Refusal<'a>> {
    let tgid = attribute.u32()?;
    let mut reply = request.reply(TASKSTATS_CMD_NEW as u8, attributes::room::<1>(), GFP_KERNEL)?;

    attributes::put(&mut reply, Subject::Process(tgid), |record| {
        sum_up_process(record, tgid)
    })
    .map_err(|errno| match errno {
        ESRCH => no_such_task(attribute),
        errno => errno.into(),
    })?;
    Ok(reply.send_to_socket()?)
}

fn no_such_task(id: Attribute<'_>) -> Refusal<'_> {
    Refusal::new(ESRCH, c"no task has this id in the caller's pid namespace").at(id)
}

/// Sums up the threads that live, and what those left that have exited. A leader that has exited
/// before its threads is among the latter. Mirrors `fill_stats_for_tgid()`.
// Not inlined, so that the loop has the registers to itself.
#[inline(never)]
fn sum_up_process(record: &mut Record, tgid: u32) -> Result {
    let rcu = rcu::read_lock();
    let task = task::find_by_vpid(tgid as Pid, &rcu).ok_or(ESRCH)?;
    let mut process = SighandGuard::lock(task).ok_or(ESRCH)?;

    if let Some(left) = process.left_by_exited() {
        record.clone_from(left);
    }
    let now_ns = monotonic_ns();
    // Each thread overwrites the longest and the shortest delays of those before it, as far as its
    // own are collected: the last ones are left.
    let (mut last, mut last_with_delays) = (None, None);
    for thread in process.threads().filter(|thread| !thread.has_exit_state()) {
        if record.add_thread(thread, now_ns) {
            last_with_delays = Some(thread);
        }
        last = Some(thread);
    }
    if let Some(thread) = last_with_delays {
        record.set_extremes(thread);
    }
    if let Some(thread) = last.filter(|thread| !thread.collects_delays()) {
        record.set_extremes(thread);
    }
    record.set_version();
    Ok(())
}
