// SPDX-License-Identifier: GPL-2.0

//! Tasks that end, each in another way, all on one CPU: what the kernel sends about them.
//!
//! The parent is this program started again with `exit ENDING`. It starts the process, waits for
//! its end, and says in one line of JSON who there was and what `wait4` reported.

use std::{
    env,
    fs::{self, File, Permissions},
    io::{Read, Write, stdin, stdout},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use nix::{
    fcntl::OFlag,
    libc,
    sched::{CloneFlags, CpuSet, sched_setaffinity, unshare},
    sys::{
        prctl,
        resource::{RLIM_INFINITY, Resource, setrlimit},
        signal::{Signal, raise},
    },
    unistd::{ForkResult, Pid, fork, getpid, gettid, pipe2},
};
use serde::{Deserialize, Serialize};

use crate::{
    exchange::Moment,
    peer::Peer,
    thread_usage::ThreadUsage,
    workload::{
        become_user, compute, exit_leader, renice, schedule, wait_for_exit_of_leader, work,
    },
};

/// The CPU that all of it runs on, so that one listener hears of all.
pub const CPU: usize = 1;

/// What each process uses of the CPU at least, in microseconds.
pub const COMPUTED_US: u64 = 10_000;

/// The status of those that exit with one.
pub const STATUS: u32 = 3;

/// The copy of this program that is set-user-id, left there so that its inode stays the same.
const SET_USER_ID: &str = "taskstats-suite-set-user-id";

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ending {
    /// Exits.
    Plain,
    /// Exits with a status.
    Status,
    /// Is killed by a signal.
    Killed,
    /// Dumps core. The kernel needs `CONFIG_ELF_CORE`.
    Dumped,
    /// Called exec.
    Executed,
    /// Nice 7 under `SCHED_BATCH`.
    Batch,
    /// Real-time under `SCHED_RR`.
    RoundRobin,
    /// Nice -5.
    Eager,
    /// Other user and group ids.
    User,
    /// Other user and group ids, in a user namespace of its own.
    UserNamespace,
    /// Another user that called a set-user-id program of root's.
    SetUserId,
    /// Process 1 of a pid namespace of its own.
    PidNamespace,
    /// Read and wrote known amounts.
    InputOutput,
    /// Used the CPU, slept, read, wrote, faulted, copied on write.
    Worked,
    /// A name of 15 bytes that are not ASCII.
    Named,
    /// Two threads, the leader goes last.
    TwoThreads,
    /// 64 threads, the leader goes last.
    ManyThreads,
    /// Exits while its other threads live, asleep and on the CPU.
    GroupExit,
    /// As before, but it is another thread than the leader that calls exit.
    GroupExitByThread,
    /// Is killed while all its threads live.
    GroupKilled,
    /// The leader goes first.
    Leaderless,
    /// A thread that is not the leader calls exec.
    ThreadExecutes,
    /// Had a second thread, which is gone, and called exec since.
    OnceThreaded,
    /// Three threads, of which one goes each time the parent is told to let it.
    InStages,
    /// Exits with a status at once: what others execute.
    #[value(hide = true)]
    AtOnce,
}

/// What the parent says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The parent.
    pub parent: u32,
    /// The process.
    pub process: u32,
    /// Its threads. The same id can end twice, when a thread that calls exec takes it over.
    pub tasks: Vec<Task>,
    /// What `wait4` reported of the whole process.
    pub usage: Usage,
    /// Before its start.
    pub begun: Moment,
    /// After its end.
    pub ended: Moment,
}

/// A thread of a process that ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// What it is called here.
    pub name: String,
    /// Its id.
    pub pid: u32,
    /// What it had used at some time before its end.
    pub used: ThreadUsage,
}

impl Report {
    /// The thread with this id, if it is one of the process's.
    pub fn task(&self, pid: u32) -> Option<&Task> {
        self.tasks.iter().find(|task| task.pid == pid)
    }
}

