// SPDX-License-Identifier: GPL-2.0

//! What the module does on a kernel that it takes over by livepatch; and what does not hold there.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use control::{Other, Status};
use libtest_mimic::Trial;
use nix::errno::Errno;
use sha2::{Digest, Sha256};
use taskstats::{Client, Options};

use crate::{
    cases::listeners::{CPUS, end_on_all, hears},
    context::Context,
    implementation::{Implementation, load, unload},
    kernel_log::KernelLog,
    listener::Listener,
    peer::wait_until,
};

/// Tests of every run that cannot pass there, each with the reason.
pub const CANNOT_PASS: &[(&str, &str)] = &[(
    "module::is_in_use_while_policies_are_listed",
    "the family is C's there, so listing its policies does not keep the module in use",
)];

/// How often the module is loaded to see that it answers at once.
const LOADS: usize = 20;

/// The tests; the module that replaces all livepatches is in `folder`.
pub fn trials(context: &Arc<Context>, folder: &Path) -> Vec<Trial> {
    let module = folder.join("replaces_all.ko");
    vec![
        context.trial("livepatch::when_loaded_every_exit_is_heard", loaded),
        context.trial("livepatch::when_replaced_c_answers", move |context, _| {
            replaced(context, &module)
        }),
        context.trial("livepatch::when_disabled_c_answers", disabled),
        context.trial(
            "livepatch::for_another_version_of_the_kernel_is_refused",
            another_version,
        ),
        context.trial("livepatch::for_other_layouts_is_refused", other_layouts),
        context.trial(
            "livepatch::without_what_it_redirects_is_refused",
            without_function,
        ),
        context.trial(
            "livepatch::refused_by_livepatch_leaves_nothing",
            not_enabled,
        ),
        // The last one: the module stays until the next boot.
        context.trial("livepatch::when_forced_c_answers_for_good", forced),
    ]
}

/// Leaves out what cannot pass, and says so.
pub fn without_what_cannot_pass(trials: Vec<Trial>) -> Vec<Trial> {
    for (name, reason) in CANNOT_PASS {
        println!("left out: {name}: {reason}");
    }
    let can = |trial: &Trial| CANNOT_PASS.iter().all(|(name, _)| *name != trial.name());
    trials.into_iter().filter(can).collect()
}

fn answers() -> anyhow::Result<()> {
    let pid = std::process::id();
    let stats = Client::connect(Options::default())?.pid(pid)?;
    ensure!(stats.record.ac_pid == pid, "it answered for another");
    Ok(())
}

fn loaded(context: &Context, _: &str) -> anyhow::Result<()> {
    for load in 0..LOADS {
        context.switch.to(Implementation::Rust)?;
        let mut listener = Listener::on("0-1")?;
        let ended = end_on_all()?;
        hears(&mut listener, &ended, &CPUS).with_context(|| format!("load {load}"))?;
        ensure!(
            control::status()? == Status::Answers,
            "{:?}",
            control::status()?
        );
        context.switch.to(Implementation::C)?;
        ensure!(
            control::status()? == Status::NotLoaded,
            "{:?}",
            control::status()?
        );
    }
    Ok(())
}

/// C answers whoever asks and whoever registers.
fn c_answers() -> anyhow::Result<()> {
    ensure!(
        control::status()? == Status::Disabled,
        "{:?}",
        control::status()?
    );
    answers()?;
    let mut listener = Listener::on("0-1")?;
    let ended = end_on_all()?;
    hears(&mut listener, &ended, &CPUS)?;
    listener.deregister("0-1")
}

fn replaced(context: &Context, module: &Path) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    let of_rust = Listener::on("0-1")?;
    let other = Other::load(module, "replaces_all")?;
    let result = c_answers();
    // The module may go while a listener of its is open.
    let unloaded = unload();
    drop(of_rust);
    other.unload()?;
    result?;
    unloaded?;
    ensure!(
        control::status()? == Status::NotLoaded,
        "{:?}",
        control::status()?
    );
    answers()
}

