// SPDX-License-Identifier: GPL-2.0

//! `TASKACCT_CMD_EXIT_NTF`, `TASKACCT_CMD_PROCESS_EXIT_NTF`: what ends is sent to sockets with a
//! filter that lets it through, and to the members of the group `exits`.
//!
//! All of it is as the initial namespaces see it.

use super::{
    exits::{
        self,
        Ending,
        Kinds, //
    },
    fields::Fields,
    interest::{
        INTEREST,
        MEMBERS, //
    },
    record,
    state::Taskacct,
    uapi::{
        TASKACCT_A_TASK_EXIT_CPU,
        TASKACCT_A_TASK_EXIT_TIME,
        TASKACCT_CMD_EXIT_NTF,
        TASKACCT_CMD_PROCESS_EXIT_NTF, //
    },
};
use crate::{
    abstractions::{
        namespace::Namespaces,
        task::TaskView,
        time::monotonic_ns, //
    },
    accounting::usage::Usage,
    genetlink::{
        AttributeU32,
        AttributeU64,
        Family,
        NetlinkSkBuff,
        Packet, //
    },
    seam::{
        ExitObserver,
        Interest, //
    },
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::rcu,
    task::CurrentTask, //
};

/// The index of the group `exits`.
const EXITS: usize = 0;

impl ExitObserver for Family<Taskacct> {
    fn interest(&self) -> &'static Interest {
        &INTEREST
    }

    fn exit(&self, task: &CurrentTask, group_dead: bool, leave: &mut dyn FnMut()) {
        match self.data().groups_that_count() {
            Some(groups) => groups.exit(task, group_dead, leave),
            None => leave(),
        }

        let task = TaskView::of(task);
        let endings: &[Ending] = if group_dead {
            &[Ending::Thread, Ending::Process]
        } else {
            &[Ending::Thread]
        };
        let packet = |ending, fields| packet(self, task, ending, fields);
        if exits::may_want(Kinds::of_end(task, group_dead)) {
            if let Some(exits) = self.data().exits.get() {
                exits.send(task, endings, packet);
            }
        }
        if MEMBERS.is_set() && self.has_listeners(EXITS) {
            for &ending in endings {
                // Members whose buffers are full are told so when they read. Without memory, there
                // is nobody to tell: a socket that counts sets a filter.
                let _ = packet(ending, Fields::COUNTED)
                    .and_then(|packet| packet.multicast(self, EXITS, GFP_KERNEL));
            }
        }
    }

    fn hears(&self, hears: bool) {
        self.data().set_hears(hears);
    }
}

/// Makes the message of what ends.
fn packet(
    family: &Family<Taskacct>,
    task: TaskView<'_>,
    ending: Ending,
    fields: Fields,
) -> Result<Packet> {
    let namespaces = Namespaces::init();
    // CAST: Commands fit a byte.
    let command = match ending {
        Ending::Thread => TASKACCT_CMD_EXIT_NTF as u8,
        Ending::Process => TASKACCT_CMD_PROCESS_EXIT_NTF as u8,
    };
    let skb = NetlinkSkBuff::new(record::ROOM, GFP_KERNEL)?;
    let mut message = skb.genlmsg_put(0, 0, family, command)?;

    message.push(AttributeU32::of::<TASKACCT_A_TASK_EXIT_CPU>(
        CpuId::current().as_u32(),
    ))?;
    message.push(AttributeU64::of::<TASKACCT_A_TASK_EXIT_TIME>(monotonic_ns()))?;
    let rcu = rcu::read_lock();
    // CAST: Ids of tasks are not negative.
    match ending {
        Ending::Thread => {
            let pid = task.pid_nr_ns(namespaces.pid, &rcu) as u32;
            record::put_task(&mut message, pid, task, fields, namespaces, &rcu)?;
        }
        Ending::Process => {
            // The last thread may be another one than the leader, which is still there.
            let leader = task.group_leader(&rcu).ok_or(ESRCH)?;
            let tgid = task.tgid_nr_ns(namespaces.pid, &rcu) as u32;
            let usage = Usage::of_ended_process(task.task()).ok_or(ESRCH)?;
            record::put_usage(&mut message, tgid, leader, &usage, fields, namespaces, &rcu)?;
        }
    }
    drop(rcu);
    Ok(message.end())
}
