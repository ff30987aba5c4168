// SPDX-License-Identifier: GPL-2.0

//! What the crate taskstats is told by taskacct, written as the kernel's own YNL client writes it
//! (`tools/net/ynl/pyynl/cli.py --output-json`): with the names of
//! `Documentation/netlink/specs/taskacct.yaml`, binary values in hexadecimal.

use std::{
    io::{Write, stdout},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use taskstats::{
    Options,
    taskacct::{Ended, ExitFilter, Exits, Fields, Filter, Task, Taskacct, Which, uapi},
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Question {
    /// `--do task-get`, of the thread with this id.
    Task,
    /// `--do process-get`, of the process with this id.
    Process,
    /// `--dump task-get`, of the threads of the process with this id.
    Tasks,
    /// `--dump process-get`, of the processes of the user with this id.
    Processes,
    /// `--subscribe exits`, of what the process with this id has started, until a line is read.
    Exits,
}

/// How long a socket waits for what is on its way already.
const ON_ITS_WAY: Duration = Duration::ZERO;

/// Asks, and prints a line of JSON for each answer, as `cli.py` does.
pub fn act(question: Question, id: u32) -> anyhow::Result<()> {
    let show = |value: Value| writeln!(stdout(), "{value}");
    if question == Question::Exits {
        return exits(id);
    }
    let mut client = Taskacct::connect(Options::default())?;
    let mut list = Vec::new();
    let mut each = |record: Task| list.push(task(&record));
    match question {
        Question::Task => show(task(&client.task(Which::Pid(id), Fields::ALL)?))?,
        Question::Process => show(task(&client.process(Which::Pid(id), Fields::ALL)?))?,
        Question::Tasks => {
            let filter = Filter {
                tgid: Some(id),
                ..Filter::default()
            };
            client.tasks(Fields::ALL, &filter, &mut each)?;
            show(list.into())?;
        }
        Question::Processes => {
            let filter = Filter {
                uid: Some(id),
                ..Filter::default()
            };
            client.processes(Fields::ALL, &filter, &mut each)?;
            show(list.into())?;
        }
        Question::Exits => {}
    }
    Ok(())
}

fn exits(ancestor: u32) -> anyhow::Result<()> {
    let options = Options {
        receive_buffer: 8 << 20,
        ..Options::default()
    };
    let filter = ExitFilter {
        threads: true,
        ancestor: Some(ancestor),
        ..ExitFilter::default()
    };
    let mut exits = Exits::open(&filter, options)?;
    writeln!(stdout(), "{}", json!("ready"))?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the end")?;
    while let Some(ended) = exits.next(ON_ITS_WAY)? {
        let (name, record) = match ended {
            Ended::Thread(record) => ("exit-ntf", record),
            Ended::Process(record) => ("process-exit-ntf", record),
        };
        writeln!(stdout(), "{}", json!({"name": name, "msg": task(&record)}))?;
    }
    let stats = exits.stats()?;
    ensure!(stats.delivered == stats.matched, "{stats:?}");
    Ok(())
}

/// The names of flags, in the order of the alphabet.
fn flags(flags: u32) -> Value {
    let mut names: Vec<_> = [
        (uapi::TASK_FLAG_LEADER, "leader"),
        (uapi::TASK_FLAG_KERNEL_THREAD, "kernel-thread"),
        (uapi::TASK_FLAG_EXITING, "exiting"),
        (uapi::TASK_FLAG_NO_EXEC, "no-exec"),
        (uapi::TASK_FLAG_SUPER_PRIV, "super-priv"),
        (uapi::TASK_FLAG_DUMP_CORE, "dump-core"),
        (uapi::TASK_FLAG_SIGNALED, "signaled"),
    ]
    .into_iter()
    .filter_map(|(flag, name)| (flags & flag != 0).then_some(name))
    .collect();
    names.sort_unstable();
    json!(names)
}

fn task(task: &Task) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(mut value) = value {
            // What is absent is left out.
            if let Value::Object(group) = &mut value {
                group.retain(|_, value| !value.is_null());
            }
            all.insert(name.to_owned(), value);
        }
    };
    put("threads", task.threads.map(Value::from));
    put("exit-cpu", task.exit_cpu.map(Value::from));
    put("exit-time", task.exit_time.map(Value::from));
    put(
        "identity",
        task.identity.map(|it| {
            json!({
                "pid": it.pid,
                "tgid": it.tgid,
                "ppid": it.ppid,
                "uid": it.uid,
                "gid": it.gid,
                "comm": hex::encode(it.comm),
            })
        }),
    );
    put(
        "status",
        task.status.map(|it| {
            json!({
                "flags": flags(it.flags),
                "nice": it.nice,
                "policy": it.policy,
                "exit-code": it.exit_code,
                "cgroup-id": it.cgroup_id,
                "start-time": it.start_time,
                "process-start-time": it.process_start_time,
            })
        }),
    );
    put(
        "cpu",
        task.cpu.map(|it| {
            json!({
                "user-time": it.user_time,
                "system-time": it.system_time,
                "run-time": it.run_time,
            })
        }),
    );
    for (kind, delay) in taskstats::DelayKind::ALL.into_iter().zip(task.delays) {
        put(
            &format!("{kind}-delay"),
            delay.map(|it| {
                json!({
                    "count": it.count,
                    "total": it.total,
                    "longest": it.longest,
                    "shortest": it.shortest,
                    "longest-end": it.longest_end,
                })
            }),
        );
    }
    put(
        "memory",
        task.memory.map(|it| {
            json!({
                "resident-integral": it.resident_integral,
                "virtual-integral": it.virtual_integral,
                "resident-max": it.resident_max,
                "virtual-max": it.virtual_max,
            })
        }),
    );
    put(
        "io",
        task.io.map(|it| {
            json!({
                "read-char": it.read_char,
                "write-char": it.write_char,
                "read-syscalls": it.read_syscalls,
                "write-syscalls": it.write_syscalls,
                "read-bytes": it.read_bytes,
                "write-bytes": it.write_bytes,
                "cancelled-write-bytes": it.cancelled_write_bytes,
            })
        }),
    );
    put(
        "faults",
        task.faults
            .map(|it| json!({"minor": it.minor, "major": it.major})),
    );
    put(
        "switches",
        task.switches
            .map(|it| json!({"voluntary": it.voluntary, "involuntary": it.involuntary})),
    );
    put(
        "executable",
        task.executable
            .map(|it| json!({"device": it.device, "inode": it.inode})),
    );
    Value::Object(all)
}
