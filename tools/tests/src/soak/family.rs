// SPDX-License-Identifier: GPL-2.0

//! What workers do with taskacct, which comes and goes with the module.

use std::time::Duration;

use anyhow::{Context, ensure};
use nix::libc;
use rand::{RngExt, rngs::ChaCha8Rng};
use taskstats::{
    Error, GenlSocket, Options, Request,
    taskacct::{Ended, ExitFilter, Exits, Fields, Filter, Taskacct, Which, uapi},
};

use super::shared::{Count, Shared};
use crate::clone_as_vfork::end_on;

/// The most messages that may be in the queue of a socket that everything is to reach, in bytes.
const ROOM: usize = 8 << 20;

/// The most sockets with a filter that a worker has.
const SOCKETS: usize = 4;

/// The sockets of a worker that have a filter.
#[derive(Debug, Default)]
pub(super) struct Filtered {
    sockets: Vec<Exits>,
}

/// Does one thing, chosen at random.
pub(super) fn act(
    filtered: &mut Filtered,
    shared: &'static Shared,
    rng: &mut ChaCha8Rng,
    cpu: usize,
) -> anyhow::Result<()> {
    match rng.random_range(0..16) {
        0..2 => dump(shared, rng).context("a dump"),
        2..4 => query(shared).context("a query for oneself"),
        4 => cgroups(shared).context("control groups"),
        5..7 => abandon(shared, rng).context("a dump that is given up"),
        7..9 => filtered.open(shared, rng).context("a filter"),
        9..11 => filtered.change(shared, rng).context("another filter"),
        11..13 => filtered.hear(shared).context("filtered exits"),
        13 => {
            filtered.sockets.pop();
            Ok(())
        }
        _ => prove(shared, cpu).context("an exit through a filter"),
    }
}

