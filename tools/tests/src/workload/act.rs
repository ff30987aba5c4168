// SPDX-License-Identifier: GPL-2.0

//! What a task does before it stands still. Runs in the task's own process.

use std::{
    env,
    fs::{self, File},
    io::{Read, Write, stdin, stdout},
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{Command, exit},
    sync::{
        Arc, Barrier,
        atomic::{AtomicI32, Ordering::Acquire},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use nix::{
    libc,
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        resource::{RLIM_INFINITY, Resource, setrlimit},
        signal::{Signal, kill, raise},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{ForkResult, Gid, Pid, Uid, fork, getpid, gettid, pause, setresgid, setresuid},
};
use taskstats::{Client, Options};

use super::Kind;
use crate::thread_usage::{cpu_time, voluntary_switches};

const UID: u32 = 5678;
const GID: u32 = 1234;
const EXIT_STATUS: i32 = 3;

/// Becomes a task of that kind.
pub fn act(kind: Kind) -> anyhow::Result<()> {
    // The tests may end first.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    match kind {
        Kind::Worked => {
            work()?;
            stop()
        }
        Kind::Forked => forked(),
        Kind::Unlinked => unlinked(),
        Kind::Exited => zombie(
            || exit(EXIT_STATUS),
            |status| matches!(status, WaitStatus::Exited(_, EXIT_STATUS)),
        ),
        Kind::Killed => zombie(
            || loop {
                let _ = raise(Signal::SIGTERM);
            },
            |status| matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM, false)),
        ),
        Kind::Dumped => {
            setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)?;
            let directory = tempfile::tempdir()?;
            env::set_current_dir(&directory)?;
            zombie(
                || std::process::abort(),
                |status| matches!(status, WaitStatus::Signaled(_, Signal::SIGABRT, true)),
            )
        }
        Kind::Threads => threads(),
        Kind::Leaderless => leaderless(),
        Kind::Batch => {
            renice(7)?;
            schedule(libc::SCHED_BATCH, 0)?;
            stop()
        }
        Kind::RoundRobin => {
            schedule(libc::SCHED_RR, 5)?;
            stop()
        }
        Kind::Eager => {
            renice(-5)?;
            stop()
        }
        Kind::User => {
            become_user()?;
            stop()
        }
        Kind::UserNamespace => {
            become_user()?;
            unshare(CloneFlags::CLONE_NEWUSER)?;
            stop()
        }
        Kind::Named => {
            prctl::set_name(c"\xe4\xf6\xfc \xff\x01-name-of-15")?;
            stop()
        }
        Kind::Asleep => {
            announce(&[getpid()])?;
            loop {
                pause();
            }
        }
    }
}

pub(super) fn announce(pids: &[Pid]) -> anyhow::Result<()> {
    let mut lines: Vec<_> = pids.iter().map(ToString::to_string).collect();
    lines.push("ready\n".to_owned());
    let lines = lines.join("\n");
    stdout().write_all(lines.as_bytes())?;
    stdout().flush()?;
    Ok(())
}

fn stop() -> anyhow::Result<()> {
    announce(&[getpid()])?;
    loop {
        raise(Signal::SIGSTOP)?;
    }
}

/// Something of everything that a record counts.
pub(crate) fn work() -> anyhow::Result<()> {
    compute_until_counted(Duration::from_millis(30))?;
    switch(5)?;
    let mut memory = vec![1u8; 4 << 20];
    copy_on_write(&mut memory)?;
    read_and_write()
}

/// Uses that much CPU time by the scheduler's clock.
pub fn compute(time: Duration) -> anyhow::Result<()> {
    let end = cpu_time()? + time;
    while cpu_time()? < end {
        std::hint::black_box((0..10_000u64).fold(0, u64::wrapping_add));
    }
    Ok(())
}

