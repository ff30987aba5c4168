// SPDX-License-Identifier: GPL-2.0

//! What the stock clients print of processes and control groups, and as listeners.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use taskstats::{
    record::{FIELDS, RECORD_SIZE, Taskstats},
    uapi::{AGROUP, TASKSTATS_VERSION},
};

use crate::{
    cgroup::Hierarchy,
    context::Context,
    implementation::Implementation,
    peer::{limit, wait_until},
    requests::NOBODY,
    workload::{Kind, Task, process::Process},
};

/// CPU time of each thread of the process that a listener is to report.
const WORK: Duration = Duration::from_millis(5);
const THREADS: usize = 3;

/// Bytes that getdelays and procacct write for a record: they take the attribute's length, its
/// header included, for that of its value.
const WRITTEN: usize = RECORD_SIZE + 4;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, flags) in [
        ("delays", &["-d"][..]),
        ("io", &["-i"]),
        ("context_switches", &["-q"]),
        ("everything", &["-d", "-i", "-q", "-v", "-r", "65536"]),
    ] {
        trials.push(context.trial(
            format!("client_modes::getdelays_t_{name}"),
            move |context, _| {
                let mut process = Process::spawn(THREADS + 1, WORK)?;
                process.exit_thread()?;
                let pid = process.pid().to_string();
                let arguments = [flags, &["-t", &pid]].concat();
                let printed = same(context, || context.clients.run("getdelays", &arguments))?;
                ensure!(printed.status == Some(0), "{printed:?}");
                ensure!(
                    !flags.contains(&"-d") || printed.stdout.contains(&format!("TGID\t{pid}\n")),
                    "{printed:?}"
                );
                Ok(())
            },
        ));
    }
    trials.extend([
        context.trial("client_modes::getdelays_t_is_refused", |context, _| {
            let nobody = NOBODY.to_string();
            let arguments = ["-d", "-t", &nobody];
            let printed = same(context, || context.clients.run("getdelays", &arguments))?;
            ensure!(printed.stderr.contains("errno -3"), "{printed:?}");
            Ok(())
        }),
        context.trial("client_modes::getdelays_w", |context, _| {
            let task = Task::spawn(Kind::Worked)?;
            for flag in ["-p", "-t"] {
                same(context, || written(context, flag, task.pid()))?;
            }
            Ok(())
        }),
        context.trial("client_modes::getdelays_c", |context, _| {
            let printed = same(context, || {
                let arguments = ["-d", "-i", "-q", "-c", "true"];
                let mut printed = context.clients.run("getdelays", &arguments)?;
                printed.stdout = masked(&printed.stdout);
                Ok(printed)
            })?;
            ensure!(printed.stdout.contains("IRQ count"), "{printed:?}");
            Ok(())
        }),
        context.trial("client_modes::getdelays_cgroup", |context, _| {
            let hierarchy = Hierarchy::mount("cpuacct")?;
            let group = hierarchy.group("getdelays")?;
            let tasks = [Task::spawn(Kind::Asleep)?, Task::spawn(Kind::Threads)?];
            for task in &tasks {
                group.add(task.pid())?;
            }
            let path = group.path().to_string_lossy();
            for arguments in [&["-C", &path][..], &["-v", "-d", "-C", &path]] {
                let printed = same(context, || context.clients.run("getdelays", arguments))?;
                ensure!(
                    printed
                        .stdout
                        .contains("sleeping 1, blocked 0, running 0, stopped 3, uninterruptible 0"),
                    "{printed:?}"
                );
            }
            let file = format!("{path}/tasks");
            for refused in [&*file, "/tmp", "/nowhere"] {
                let arguments = ["-C", refused];
                let printed = same(context, || context.clients.run("getdelays", &arguments))?;
                ensure!(!printed.stderr.is_empty(), "{printed:?}");
            }
            Ok(())
        }),
        context.trial("client_modes::delaytop_cgroup", |context, _| {
            let hierarchy = Hierarchy::mount("none,name=taskstats")?;
            let group = hierarchy.group("delaytop")?;
            let tasks = [Task::spawn(Kind::Asleep)?, Task::spawn(Kind::Threads)?];
            for task in &tasks {
                group.add(task.pid())?;
            }
            let path = group.path().to_string_lossy();
            let pid = tasks[0].pid().to_string();
            let arguments = ["-o", "-n", "1", "-p", &pid, "-C", &path];
            let printed = same(context, || {
                let mut printed = context.clients.run("delaytop", &arguments)?;
                // Above it are the machine's pressure figures, which move.
                let below = printed.stdout.find("Container Information");
                printed.stdout.drain(..below.context("no container")?);
                Ok(printed)
            })?;
            ensure!(
                printed.stdout.contains("running=0, sleeping=1, stopped=3,"),
                "{printed:?}"
            );
            Ok(())
        }),
        context.trial("client_modes::delaytop_sorted", |context, _| {
            let task = Task::spawn(Kind::Worked)?;
            let pid = task.pid().to_string();
            for flags in [
                &["-M"][..],
                &["-s", "blkio"],
                &["-s", "irq"],
                &["-M", "-s", "wpcopy"],
            ] {
                let arguments = [&["-o", "-p", &pid], flags].concat();
                same(context, || {
                    let mut printed = context.clients.run("delaytop", &arguments)?;
                    let below = printed.stdout.find("Top ");
                    let below = below.with_context(|| format!("no tasks: {printed:?}"))?;
                    printed.stdout.drain(..below);
                    ensure!(printed.stdout.contains(&pid), "{printed:?}");
                    Ok(printed)
                })?;
            }
            Ok(())
        }),
    ]);
    for (name, client, flags) in [
        (
            "getdelays_listens",
            "getdelays",
            &["-l", "-d", "-i", "-q"][..],
        ),
        ("getdelays_listens_to_one", "getdelays", &["-d"]),
        (
            "getdelays_listens_with_a_buffer",
            "getdelays",
            &["-l", "-d", "-r", "1048576"],
        ),
        ("procacct_listens", "procacct", &[]),
        (
            "procacct_listens_with_a_buffer",
            "procacct",
            &["-r", "1048576"],
        ),
    ] {
        trials.push(
            context.trial(format!("client_modes::{name}"), move |context, _| {
                same(context, || listen(context, client, flags))?;
                Ok(())
            }),
        );
    }
    trials
}