/// What `wait4` reports.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// The status.
    pub status: u32,
    /// User and system time in microseconds.
    pub time_us: u64,
    /// Most resident memory in KiB.
    pub resident: u64,
    /// Minor faults.
    pub minor_faults: u64,
    /// Major faults.
    pub major_faults: u64,
    /// Voluntary context switches.
    pub voluntary: u64,
    /// Involuntary context switches.
    pub involuntary: u64,
}

/// The parent of a process that ends.
#[derive(Debug)]
pub struct Parent {
    peer: Peer,
}

impl Parent {
    /// Starts it.
    pub fn spawn(ending: Ending) -> anyhow::Result<Self> {
        let value = ending.to_possible_value().context("no such ending")?;
        let peer = Peer::myself(&["exit", value.get_name()])?;
        Ok(Self { peer })
    }

    /// Lets the next thread of [`Ending::InStages`] go, and waits until it has.
    pub fn next_stage(&mut self) -> anyhow::Result<()> {
        self.peer.say("next")?;
        let line = self.peer.line()?;
        ensure!(line == "gone", "{line:?} instead of the next stage");
        Ok(())
    }

    /// Waits for the end of the process.
    pub fn report(&mut self) -> anyhow::Result<Report> {
        Ok(serde_json::from_str(&self.peer.line()?)?)
    }
}

/// Pins the calling task to a CPU.
pub fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("pinning to CPU {cpu}"))
}

/// Waits for a child, with what it used.
pub fn wait4(pid: i32) -> anyhow::Result<Usage> {
    let mut status = 0;
    // SAFETY: All zeros are a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: Both pointers are valid for the call.
    let waited = unsafe { libc::wait4(pid, &raw mut status, libc::__WALL, &raw mut usage) };
    nix::errno::Errno::result(waited).context("wait4")?;
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Ok(Usage {
        status: status as u32,
        time_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        resident: usage.ru_maxrss as u64,
        minor_faults: usage.ru_minflt as u64,
        major_faults: usage.ru_majflt as u64,
        voluntary: usage.ru_nvcsw as u64,
        involuntary: usage.ru_nivcsw as u64,
    })
}

/// Becomes the parent of a process that ends like that.
pub fn act(ending: Ending) -> anyhow::Result<()> {
    if ending == Ending::AtOnce {
        exit(STATUS as i32);
    }
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    pin(CPU)?;
    let directory = tempfile::tempdir()?;
    fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
    env::set_current_dir(&directory)?;
    let program = env::temp_dir().join(SET_USER_ID);
    if ending == Ending::SetUserId && !program.exists() {
        fs::copy("/proc/self/exe", &program)?;
        fs::set_permissions(&program, Permissions::from_mode(0o4755))?;
    }
    if ending == Ending::PidNamespace {
        unshare(CloneFlags::CLONE_NEWPID)?;
    }
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    let begun = Moment::now();
    // SAFETY: This process has one thread.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            if let Err(error) = end(ending, Announcer(Arc::new(writer))) {
                eprintln!("{ending:?}: {error:#}");
            }
            exit(99);
        }
        ForkResult::Parent { child } => child,
    };
    drop(writer);
    let usage = wait4(child.as_raw())?;
    let ended = Moment::now();
    let mut announced = String::new();
    reader.read_to_string(&mut announced)?;
    let process = child.as_raw() as u32;
    let mut tasks = Vec::new();
    for line in announced.lines() {
        let mut task: Task = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if task.name == LEADER {
            // Process 1 of a pid namespace knows only its id there.
            task.pid = process;
        }
        // What is announced last is nearest to the end.
        tasks.retain(|other: &Task| other.pid != task.pid);
        tasks.push(task);
    }
    if !tasks.iter().any(|task| task.pid == process) {
        tasks.push(Task {
            name: LEADER.to_owned(),
            pid: process,
            used: ThreadUsage::default(),
        });
    }
    let report = Report {
        parent: getpid().as_raw() as u32,
        process,
        tasks,
        usage,
        begun,
        ended,
    };
    say(&serde_json::to_string(&report)?)?;
    env::set_current_dir("/")?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What the leader is called.
const LEADER: &str = "process";

