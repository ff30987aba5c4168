// SPDX-License-Identifier: GPL-2.0

//! When a registration ends, and when it does not: a socket that refuses its records, and a second
//! registration for which there is no memory. Sequence numbers of messages that were never made.

use std::{
    os::fd::{AsFd, AsRawFd},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        socket::{NetlinkAddr, connect},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use taskstats::{Client, Options, Stats, uapi::TASKSTATS_CMD_NEW};

use crate::{
    clone_as_vfork::end_on,
    context::Context,
    faults::{Below, Faults, has_failed},
    implementation::Implementation,
    peer::Peer,
};

const ORDER: [Implementation; 3] = [Implementation::C, Implementation::Rust, Implementation::C];
const BOTH_CPUS: &str = "0-1";
/// More allocations than any of these makes.
const MOST: usize = 100;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = vec![context.trial(
        "registrations::one_that_refuses_is_removed",
        |context, _| under_each(context, one_that_refuses),
    )];
    if Path::new("/proc/self/fail-nth").exists() {
        trials.push(context.trial(
            "registrations::stay_without_memory_for_another",
            |context, _| under_each(context, without_memory),
        ));
        trials.push(context.trial(
            "registrations::a_message_not_made_takes_no_number",
            |context, _| under_each(context, no_number),
        ));
    }
    trials
}

fn under_each(
    context: &Context,
    case: impl Fn(Implementation) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for implementation in ORDER {
        context.switch.to(implementation)?;
        case(implementation).with_context(|| format!("under {implementation:?}"))?;
    }
    Ok(())
}

fn client() -> anyhow::Result<Client> {
    Ok(Client::connect(Options::default())?)
}

/// Takes all exit messages out of the queue: their sequence numbers and the tasks that they are of.
fn hear(client: &mut Client) -> anyhow::Result<Vec<(u32, u32)>> {
    let mut heard = Vec::new();
    while let Some(datagram) = client.exit_record(Duration::ZERO)? {
        for message in datagram.messages()? {
            ensure!(
                message.header.message_type == client.family(),
                "{:?}",
                message.header
            );
            let records = Stats::of(&message).with_context(|| format!("{TASKSTATS_CMD_NEW}"))?;
            let task = records.first().context("a message without a record")?;
            heard.push((message.header.sequence_number, task.record.ac_pid));
        }
    }
    Ok(heard)
}

/// Has a task end on each of two CPUs and returns of how many of them the client hears.
fn hears(client: &mut Client) -> anyhow::Result<usize> {
    let ended = [end_on(0)?, end_on(1)?];
    let heard = hear(client)?;
    let ours = heard.iter().filter(|(_, pid)| ended.contains(pid));
    Ok(ours.count())
}

/// A socket that is connected to another of user space refuses what the kernel sends. The first
/// record that it refuses ends its registration, on the CPU that the record is of.
fn one_that_refuses(_: Implementation) -> anyhow::Result<()> {
    let (mut other, peer, mut listener) = (client()?, client()?, client()?);
    listener.register(BOTH_CPUS)?;
    other.register(BOTH_CPUS)?;
    ensure!(hears(&mut listener)? == 2, "registered, and hears not");

    // Refuses on CPU 0 alone: nobody ends on CPU 1 until it is connected to the kernel again.
    let fd = listener.as_fd().as_raw_fd();
    connect(fd, &NetlinkAddr::new(peer.port(), 0))?;
    end_on(0)?;
    connect(fd, &NetlinkAddr::new(0, 0))?;
    let refused = hear(&mut listener)?;
    let [on_0, on_1] = [end_on(0)?, end_on(1)?];
    let heard = hear(&mut listener)?;
    ensure!(
        !heard.iter().any(|(_, pid)| *pid == on_0),
        "registered still after it refused a record: {refused:?}, {heard:?}"
    );
    ensure!(
        heard.iter().any(|(_, pid)| *pid == on_1),
        "not registered any more where it refused nothing"
    );
    ensure!(hears(&mut other)? == 2, "another listener hears not");

    // It may come back.
    listener.register(BOTH_CPUS)?;
    ensure!(
        hears(&mut listener)? == 2,
        "registered again, and hears not"
    );
    listener.deregister(BOTH_CPUS)?;
    ensure!(hears(&mut listener)? == 0, "deregistered, and hears");
    other.deregister(BOTH_CPUS)?;
    Ok(())
}

/// A socket that is registered registers again, and each allocation fails in turn. Under Rust it
/// stays registered; C removes it from all CPUs that it asked for, and that is demanded as well, so
/// that the difference goes from the user's guide when C changes.
fn without_memory(implementation: Implementation) -> anyhow::Result<()> {
    let faults = Faults::of_this_thread()?;
    let mut removed = 0;
    for nth in 1..MOST {
        let mut listener = client()?;
        listener.register("0")?;
        let (done, failed) = faults.at(nth, || listener.register(BOTH_CPUS))?;
        let on_0 = end_on(0)?;
        let heard = hear(&mut listener)?.iter().any(|(_, pid)| *pid == on_0);
        let refused = done
            .as_ref()
            .is_err_and(|error| error.errno() == Some(Errno::ENOMEM as i32));
        if !heard {
            ensure!(
                refused && implementation == Implementation::C,
                "allocation {nth} ended an earlier registration: {done:?}"
            );
            removed += 1;
        }
        listener.deregister(BOTH_CPUS)?;
        if !failed {
            ensure!(nth > 1, "no allocation failed");
            ensure!(
                (removed > 0) == (implementation == Implementation::C),
                "C does not do this any more"
            );
            return Ok(());
        }
    }
    anyhow::bail!("there is no end of allocations")
}

/// Keeps this thread and what it starts on a CPU, until this is dropped.
struct Pinned(CpuSet);

impl Pinned {
    fn to(cpu: usize) -> anyhow::Result<Self> {
        let before = Self(sched_getaffinity(Pid::from_raw(0))?);
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
        Ok(before)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // The CPUs were allowed before.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// Each allocation of an exit fails in turn. The numbers of the messages that are sent all the same
/// follow each other.
fn no_number(_: Implementation) -> anyhow::Result<()> {
    let _pinned = Pinned::to(0)?;
    let _below = Below::function("taskstats_exit")?;
    let mut listener = client()?;
    listener.register("0")?;
    let mut lost = 0;
    for nth in 1..MOST {
        end_on(0)?;
        let process = Peer::myself(&["dying", "leader", &nth.to_string()])?;
        let pid = process.id();
        waitid(
            Id::Pid(Pid::from_raw(pid as i32)),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
        )?;
        let failed = has_failed(pid)?;
        drop(process);
        end_on(0)?;
        let mut heard = hear(&mut listener)?;
        if !heard.iter().any(|(_, task)| *task == pid) {
            lost += 1;
        }
        // Who has a number may be made to wait before it sends.
        heard.sort_unstable();
        for pair in heard.windows(2) {
            ensure!(
                pair[1].0 == pair[0].0.wrapping_add(1),
                "allocation {nth}: number {} after {}",
                pair[1].0,
                pair[0].0
            );
        }
        if !failed {
            ensure!(lost > 0, "no message was lost for want of memory");
            listener.deregister("0")?;
            return Ok(());
        }
    }
    anyhow::bail!("there is no end of allocations")
}
