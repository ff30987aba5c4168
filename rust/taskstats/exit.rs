// SPDX-License-Identifier: GPL-2.0

//! The exit of a task: its counts are added to those of its process, and the listeners of its CPU
//! get its record.

use super::{
    attributes::{
        self,
        Subject, //
    },
    listeners::CpuListeners,
    state::Taskstats,
    uapi::TASKSTATS_CMD_NEW, //
};
use crate::{
    abstractions::{
        namespace::Namespaces,
        task::TaskView,
        thread_group::{
            alloc_left_by_exited,
            SighandGuard, //
        },
        time::monotonic_ns,
    },
    accounting::record::Record,
    genetlink::{
        Family,
        NetlinkSkBuff,
        Packet, //
    },
    seam::ExitHook,
};
use kernel::{
    prelude::*,
    sync::rcu,
    task::{
        CurrentTask,
        Task, //
    },
};

impl ExitHook for Taskstats {
    /// Mirrors `taskstats_exit()`.
    fn exit(family: &Family<Self>, task: &CurrentTask, group_dead: bool) {
        let several_threads = alloc_left_by_exited(task);

        let Taskstats {
            listeners,
            observer,
            interest,
        } = family.data();
        let mut leave = || {
            if several_threads {
                leave_to_process(task);
            }
        };
        if interest.is_any() {
            observer.exit(task, group_dead, &mut leave);
        } else {
            leave();
        }

        let listeners = listeners.this_cpu();
        if listeners.is_empty() {
            return;
        }
        // Nobody waits for an answer: without memory there is no record, as in C.
        if let Ok(packet) = packet(family, listeners, task, several_threads, group_dead) {
            listeners.send(packet);
        }
    }

    fn hears(family: &Family<Self>, hears: bool) {
        family.data().observer.hears(hears);
    }
}

/// Adds what was counted of `task` to what the threads before it left. Mirrors `fill_tgid_exit()`.
fn leave_to_process(task: &Task) {
    if let Some(mut process) = SighandGuard::lock(task) {
        if let Some(left) = process.left_by_exited::<Record>() {
            let task = TaskView::of(task);
            left.add_thread(task, monotonic_ns());
            left.set_extremes(task);
        }
    }
}

/// Makes the message: the record of the task and, where the last of several threads goes, that of
/// the process, both as seen from the initial namespaces.
fn packet(
    family: &Family<Taskstats>,
    listeners: &CpuListeners,
    task: &Task,
    several_threads: bool,
    group_dead: bool,
) -> Result<Packet> {
    let namespaces = Namespaces::init();
    // The room is C's, so that a listener's buffer holds as many messages.
    let room = if several_threads {
        attributes::room::<2>()
    } else {
        attributes::room::<1>()
    };
    let skb = NetlinkSkBuff::new(room, GFP_KERNEL)?;
    // Only a message that exists takes a number.
    let sequence = listeners.next_sequence();
    let mut message = skb.genlmsg_put(0, sequence, family, TASKSTATS_CMD_NEW as u8)?;

    let view = TaskView::of(task);
    let pid = view.pid_nr_ns(namespaces.pid, &rcu::read_lock()) as u32;
    attributes::put(&mut message, Subject::Task(pid), |record| {
        record.fill(view, namespaces);
        if group_dead {
            record.set_last_of_group();
        }
        Ok(())
    })?;

    if several_threads && group_dead {
        let tgid = view.tgid_nr_ns(namespaces.pid, &rcu::read_lock()) as u32;
        attributes::put(&mut message, Subject::Process(tgid), |record| {
            if let Some(mut process) = SighandGuard::lock(task) {
                if let Some(left) = process.left_by_exited::<Record>() {
                    record.clone_from(left);
                }
            }
            record.set_version();
            Ok(())
        })?;
    }
    Ok(message.end())
}