/// Tells the parent the id of a thread, and what the thread has used.
#[derive(Clone)]
struct Announcer(Arc<File>);

impl Announcer {
    /// Announces the calling thread, which lived at the moment `begun` already.
    fn announce(&self, name: &str, begun: Moment) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(&Task {
            name: name.to_owned(),
            pid: gettid().as_raw() as u32,
            used: ThreadUsage::now(begun)?,
        })?;
        line.push('\n');
        // One write, or threads would mix their lines.
        Ok((&*self.0).write_all(line.as_bytes())?)
    }
}

fn exit(status: i32) -> ! {
    // SAFETY: Ends the process; nothing of it is used any more.
    unsafe { libc::_exit(status) }
}

/// Ends the calling thread, and nothing else.
fn exit_thread() -> ! {
    // SAFETY: Ends this thread, whose stack nobody else borrows from.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("exit returned");
}

/// Runs in the process that ends.
fn end(ending: Ending, announcer: Announcer) -> anyhow::Result<()> {
    let begun = Moment::now();
    compute(Duration::from_micros(COMPUTED_US))?;
    // A thread that calls exec takes the leader's id over, and has used something else.
    if ending != Ending::ThreadExecutes {
        announcer.announce(LEADER, begun)?;
    }
    match ending {
        Ending::Plain | Ending::PidNamespace | Ending::AtOnce => exit(0),
        Ending::Status => exit(STATUS as i32),
        Ending::Killed => loop {
            raise(Signal::SIGTERM)?;
        },
        Ending::Dumped => {
            setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)?;
            std::process::abort();
        }
        Ending::Executed => execute(Path::new("/proc/self/exe")),
        Ending::Batch => {
            renice(7)?;
            schedule(libc::SCHED_BATCH, 0)?;
            exit(0)
        }
        Ending::RoundRobin => {
            schedule(libc::SCHED_RR, 5)?;
            exit(0)
        }
        Ending::Eager => {
            renice(-5)?;
            exit(0)
        }
        Ending::User => {
            become_user()?;
            exit(0)
        }
        Ending::UserNamespace => {
            become_user()?;
            unshare(CloneFlags::CLONE_NEWUSER)?;
            exit(0)
        }
        Ending::SetUserId => {
            become_user()?;
            execute(&env::temp_dir().join(SET_USER_ID))
        }
        Ending::InputOutput => {
            input_and_output()?;
            exit(0)
        }
        Ending::Worked => {
            work()?;
            exit(0)
        }
        Ending::Named => {
            prctl::set_name(c"\xe4\xf6\xfc \xff\x01-name-of-15")?;
            exit(0)
        }
        Ending::TwoThreads => threads(2, announcer, begun),
        Ending::ManyThreads => threads(64, announcer, begun),
        Ending::Leaderless => leaderless(announcer, begun),
        Ending::ThreadExecutes => {
            let thread = thread::spawn(|| {
                compute(Duration::from_micros(COMPUTED_US))?;
                execute(Path::new("/proc/self/exe"))
            });
            thread.join().map_err(|_| anyhow::anyhow!("panicked"))?
        }
        Ending::OnceThreaded => {
            thread::spawn(move || announcer.announce("thread", Moment::now()))
                .join()
                .map_err(|_| anyhow::anyhow!("panicked"))??;
            execute(Path::new("/proc/self/exe"))
        }
        Ending::GroupExit | Ending::GroupExitByThread | Ending::GroupKilled => {
            all_at_once(ending, &announcer, begun)
        }
        Ending::InStages => in_stages(announcer, begun),
    }
}

fn execute(program: &Path) -> anyhow::Result<()> {
    Err(Command::new(program)
        .args(["exit", "at-once"])
        .exec()
        .into())
}

