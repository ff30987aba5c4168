// SPDX-License-Identifier: GPL-2.0

//! How many tasks of a control group sleep, run and stand still.

use std::{fs, os::fd::AsRawFd, path::Path, sync::Arc, time::Duration};

use crate::request::Request;
use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::libc;
use procfs::process::Process;
use taskstats::{Cgroupstats, Client, Options};

use crate::{
    caller::{Acks, Caller, Standing},
    cases::{ask_all, masks::errno},
    cgroup::{Group, Hierarchy, Inheritable},
    context::Context,
    differential::differential,
    exchange::{Answer, Ask},
    peer::{Peer, wait_until},
    requests::{Labelled, NOBODY},
    workload::{Kind, Task},
};

/// Hierarchies without and with controllers.
const HIERARCHIES: [(&str, &str); 3] = [
    ("named", "none,name=taskstats"),
    ("cpuacct", "cpuacct"),
    ("freezer", "freezer"),
];

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, options) in HIERARCHIES {
        trials.push(
            context.trial_under_either(format!("cgroups::{name}"), move |context, case| {
                states(context, case, &Hierarchy::mount(options)?)
            }),
        );
    }
    trials.extend([
        context.trial_under_either("cgroups::frozen", frozen),
        context.trial_under_either("cgroups::nested", nested),
        context.trial_under_either("cgroups::removed", removed),
        context.trial_under_either("cgroups::no_cgroups", no_cgroups),
        context.trial_under_either("cgroups::version_2", version_2),
    ]);
    for (name, standing) in [
        ("a_user", Standing::User),
        ("no_capability", Standing::NoCapability),
        ("all_namespaces", Standing::AllNamespaces),
    ] {
        trials.push(context.trial_under_either(
            format!("cgroups::asked_by_{name}"),
            move |context, case| {
                let hierarchy = Hierarchy::mount("none,name=taskstats")?;
                let group = hierarchy.group("asked")?;
                let (_tasks, expected) = fill(&group)?;
                let directory = group.inheritable()?;
                let mut caller = Caller::spawn(standing, Acks::default())?;
                let requests = [of(caller.family(), "group", directory.number())];
                let answers = differential(context, case, || ask_all(&mut caller, &requests))?;
                ensure!(counts(&answers[0])? == expected, "{answers:?}");
                Ok(())
            },
        ));
    }
    trials
}

/// Asks for the group whose directory that descriptor is.
pub(super) fn of(family: u16, label: &str, fd: u32) -> Labelled {
    let request = Request::cgroup(family, fd).sequence(55);
    (label.to_owned(), request.encode())
}

fn counts(answer: &Answer) -> anyhow::Result<Cgroupstats> {
    let datagram = answer.datagrams().next().context("no answer")?;
    let messages = datagram.messages()?;
    Ok(Cgroupstats::of(messages.first().context("no message")?)?)
}

/// Fills a group with 2 tasks that sleep, 4 in 2 processes that are stopped, and one that runs.
fn fill(group: &Group) -> anyhow::Result<(Filling, Cgroupstats)> {
    let kinds = [Kind::Asleep, Kind::Asleep, Kind::Threads, Kind::Worked];
    let mut tasks = Vec::new();
    for kind in kinds {
        let task = Task::spawn(kind)?;
        group.add(task.pid())?;
        tasks.push(task);
    }
    let spinning = spinning()?;
    group.add(spinning.id())?;
    let expected = Cgroupstats {
        nr_sleeping: 2,
        nr_running: 1,
        nr_stopped: 4,
        nr_uninterruptible: 0,
        nr_io_wait: 0,
    };
    Ok((Filling(tasks, spinning), expected))
}