/// A module with some bytes changed is refused, with words in the kernel's log; C answers.
fn refused(
    context: &Context,
    from: &[u8],
    to: &[u8],
    errno: Errno,
    words: &str,
) -> anyhow::Result<()> {
    let mut module = Vec::new();
    context.switch.open()?.read_to_end(&mut module)?;
    let places: Vec<_> = memmem(&module, from).collect();
    ensure!(!places.is_empty(), "nothing to change in the module");
    for place in places {
        module[place..place + to.len()].copy_from_slice(to);
    }
    // The kernel loads no file that somebody may be writing.
    let changed = tempfile::NamedTempFile::new()?.into_temp_path();
    fs::write(&changed, module)?;

    let mut log = KernelLog::from_now()?;
    let refusal = load(&File::open(&changed)?).err().context("it is loaded")?;
    ensure!(refusal == errno, "{refusal}");
    let lines = log.lines()?;
    ensure!(
        lines.iter().any(|line| line.contains(words)),
        "{words:?} is not said: {lines:#?}"
    );
    ensure!(control::status()? == Status::NotLoaded);
    answers()
}

/// Where some bytes stand.
fn memmem<'a>(text: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(part.len())
        .enumerate()
        .filter(move |(_, window)| *window == part)
        .map(|(place, _)| place)
}

fn another_version(context: &Context, _: &str) -> anyhow::Result<()> {
    let uname = nix::sys::utsname::uname()?;
    let version = uname.version().to_string_lossy();
    let debians = version
        .split_once("Debian ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .with_context(|| format!("no kernel of Debian's: {version}"))?;
    let other = debians.replace(|c: char| c.is_ascii_digit(), "0");
    refused(
        context,
        format!("Debian {debians}").as_bytes(),
        format!("Debian {other}").as_bytes(),
        Errno::ENOEXEC,
        "built for another version of this kernel",
    )
}

fn other_layouts(context: &Context, _: &str) -> anyhow::Result<()> {
    let types = fs::read("/sys/kernel/btf/vmlinux")?;
    refused(
        context,
        hex::encode(Sha256::digest(types)).as_bytes(),
        &[b'0'; 64],
        Errno::ENOEXEC,
        "built for other layouts",
    )
}

/// As if C's taskstats had no function of this name.
fn without_function(context: &Context, _: &str) -> anyhow::Result<()> {
    refused(
        context,
        b".klp.sym.vmlinux.cgroupstats_user_cmd,0",
        b".klp.sym.vmlinux.cgroupstats_user_cmx,0",
        Errno::EINVAL,
        "cgroupstats_user_cmx",
    )
}

/// All goes well until livepatch is to be enabled, which does not find a function then.
fn not_enabled(context: &Context, _: &str) -> anyhow::Result<()> {
    refused(
        context,
        b"\0cgroupstats_user_cmd\0",
        b"\0cgroupstats_user_cmx\0",
        Errno::EINVAL,
        "cgroupstats_user_cmx",
    )
}

/// Somebody forces a transition. It takes some attempts to come before its end.
fn forced(context: &Context, _: &str) -> anyhow::Result<()> {
    let folder = Path::new("/sys/kernel/livepatch/rust_taskstats");
    let attempts = 1000;
    for _ in 0..attempts {
        context.switch.to(Implementation::Rust)?;
        let of_rust = Listener::on("0-1")?;
        fs::write(folder.join("enabled"), "0")?;
        let is_forced = fs::write(folder.join("force"), "1").is_ok();
        wait_until("the end of the transition", || Ok(!folder.exists()))?;
        if is_forced {
            c_answers()?;
            ensure!(unload().err() == Some(Errno::EAGAIN), "it can be unloaded");
            drop(of_rust);
            return answers();
        }
        unload()?;
    }
    bail!("{attempts} transitions ended before they could be forced")
}

fn disabled(context: &Context, _: &str) -> anyhow::Result<()> {
    context.switch.to(Implementation::Rust)?;
    let of_rust = Listener::on("0-1")?;
    let folder = Path::new("/sys/kernel/livepatch/rust_taskstats");
    fs::write(folder.join("enabled"), "0")?;
    wait_until("the end of the transition", || Ok(!folder.exists()))?;
    c_answers()?;
    unload()?;
    drop(of_rust);
    answers()
}