/// 100 reads of 1,000 bytes, 3,000 reads of 100, 200 writes of 1,000 bytes, of which half come to
/// nothing as the file is cut again.
fn input_and_output() -> anyhow::Result<()> {
    let mut zero = File::open("/dev/zero")?;
    let mut buffer = [0; 1000];
    for _ in 0..100 {
        zero.read_exact(&mut buffer)?;
    }
    for _ in 0..3_000 {
        zero.read_exact(&mut buffer[..100])?;
    }
    let mut null = File::options().write(true).open("/dev/null")?;
    for _ in 0..2_000 {
        null.write_all(&buffer)?;
    }
    let mut file = tempfile::tempfile()?;
    for _ in 0..200 {
        file.write_all(&buffer)?;
    }
    file.set_len(100_000)?;
    Ok(())
}

/// All are there at the same time, and go one after the other.
fn threads(number: usize, announcer: Announcer, lives_since: Moment) -> anyhow::Result<()> {
    let all = Arc::new(Barrier::new(number));
    let mut others = Vec::new();
    for index in 1..number {
        let (all, announcer) = (Arc::clone(&all), announcer.clone());
        let (go, wait) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let begun = Moment::now();
            compute(Duration::from_millis(1))?;
            all.wait();
            let _ = wait.recv();
            announcer.announce(&format!("thread-{index}"), begun)
        });
        others.push((go, thread));
    }
    all.wait();
    for (go, thread) in others {
        drop(go);
        thread.join().map_err(|_| anyhow::anyhow!("panicked"))??;
    }
    announcer.announce(LEADER, lives_since)?;
    exit(0)
}

/// How many threads a process has, the leader among them, that goes with all of them living.
pub const AT_ONCE: usize = 4;

/// The thread that calls exit, where it is not the leader.
const CALLER: usize = 1;
/// The thread that does not sleep.
const BUSY: usize = 2;

fn all_at_once(ending: Ending, announcer: &Announcer, lives_since: Moment) -> anyhow::Result<()> {
    let all = Arc::new(Barrier::new(AT_ONCE));
    for index in 1..AT_ONCE {
        let (all, announcer) = (Arc::clone(&all), announcer.clone());
        thread::spawn(move || {
            let begun = Moment::now();
            let computed = compute(Duration::from_millis(1));
            let announced = announcer.announce(&format!("thread-{index}"), begun);
            all.wait();
            if announced.and(computed).is_err() {
                exit(98);
            }
            if index == CALLER && ending == Ending::GroupExitByThread {
                exit(STATUS as i32);
            }
            loop {
                if index == BUSY {
                    std::hint::spin_loop();
                } else {
                    thread::park();
                }
            }
        });
    }
    all.wait();
    announcer.announce(LEADER, lives_since)?;
    match ending {
        Ending::GroupExit => exit(STATUS as i32),
        Ending::GroupKilled => raise(Signal::SIGKILL)?,
        _ => {}
    }
    loop {
        thread::park();
    }
}

fn leaderless(announcer: Announcer, lives_since: Moment) -> anyhow::Result<()> {
    let of_leader = announcer.clone();
    thread::spawn(move || {
        let result = outlive_the_leader(&announcer);
        if let Err(error) = result {
            eprintln!("{error:#}");
            exit(98);
        }
        exit_thread()
    });
    of_leader.announce(LEADER, lives_since)?;
    exit_leader()
}

fn outlive_the_leader(announcer: &Announcer) -> anyhow::Result<()> {
    let begun = Moment::now();
    wait_for_exit_of_leader();
    announcer.announce("survivor", begun)
}

fn in_stages(announcer: Announcer, lives_since: Moment) -> anyhow::Result<()> {
    let mut others = Vec::new();
    for index in 1..3 {
        let announcer = announcer.clone();
        let (go, wait) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let begun = Moment::now();
            compute(Duration::from_millis(3))?;
            let _ = wait.recv();
            announcer.announce(&format!("thread-{index}"), begun)
        });
        others.push((go, thread));
    }
    for (go, thread) in others {
        await_stage()?;
        drop(go);
        thread.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        say("gone")?;
    }
    await_stage()?;
    say("gone")?;
    announcer.announce(LEADER, lives_since)?;
    exit(0)
}

fn await_stage() -> anyhow::Result<()> {
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    if line != "next\n" {
        bail!("{line:?} instead of the next stage");
    }
    Ok(())
}