/// Keeps the tasks of a group.
struct Filling(#[expect(dead_code)] Vec<Task>, #[expect(dead_code)] Peer);

/// A process that uses the CPU until it is dropped.
fn spinning() -> anyhow::Result<Peer> {
    const AN_HOUR: Duration = Duration::from_secs(3600);
    let peer = Peer::myself(&["process", "1", &AN_HOUR.as_millis().to_string()])?;
    let process = Process::new(peer.id() as i32)?;
    wait_until("a process to spin", || Ok(process.stat()?.utime >= 5))?;
    Ok(peer)
}

fn ask(context: &Context, case: &str, path: &Path) -> anyhow::Result<Answer> {
    let directory = Inheritable::open(path, 0)?;
    let mut client = Client::connect(Options::default())?;
    let requests = [of(client.family(), "group", directory.number())];
    let mut answers = differential(context, case, || ask_all(&mut client, &requests))?;
    Ok(answers.remove(0))
}

fn states(context: &Context, case: &str, hierarchy: &Hierarchy) -> anyhow::Result<()> {
    let group = hierarchy.group("states")?;
    let nobody = counts(&ask(context, case, group.path())?)?;
    ensure!(nobody == none(), "an empty group: {nobody:?}");
    let (_tasks, expected) = fill(&group)?;
    let found = counts(&ask(context, case, group.path())?)?;
    ensure!(found == expected, "{found:?}");
    Ok(())
}

fn none() -> Cgroupstats {
    Cgroupstats {
        nr_sleeping: 0,
        nr_running: 0,
        nr_stopped: 0,
        nr_uninterruptible: 0,
        nr_io_wait: 0,
    }
}

/// Frozen tasks are in none of the states that are counted.
fn frozen(context: &Context, case: &str) -> anyhow::Result<()> {
    let hierarchy = Hierarchy::mount("freezer")?;
    let group = hierarchy.group("frozen")?;
    let task = Task::spawn(Kind::Asleep)?;
    group.add(task.pid())?;
    let state = group.path().join("freezer.state");
    fs::write(&state, "FROZEN")?;
    wait_until("the group to freeze", || {
        Ok(fs::read_to_string(&state)?.trim() == "FROZEN")
    })?;
    let answer = ask(context, case, group.path());
    fs::write(&state, "THAWED")?;
    let found = counts(&answer?)?;
    ensure!(found == none(), "{found:?}");
    Ok(())
}

/// A group does not count the tasks of the groups in it.
fn nested(context: &Context, case: &str) -> anyhow::Result<()> {
    let hierarchy = Hierarchy::mount("none,name=taskstats")?;
    let outer = hierarchy.group("outer")?;
    let inner = hierarchy.group("outer/inner")?;
    let (task, other) = (Task::spawn(Kind::Asleep)?, Task::spawn(Kind::Asleep)?);
    outer.add(task.pid())?;
    inner.add(other.pid())?;
    let found = counts(&ask(context, case, outer.path())?)?;
    ensure!(found.nr_sleeping == 1, "{found:?}");
    Ok(())
}

/// A directory that was removed while it is open.
fn removed(context: &Context, case: &str) -> anyhow::Result<()> {
    let hierarchy = Hierarchy::mount("none,name=taskstats")?;
    let group = hierarchy.group("removed")?;
    let directory = group.inheritable()?;
    fs::remove_dir(group.path())?;
    let mut client = Client::connect(Options::default())?;
    let requests = [of(client.family(), "removed", directory.number())];
    let answers = differential(context, case, || ask_all(&mut client, &requests))?;
    ensure!(errno(&answers[0])? == libc::ENOENT, "{answers:?}");
    Ok(())
}

/// Descriptors of everything else.
fn no_cgroups(context: &Context, case: &str) -> anyhow::Result<()> {
    let hierarchy = Hierarchy::mount("none,name=taskstats")?;
    let group = hierarchy.group("file")?;
    let open = |path: &Path, flags| Inheritable::open(path, flags);
    let root = open(hierarchy.path(), 0)?;
    let by_path = open(group.path(), libc::O_PATH)?;
    let file = open(&group.path().join("cgroup.procs"), 0)?;
    let directory = open(Path::new("/tmp"), 0)?;
    let device = open(Path::new("/dev/null"), 0)?;
    let proc_ = open(Path::new("/proc/self"), 0)?;
    let sysfs = open(Path::new("/sys/kernel"), 0)?;
    let (pipe, _write) = nix::unistd::pipe()?;
    let mut client = Client::connect(Options::default())?;
    let family = client.family();
    let requests = [
        ("file of a cgroup", file.number()),
        ("directory by its path only", by_path.number()),
        ("directory", directory.number()),
        ("device", device.number()),
        ("directory of proc", proc_.number()),
        ("directory of sysfs", sysfs.number()),
        ("pipe", pipe.as_raw_fd() as u32),
        ("nothing that is open", 999),
        ("above all limits", NOBODY),
        ("-1", u32::MAX),
        ("-2", u32::MAX - 1),
        ("sign bit", 1 << 31),
    ]
    .map(|(label, fd)| of(family, label, fd));
    let answers = differential(context, case, || ask_all(&mut client, &requests))?;
    for (index, answer) in answers.iter().enumerate() {
        // O_PATH is as good as not open.
        let expected = match index {
            0 | 2..=6 => libc::EINVAL,
            _ => libc::EBADF,
        };
        ensure!(errno(answer)? == expected, "{answer:?}");
    }
    // The root holds all tasks, which nobody can make stand still: an answer is enough.
    for implementation in [
        crate::implementation::Implementation::C,
        crate::implementation::Implementation::Rust,
    ] {
        context.switch.to(implementation)?;
        let (label, request) = of(family, "root", root.number());
        let found = counts(&client.ask(&label, &request)?)?;
        ensure!(found.nr_sleeping > 0 && found.nr_running > 0, "{found:?}");
    }
    Ok(())
}

/// Directories of version 2 are no cgroups to C.
fn version_2(context: &Context, case: &str) -> anyhow::Result<()> {
    let mounted = tempfile::tempdir()?;
    nix::mount::mount(
        Some("cgroup2"),
        mounted.path(),
        Some("cgroup2"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    )
    .context("mounting cgroup2")?;
    let answer = ask(context, case, mounted.path());
    nix::mount::umount(mounted.path())?;
    let answer = answer?;
    ensure!(errno(&answer)? == libc::EINVAL, "{answer:?}");
    Ok(())
}