/// Does something that needs the module. `None` where that is not there, or is going
/// (`EPROTONOSUPPORT`, for dumps), or does not hear of all ends yet (`EAGAIN`).
fn while_there<T>(
    shared: &Shared,
    act: impl FnOnce() -> Result<T, Error>,
) -> anyhow::Result<Option<T>> {
    match act() {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.errno().is_some_and(|errno| ABSENT.contains(&errno)) => {
            shared.add(Count::Absent, 1);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

const ABSENT: [i32; 3] = [libc::ENOENT, libc::EPROTONOSUPPORT, libc::EAGAIN];

fn dump(shared: &Shared, rng: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let fields = Fields::IDENTITY | fields(rng);
    let filter = Filter {
        no_kernel_threads: rng.random(),
        ..Filter::default()
    };
    let mut ids = Vec::new();
    let processes = rng.random();
    let done = while_there(shared, || {
        let mut client = Taskacct::connect(Options::default())?;
        let each = |task: taskstats::taskacct::Task| {
            ids.extend(task.identity.map(|identity| identity.pid));
        };
        if processes {
            client.processes(fields, &filter, each)
        } else {
            client.tasks(fields, &filter, each)
        }
    })?;
    if done.is_some() {
        let own = std::process::id();
        ensure!(ids.is_sorted_by(|a, b| a < b), "not in order: {ids:?}");
        ensure!(ids.contains(&own), "without {own}: {ids:?}");
        shared.add(Count::Dumps, 1);
    }
    Ok(())
}

fn query(shared: &Shared) -> anyhow::Result<()> {
    let own = std::process::id();
    let answers = while_there(shared, || {
        let mut client = Taskacct::connect(Options::default())?;
        let task = client.task(Which::Pid(own), Fields::ALL)?;
        Ok([task, client.process(Which::Pid(own), Fields::ALL)?])
    })?;
    for task in answers.into_iter().flatten() {
        ensure!(
            task.identity.is_some_and(|it| it.pid == own),
            "asked for {own}: {task:?}"
        );
        shared.add(Count::Dumps, 1);
    }
    Ok(())
}

fn cgroups(shared: &Shared) -> anyhow::Result<()> {
    let mut root = false;
    let done = while_there(shared, || {
        let mut client = Taskacct::connect(Options::default())?;
        client.cgroups(None, Fields::ALL, |_| root = true)
    })?;
    if done.is_some() {
        ensure!(root, "no control group");
        shared.add(Count::Sums, 1);
    }
    Ok(())
}

/// Begins a dump, and closes the socket before its end.
fn abandon(shared: &Shared, rng: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let command = [
        uapi::CMD_TASK_GET,
        uapi::CMD_PROCESS_GET,
        uapi::CMD_CGROUP_GET,
    ][rng.random_range(0..3)];
    let begun = while_there(shared, || {
        let family = Taskacct::connect(Options::default())?.family();
        let socket = GenlSocket::open(Options::default())?;
        socket.send(&Request::new(family, command).dump().encode())?;
        Ok(())
    })?;
    if begun.is_some() {
        shared.add(Count::Abandoned, 1);
    }
    Ok(())
}

/// Any groups of fields.
fn fields(rng: &mut ChaCha8Rng) -> Fields {
    Fields(rng.random_range(1..=Fields::ALL.0))
}

fn exit_filter(rng: &mut ChaCha8Rng) -> ExitFilter {
    let processes = rng.random::<bool>();
    ExitFilter {
        threads: !processes || rng.random(),
        processes,
        fields: fields(rng),
        failed: rng.random_ratio(1, 4),
        uid: rng.random_ratio(1, 8).then_some(1),
        ancestor: rng.random_ratio(1, 4).then_some(1),
        ..ExitFilter::default()
    }
}

impl Filtered {
    fn open(&mut self, shared: &Shared, rng: &mut ChaCha8Rng) -> anyhow::Result<()> {
        // Some have no room for much.
        let options = Options {
            receive_buffer: if rng.random() { ROOM } else { 4096 },
            ..Options::default()
        };
        let filter = exit_filter(rng);
        let opened = while_there(shared, || Exits::open(&filter, options))?;
        if self.sockets.len() == SOCKETS {
            self.sockets.remove(0);
        }
        self.sockets.extend(opened);
        Ok(())
    }

    fn change(&mut self, shared: &Shared, rng: &mut ChaCha8Rng) -> anyhow::Result<()> {
        let Some(socket) = self.sockets.last_mut() else {
            return self.open(shared, rng);
        };
        let filter = exit_filter(rng);
        let stop = rng.random_ratio(1, 4);
        while_there(shared, || {
            if stop {
                socket.stop()
            } else {
                socket.filter(&filter)
            }
        })?;
        Ok(())
    }

    fn hear(&mut self, shared: &Shared) -> anyhow::Result<()> {
        for socket in &mut self.sockets {
            while socket.next(Duration::ZERO)?.is_some() {
                shared.add(Count::Filtered, 1);
            }
            let Some(stats) = while_there(shared, || socket.stats())? else {
                continue;
            };
            let told = stats.delivered + stats.lost_full + stats.lost_memory;
            // Some can be on their way from one count to the other.
            ensure!(stats.matched >= told, "{stats:?}");
            shared.add(Count::Told, 1);
        }
        Ok(())
    }
}

/// Unless the implementation changes meanwhile, a socket is sent what its filter lets through.
fn prove(shared: &Shared, cpu: usize) -> anyhow::Result<()> {
    let options = Options {
        receive_buffer: ROOM,
        ..Options::default()
    };
    let filter = ExitFilter {
        fields: Fields::IDENTITY,
        ancestor: Some(std::process::id()),
        ..ExitFilter::default()
    };
    let (heard, undisturbed) = shared.undisturbed(|| {
        let Some(mut exits) = while_there(shared, || Exits::open(&filter, options))? else {
            return Ok(None);
        };
        let pid = end_on(cpu)?;
        let mut ids = Vec::new();
        while let Some(ended) = exits.next(Duration::ZERO)? {
            if let Ended::Process(task) = ended {
                ids.extend(task.identity.map(|identity| identity.pid));
            }
        }
        anyhow::Ok(Some((pid, ids)))
    });
    let Some((pid, ids)) = heard? else {
        return Ok(());
    };
    ensure!(ids.is_empty() || ids == [pid], "heard {ids:?}, not {pid}");
    ensure!(
        !ids.is_empty() || !undisturbed,
        "heard nothing of {pid} through a filter"
    );
    shared.add(Count::Through, ids.len());
    Ok(())
}