/// Uses that much CPU time, and as much more as it takes until the thread's record has that much
/// user and system time.
///
/// Where ticks are counted, an emulator on a busy machine loses some of them. Only the record has
/// the ticks: all other interfaces scale them to the scheduler's time. A thread that may not ask
/// for its record uses `time` by the scheduler's clock alone.
pub fn compute_until_counted(time: Duration) -> anyhow::Result<()> {
    compute(time)?;
    let mut client = Client::connect(Options::default())?;
    let pid = gettid().as_raw() as u32;
    loop {
        let record = match client.pid(pid) {
            Ok(stats) => stats.record,
            Err(error) if error.errno() == Some(libc::EPERM) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if u128::from(record.ac_utime + record.ac_stime) >= time.as_micros() {
            return Ok(());
        }
        compute(Duration::from_millis(1))?;
    }
}

/// Gives up the CPU so many times.
///
/// A sleep that is over before the kernel has put the task to sleep is none: then the next one is
/// longer.
pub(crate) fn switch(times: u64) -> anyhow::Result<()> {
    let mut sleep = Duration::from_micros(50);
    for _ in 0..times {
        let before = voluntary_switches()?;
        loop {
            thread::sleep(sleep);
            if voluntary_switches()? > before {
                break;
            }
            sleep *= 2;
        }
    }
    Ok(())
}

/// Writes to memory that a child shares.
fn copy_on_write(memory: &mut [u8]) -> anyhow::Result<()> {
    // SAFETY: This process has one thread; the child only waits for its end.
    match unsafe { fork() }? {
        ForkResult::Child => loop {
            pause();
        },
        ForkResult::Parent { child } => {
            for page in memory.chunks_mut(4096) {
                page[0] = 2;
            }
            // Nobody reads it: without this the writes are optimised away.
            std::hint::black_box(memory);
            kill(child, Signal::SIGKILL)?;
            waitpid(child, None)?;
            Ok(())
        }
    }
}

fn read_and_write() -> anyhow::Result<()> {
    let block = [0x55; 4096];
    let mut file = tempfile::tempfile()?;
    for _ in 0..256 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let mut zero = File::open("/dev/zero")?;
    let mut buffer = [0; 4096];
    // More than 1024 calls, or the record, which clears the low ten bits, shows none.
    for _ in 0..1500 {
        zero.read_exact(&mut buffer)?;
    }
    Ok(())
}

fn forked() -> anyhow::Result<()> {
    // SAFETY: This process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            compute(Duration::from_millis(5))?;
            loop {
                raise(Signal::SIGSTOP)?;
            }
        }
        ForkResult::Parent { child } => {
            waitpid(child, Some(WaitPidFlag::WUNTRACED))?;
            announce(&[child])?;
            wait_for_the_end()
        }
    }
}

fn unlinked() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("copy");
    fs::copy("/proc/self/exe", &path)?;
    let copy = File::open(&path)?;
    directory.close()?;
    let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
    Err(Command::new(path).args(["task", "worked"]).exec().into())
}

/// A child that ends in one way and is left as it is.
fn zombie(end: fn() -> !, expected: impl Fn(&WaitStatus) -> bool) -> anyhow::Result<()> {
    // SAFETY: This process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            compute(Duration::from_millis(5))?;
            end()
        }
        ForkResult::Parent { child } => {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            let status = waitid(Id::Pid(child), flags)?;
            if !expected(&status) {
                bail!("the child's end: {status:?}");
            }
            announce(&[child])?;
            wait_for_the_end()
        }
    }
}

fn threads() -> anyhow::Result<()> {
    let ready = Arc::new(Barrier::new(3));
    let (send, receive) = std::sync::mpsc::channel();
    for work in [1, 5] {
        let (ready, send) = (Arc::clone(&ready), send.clone());
        thread::spawn(move || {
            let worked = compute(Duration::from_millis(work));
            let _ = send.send(worked.map(|()| gettid()));
            ready.wait();
            loop {
                thread::park();
            }
        });
    }
    let mut pids = vec![getpid()];
    for _ in 0..2 {
        pids.push(receive.recv().context("a thread is gone")??);
    }
    ready.wait();
    announce(&pids)?;
    loop {
        kill(getpid(), Signal::SIGSTOP)?;
    }
}

fn leaderless() -> anyhow::Result<()> {
    thread::spawn(|| {
        if let Err(error) = outlive_the_leader() {
            eprintln!("{error:#}");
            exit(1);
        }
    });
    exit_leader()
}

/// Not zero until the leader of this process has exited.
static LEADER: AtomicI32 = AtomicI32::new(1);

/// Ends the calling thread, which is the leader, and nothing else.
pub(crate) fn exit_leader() -> ! {
    // SAFETY: The address is that of a static; the kernel clears it when this thread exits, and
    // wakes who waits for it.
    unsafe { libc::syscall(libc::SYS_set_tid_address, LEADER.as_ptr()) };
    // SAFETY: Ends this thread only, whose stack nobody else borrows from.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("exit returned");
}

/// Waits until [`exit_leader()`] is through with all that the leader's record is made of.
///
/// It reads no file meanwhile, which would count in the record of who waits.
pub(crate) fn wait_for_exit_of_leader() {
    loop {
        let value = LEADER.load(Acquire);
        if value == 0 {
            return;
        }
        // SAFETY: The futex is a static. The call returns at once if its value has changed.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                LEADER.as_ptr(),
                libc::FUTEX_WAIT,
                value,
                std::ptr::null::<libc::timespec>(),
            );
        }
    }
}

fn outlive_the_leader() -> anyhow::Result<()> {
    wait_for_exit_of_leader();
    announce(&[getpid(), gettid()])?;
    loop {
        kill(getpid(), Signal::SIGSTOP)?;
    }
}

pub(crate) fn renice(nice: i32) -> anyhow::Result<()> {
    // SAFETY: Takes no pointer.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    nix::errno::Errno::result(result)?;
    Ok(())
}

pub(crate) fn schedule(policy: i32, priority: i32) -> anyhow::Result<()> {
    let parameter = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: `parameter` is valid for the call.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    nix::errno::Errno::result(result)?;
    Ok(())
}

pub(crate) fn become_user() -> anyhow::Result<()> {
    let (uid, gid) = (Uid::from_raw(UID), Gid::from_raw(GID));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    // Changing ids takes the death signal back.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}

/// Keeps this process until the tests close its standard input.
fn wait_for_the_end() -> anyhow::Result<()> {
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
