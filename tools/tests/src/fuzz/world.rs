// SPDX-License-Identifier: GPL-2.0

//! What there is to ask for: tasks that stand still, and file descriptors of all kinds.

use std::{
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use nix::libc;

use crate::{
    cgroup::{Group, Hierarchy, Inheritable},
    requests::NOBODY,
    workload::{Kind, Task, process::Process},
};

/// The kinds of tasks, with the names of their ids.
const TASKS: &[(Kind, &[&str])] = &[
    (Kind::Worked, &["worked"]),
    (Kind::Forked, &["forked"]),
    (Kind::Exited, &["exited"]),
    (Kind::Killed, &["killed"]),
    (Kind::Threads, &["leader", "thread-1", "thread-2"]),
    (Kind::Leaderless, &["gone-leader", "survivor"]),
    (Kind::Batch, &["batch"]),
    (Kind::User, &["user"]),
    (Kind::UserNamespace, &["user-namespace"]),
    (Kind::Named, &["named"]),
    (Kind::Asleep, &["asleep"]),
];

/// The ids of a process that has lost one of its threads.
const PROCESS: &[&str] = &["process", "process-1", "process-2"];

/// A descriptor that is never open.
const CLOSED: u32 = 777;

/// A number with a name that is the same in every boot.
pub type Named = (String, u32);

/// The numbers that mean something, by name, always in the same order: what a seed makes of them is
/// the same in every boot.
#[derive(Clone, Debug)]
pub struct Names {
    /// The family's id.
    pub family: u16,
    /// Ids of tasks.
    pub tasks: Vec<Named>,
    /// File descriptors.
    pub files: Vec<Named>,
}

/// All of it, there until dropped.
#[derive(Debug)]
pub struct World {
    /// The numbers.
    pub names: Names,
    _held: Vec<Box<dyn std::fmt::Debug>>,
}

impl World {
    /// Starts the tasks and opens the files.
    pub fn new(family: u16) -> anyhow::Result<Self> {
        // The groups go first, as the hierarchy has to be empty when it is unmounted.
        let mut held: Vec<Box<dyn std::fmt::Debug>> = Vec::new();
        let mut tasks = Vec::new();
        for &(kind, names) in TASKS {
            let task = Task::spawn(kind)?;
            anyhow::ensure!(task.pids.len() == names.len(), "{kind:?}: {task:?}");
            tasks.extend(named(names, &task.pids));
            held.push(Box::new(task));
        }
        let mut process = Process::spawn(4, Duration::from_millis(2))?;
        process.exit_thread()?;
        anyhow::ensure!(process.tids.len() == PROCESS.len(), "{process:?}");
        tasks.extend(named(PROCESS, &process.tids));
        held.push(Box::new(process));

        let mut files = vec![("closed".to_owned(), CLOSED)];
        let mut open = |name: &str, path: &Path, flags| {
            let file = Inheritable::open(path, flags)?;
            files.push((name.to_owned(), file.number()));
            held.push(Box::new(file));
            anyhow::Ok(())
        };
        let hierarchy = Hierarchy::mount("none,name=taskstats-fuzz")?;
        let group = hierarchy.group("group")?;
        for (_, pid) in &tasks {
            // A zombie is in no group; of a process all threads go at once.
            let _: Result<(), _> = group.add(*pid);
        }
        let empty = hierarchy.group("empty")?;
        open("group", group.path(), 0)?;
        open("group-path", group.path(), libc::O_PATH)?;
        open("empty-group", empty.path(), 0)?;
        open("group-file", &group.path().join("tasks"), 0)?;
        open("file", Path::new("/proc/self/exe"), 0)?;
        open("directory", Path::new("/"), 0)?;
        open("device", Path::new("/dev/null"), 0)?;
        let (socket, _) = UnixStream::pair()?;
        files.push(("socket".to_owned(), socket.as_raw_fd() as u32));
        held.push(Box::new(socket));
        held.push(Box::new(Tree {
            _groups: [group, empty],
            _hierarchy: hierarchy,
        }));
        Ok(Self {
            names: Names {
                family,
                tasks,
                files,
            },
            _held: held,
        })
    }
}

/// Dropped in this order.
#[derive(Debug)]
struct Tree {
    _groups: [Group; 2],
    _hierarchy: Hierarchy,
}

fn named(names: &[&str], numbers: &[u32]) -> Vec<Named> {
    let names = names.iter().map(|name| (*name).to_owned());
    names.zip(numbers.iter().copied()).collect()
}

impl Names {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Named> {
        self.tasks.iter().chain(&self.files)
    }

    /// Numbers that are nobody's, or anybody's.
    pub const SPECIAL: &[u32] = &[
        0,
        NOBODY,
        i32::MAX as u32,
        1 << 31,
        u32::MAX,
        u32::MAX - 1,
        // PID_MAX_LIMIT, and one less.
        1 << 22,
        (1 << 22) - 1,
        CLOSED,
    ];
}