/// The same under C, Rust and C.
fn same<T: PartialEq + std::fmt::Debug>(
    context: &Context,
    mut run: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut under = |implementation| {
        context.switch.to(implementation)?;
        run().with_context(|| format!("under {implementation:?}"))
    };
    let before = under(Implementation::C)?;
    let rust = under(Implementation::Rust)?;
    let after = under(Implementation::C)?;
    ensure!(before == after, "C:\n{before:#?}\nC again:\n{after:#?}");
    ensure!(before == rust, "C:\n{before:#?}\nRust:\n{rust:#?}");
    Ok(before)
}

/// The text with all numbers alike, and what depends on their width.
fn masked(text: &str) -> String {
    let mask = |word: &str| {
        let moves = word.contains(|c: char| c.is_ascii_digit()) || word == "N/A";
        if moves { "#".into() } else { word.to_owned() }
    };
    let line = |line: &str| {
        let mut words: Vec<_> = line.split_whitespace().map(mask).collect();
        // Wide numbers leave no blank between their columns.
        words.dedup_by(|next, word| word == "#" && next == "#");
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The records in a file that getdelays or procacct wrote.
fn read_records(path: &Path) -> anyhow::Result<Vec<Taskstats>> {
    let bytes = fs::read(path)?;
    ensure!(bytes.len() % WRITTEN == 0, "{} bytes written", bytes.len());
    bytes
        .chunks(WRITTEN)
        .map(|chunk| Taskstats::from_payload(&chunk[..RECORD_SIZE]).context("no record"))
        .collect()
}

/// All fields but those that move with the clock.
fn standing_still(record: &Taskstats) -> Vec<(&'static str, String)> {
    let moves = ["ac_etime", "ac_tgetime", "ac_btime", "ac_btime64"];
    FIELDS
        .iter()
        .filter(|field| !moves.contains(&field.name))
        .map(|field| (field.name, field.show(record)))
        .collect()
}

/// The record that getdelays writes to a file.
fn written(context: &Context, flag: &str, pid: u32) -> anyhow::Result<Vec<(&'static str, String)>> {
    let file = tempfile::NamedTempFile::new()?;
    let (path, pid) = (file.path().to_string_lossy(), pid.to_string());
    let printed = context
        .clients
        .run("getdelays", &["-w", &path, flag, &pid])?;
    ensure!(printed.status == Some(0), "{printed:?}");
    let records = read_records(file.path())?;
    ensure!(records.len() == 1, "{} records", records.len());
    ensure!(records[0].version == TASKSTATS_VERSION, "{:?}", records[0]);
    Ok(standing_still(&records[0]))
}

/// A client that listens, killed when dropped.
struct Listener {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

impl Listener {
    fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        // Into a pipe it prints only when there is a lot to print, and is killed before.
        let mut child = Command::new("stdbuf")
            .arg("-oL")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting stdbuf")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            printed: Vec::new(),
        })
    }

    /// Waits for lines that have these in them.
    fn wait_for_all(&mut self, parts: &[String]) -> anyhow::Result<()> {
        let has = |lines: &[String], part: &String| lines.iter().any(|line| line.contains(part));
        while !parts.iter().all(|part| has(&self.printed, part)) {
            let line = self.lines.recv_timeout(limit());
            let line = line.with_context(|| format!("{parts:?} in {:?}", self.printed))?;
            self.printed.push(line);
        }
        Ok(())
    }

    /// Waits for a line that starts like this.
    fn wait_for(&mut self, start: &str) -> anyhow::Result<()> {
        loop {
            let line = self.lines.recv_timeout(limit());
            let line = line.with_context(|| format!("{start:?} after {:?}", self.printed))?;
            let found = line.starts_with(start);
            self.printed.push(line);
            if found {
                return Ok(());
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is told of a process by a listener that is the same for two such processes.
#[derive(Debug, PartialEq)]
struct Told {
    /// Of each thread, the leader first, what does not depend on when it ran.
    threads: Vec<Vec<(&'static str, String)>>,
    /// The text between one line that names the client's doings and the next, numbers masked.
    printed: Vec<String>,
}

fn listen(context: &Context, client: &str, flags: &[&str]) -> anyhow::Result<Told> {
    let one = client == "getdelays" && !flags.contains(&"-l");
    let file = tempfile::NamedTempFile::new()?;
    let path = file.path().to_string_lossy();
    let arguments = [flags, &["-v", "-m", "0-1", "-w", &path]].concat();
    let process = Process::spawn(THREADS, WORK)?;
    let tids = process.tids.clone();
    let mut listener = Listener::start(&context.clients.path(client), &arguments)?;
    listener.wait_for("Sent register cpumask, retval 0")?;
    // Dropped, it is killed with all its threads.
    drop(process);
    if one {
        // It ends by itself, after the first record of whatever task.
        listener.wait_for("Sent deregister mask, retval 0")?;
        ensure!(listener.child.wait()?.success(), "getdelays failed");
        let records = read_records(file.path())?;
        ensure!(records.len() == 1, "{} records", records.len());
        return Ok(Told {
            threads: Vec::new(),
            printed: Vec::new(),
        });
    }
    let mut names: Vec<_> = tids.iter().map(|tid| format!("PID\t{tid}")).collect();
    names.push(format!("TGID\t{}", tids[0]));
    if client == "procacct" {
        names.extend(tids.iter().map(|tid| format!("pid={tid} ")));
    }
    listener.wait_for_all(&names)?;
    // The records come after their names.
    wait_until("the last record", || {
        let records = read_records(file.path())?;
        let is_there = |tid: &u32| records.iter().any(|record| record.ac_pid == *tid);
        let last = last_of(&records, tids[0]);
        Ok(tids.iter().all(is_there) && last.is_some_and(|last| records.len() > last + 1))
    })?;
    let records = read_records(file.path())?;
    told(&records, &tids, &listener.printed)
}

/// The place of the record of the thread that left the process dead.
fn last_of(records: &[Taskstats], tgid: u32) -> Option<usize> {
    records
        .iter()
        .position(|record| record.ac_tgid == tgid && record.ac_flag & AGROUP != 0)
}

fn told(records: &[Taskstats], tids: &[u32], printed: &[String]) -> anyhow::Result<Told> {
    let mut threads = Vec::new();
    let mut times = 0;
    for &tid in tids {
        let mut of_thread = records.iter().filter(|record| record.ac_pid == tid);
        let record = of_thread.next().with_context(|| format!("no {tid}"))?;
        ensure!(of_thread.next().is_none(), "{tid} is told twice");
        ensure!(record.ac_tgid == tids[0], "{record:?}");
        times += record.cpu_run_virtual_total;
        let stands = |(name, _): &(&str, String)| STANDS.contains(name);
        let mut still: Vec<_> = standing_still(record).into_iter().filter(stands).collect();
        still.push(("ac_flag", (record.ac_flag & !AGROUP).to_string()));
        threads.push(still);
    }
    let last = last_of(records, tids[0]).context("no thread is the last")?;
    let sum = records.get(last + 1).context("no sum after the last")?;
    // The last one has been added for certain. The others may be preempted before they are.
    let least = WORK.as_nanos() as u64;
    ensure!(
        sum.ac_pid == 0 && (least..=times).contains(&sum.cpu_run_virtual_total),
        "{times} ns in {sum:?}"
    );
    // How often other tasks come in between, nobody knows.
    let named = |line: &&String| {
        line.starts_with("PID\t") || line.starts_with("TGID\t") || line.contains("pid=")
    };
    let ours = |line: &&String| {
        let mut words = line.split(|c: char| !c.is_ascii_digit());
        words.any(|word| tids.iter().any(|tid| tid.to_string() == word))
    };
    let mut printed: Vec<_> = printed
        .iter()
        .filter(named)
        .filter(ours)
        .map(|line| masked(line))
        .collect();
    printed.sort();
    Ok(Told { threads, printed })
}

/// What does not depend on when a thread ran.
const STANDS: &[&str] = &[
    "version",
    "ac_exitcode",
    "ac_nice",
    "ac_sched",
    "ac_comm",
    "ac_uid",
    "ac_gid",
    "ac_ppid",
    "ac_exe_dev",
    "ac_exe_inode",
];
