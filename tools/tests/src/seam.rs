// SPDX-License-Identifier: GPL-2.0

//! What the patches change in the kernel, tested with modules that are made for it, in the folder
//! `seam` of this package.
//!
//! A kernel in which such a test fails may be good for nothing any more, so each has a guest of its
//! own. This is the part that runs there; the program `seam` starts the guests.

use std::{
    convert::Infallible,
    ffi::CStr,
    fs::{self, File},
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    process::exit,
    thread,
    time::{Duration, Instant},
};

use crate::request::{Request, family_request};
use anyhow::{Context, anyhow, ensure};
use clap::Subcommand;
use nix::{
    errno::Errno,
    kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module},
    sys::{prctl, signal::Signal},
};
use taskstats::{
    Client, GenlSocket, Options,
    answer::Body,
    uapi::{TASKSTATS_CMD_GET, TASKSTATS_TYPE_PID},
};

use crate::{
    implementation::{self, Implementation},
    listener::Listener,
    peer::Peer,
    storm::{self, Ended},
};

/// What this program does in a guest.
#[derive(Clone, Debug, Subcommand)]
pub enum Act {
    /// Exchanges the family while sockets are closed, the controller is asked and a family is
    /// registered.
    #[command(hide = true)]
    Exchange(Crowded),
    /// Unregisters a family while sockets are closed, the controller is asked and another family
    /// is registered.
    #[command(hide = true)]
    Unregister(Crowded),
    /// Listens to C while attempts to attach fail.
    #[command(hide = true)]
    Refused {
        /// The folder with the modules.
        folder: PathBuf,
    },
    /// Exchanges a family in the middle of a dump.
    #[command(hide = true)]
    Dump {
        /// The folder with the modules.
        folder: PathBuf,
    },
    /// Closes sockets.
    #[command(hide = true)]
    Close,
    /// Asks the controller.
    #[command(hide = true)]
    Ask,
    /// Loads a module and unloads it again, and writes a line each time.
    #[command(hide = true)]
    Change {
        /// The module's file.
        module: PathBuf,
        /// For how long.
        seconds: u64,
    },
    /// Becomes the parent of many short-lived tasks.
    #[command(hide = true)]
    Storm {
        /// The CPU to run on.
        cpu: usize,
        /// How many tasks.
        tasks: usize,
    },
}

/// What a test in a crowd needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct Crowded {
    /// The folder with the modules.
    folder: PathBuf,
    /// The module `rust_taskstats.ko`.
    module: PathBuf,
    /// For how long.
    seconds: u64,
}

impl Act {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Exchange(crowded) => exchange(&crowded),
            Self::Unregister(crowded) => unregister(&crowded),
            Self::Refused { folder } => refused(&folder),
            Self::Dump { folder } => dump(&folder),
            Self::Close => close().map(|never| match never {}),
            Self::Ask => ask().map(|never| match never {}),
            Self::Change { module, seconds } => change(&module, Duration::from_secs(seconds)),
            Self::Storm { cpu, tasks } => storm::act(cpu, tasks),
        }
    }
}

const CHURN: &CStr = c"churn";

fn load(module: &Path, parameters: &CStr) -> anyhow::Result<()> {
    let file = File::open(module).with_context(|| format!("opening {}", module.display()))?;
    Ok(finit_module(&file, parameters, ModuleInitFlags::empty())?)
}

/// A parameter of a loaded module.
fn parameter(module: &str, name: &str) -> PathBuf {
    Path::new("/sys/module")
        .join(module)
        .join("parameters")
        .join(name)
}

fn counter(module: &str, name: &str) -> anyhow::Result<u64> {
    Ok(fs::read_to_string(parameter(module, name))?
        .trim()
        .parse()?)
}

/// Tasks that keep generic netlink busy, none of which needs a privilege.
struct Crowd {
    _tasks: Vec<Peer>,
}

impl Crowd {
    fn gather() -> anyhow::Result<Self> {
        let acts = ["close", "ask"];
        let tasks = (0..12).map(|index| Peer::myself(&[acts[index % 2]]));
        let _tasks = tasks.collect::<Result<_, _>>()?;
        Ok(Self { _tasks })
    }
}

fn close() -> anyhow::Result<Infallible> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    loop {
        drop(GenlSocket::open(Options::default())?);
    }
}

fn ask() -> anyhow::Result<Infallible> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let mut socket = GenlSocket::open(Options::default())?;
    let request = family_request("nlctrl").encode();
    loop {
        socket.send(&request)?;
        ensure!(!socket.drain()?.is_empty(), "the controller is silent");
    }
}

/// Whether enough has happened for a test in a crowd to tell anything: how often a family has
/// changed, and how often the registration of another was refused. Such a test goes on until this
/// holds, however busy the machine is.
fn is_enough(changes: u64, refused: u64) -> bool {
    changes >= 10 && refused >= 100
}

fn change(module: &Path, time: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut changes = 0;
    while started.elapsed() < time || !is_enough(changes, counter("churn", "refused")?) {
        load(module, c"")?;
        implementation::unload()?;
        changes += 1;
        println!("changed");
    }
    println!("done");
    Ok(())
}

/// Ends this program without waiting for tasks that will never end.
fn hung(after: impl std::fmt::Display) -> ! {
    println!("generic netlink hangs after {after}");
    // Nothing to be done about a pipe that is closed.
    let _ = stdout().flush();
    exit(1)
}

/// That it all still works, once the crowd has gone.
fn works() -> anyhow::Result<()> {
    Client::connect(Options::default())?.pid(std::process::id())?;
    Ok(())
}

fn exchange(crowded: &Crowded) -> anyhow::Result<()> {
    let crowd = Crowd::gather()?;
    load(&crowded.folder.join("churn.ko"), c"")?;
    let module = crowded
        .module
        .to_str()
        .context("the module's path is not UTF-8")?;
    let mut changer = Peer::myself(&["change", module, &crowded.seconds.to_string()])?;
    let mut changes = 0;
    loop {
        match changer.line() {
            Ok(line) if line == "done" => break,
            Ok(_) => changes += 1,
            Err(error) => hung(format_args!("{changes} changes: {error:#}")),
        }
    }
    let refused = counter("churn", "refused")?;
    delete_module(CHURN, DeleteModuleFlags::O_NONBLOCK)?;
    drop(crowd);
    println!("{changes} changes, {refused} registrations refused");
    ensure!(is_enough(changes, refused), "hardly anything happened");
    ensure!(Implementation::in_charge()? == Implementation::C);
    works()
}

/// How long nothing may change. A kernel that hangs does so for ever.
const STANDSTILL: Duration = Duration::from_secs(300);

fn unregister(crowded: &Crowded) -> anyhow::Result<()> {
    let crowd = Crowd::gather()?;
    load(&crowded.folder.join("churn.ko"), c"register_own=1")?;
    let started = Instant::now();
    let (mut count, mut changed) = (0, started);
    while started.elapsed() < Duration::from_secs(crowded.seconds)
        || !is_enough(count, counter("churn", "refused")?)
    {
        thread::sleep(Duration::from_millis(50));
        let now = counter("churn", "unregistered")?;
        if now != count {
            (count, changed) = (now, Instant::now());
        } else if changed.elapsed() > STANDSTILL {
            hung(format_args!("a family was unregistered {count} times"));
        }
    }
    let refused = counter("churn", "refused")?;
    drop(crowd);
    delete_module(CHURN, DeleteModuleFlags::O_NONBLOCK)?;
    println!("a family was unregistered {count} times, {refused} registrations refused");
    ensure!(is_enough(count, refused), "hardly anything happened");
    works()
}

/// Tasks on each CPU.
const TASKS: usize = 6_000;

/// Runs the tasks of one CPU and returns their ids.
fn end_on(cpu: usize) -> anyhow::Result<Vec<u32>> {
    let mut parent = Peer::myself(&["storm", &cpu.to_string(), &TASKS.to_string()])?;
    (0..TASKS)
        .map(|_| Ok(Ended::parse(&parent.line()?)?.pid))
        .collect()
}

fn refused(folder: &Path) -> anyhow::Result<()> {
    let module = folder.join("rust_taskstats.ko");
    let mut listener = Listener::open(0)?;
    listener.room(4 * TASKS * 2_304)?;
    listener.register("0-1")?;
    let mut attempts = 0;
    let ended = thread::scope(|scope| {
        let threads = [0, 1].map(|cpu| scope.spawn(move || end_on(cpu)));
        while !threads.iter().all(|thread| thread.is_finished()) {
            let error = load(&module, c"refused=1").err().context("it attached")?;
            ensure!(error.downcast_ref() == Some(&Errno::EINVAL), "{error:#}");
            attempts += 1;
        }
        let ended =
            threads.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))));
        anyhow::Ok(ended)
    })?;
    let mut heard: Vec<_> = listener
        .hear_all()?
        .iter()
        .map(|heard| heard.task.ac_pid)
        .collect();
    heard.sort_unstable();
    let mut missed = 0;
    for pid in ended.into_iter().collect::<Result<Vec<_>, _>>()?.concat() {
        missed += usize::from(heard.binary_search(&pid).is_err());
    }
    println!(
        "{attempts} attempts to attach failed; {missed} of {} exits missed",
        2 * TASKS
    );
    ensure!(attempts >= 10, "hardly any attempt");
    ensure!(missed == 0, "C's listener missed {missed} exits");
    Ok(())
}

/// The messages of a dump of the provider's, as its source says.
const ITEMS: u32 = 20_000;

fn dump(folder: &Path) -> anyhow::Result<()> {
    const NLM_F_DUMP: u16 = 0x300;
    load(&folder.join("rust_taskstats.ko"), c"")?;
    let family = Client::connect(Options::default())?.family();
    let mut socket = GenlSocket::open(Options::default())?;
    socket.send(
        &Request::new(family, TASKSTATS_CMD_GET)
            .flags(NLM_F_DUMP)
            .encode(),
    )?;

    // It holds a reference to the module, however the family is doing.
    let held = || match implementation::unload() {
        Err(Errno::EAGAIN) => Ok(()),
        other => Err(anyhow!("unloading during a dump: {other:?}")),
    };
    held()?;
    fs::write(parameter("rust_taskstats", "attached"), "0")?;
    works().context("C does not answer")?;
    held()?;
    ensure!(
        counter("rust_taskstats", "dumps_done")? == 0,
        "the dump is over already"
    );

    let mut next = 0_u32;
    let mut done = false;
    for datagram in socket.drain()? {
        for message in datagram.messages()? {
            match message.body {
                Body::Generic { attributes, .. } => {
                    let item = attributes
                        .first()
                        .filter(|it| it.kind == TASKSTATS_TYPE_PID);
                    let item = item.context("no item")?.value;
                    ensure!(item == next.to_ne_bytes(), "{item:?} instead of {next}");
                    next += 1;
                }
                Body::Done(0) => done = true,
                other => anyhow::bail!("{other:?}"),
            }
        }
    }
    ensure!(done && next == ITEMS, "the dump ends after {next} items");
    ensure!(
        counter("rust_taskstats", "dumps_done")? == 1,
        "the dump is not over"
    );
    implementation::unload()?;
    println!("a dump of {next} items went on after the exchange");
    works()
}
