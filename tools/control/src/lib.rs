// SPDX-License-Identifier: GPL-2.0
//! Loading rust_taskstats so that it answers when that returns, and unloading it so that it is
//! gone.
//!
//! Where the kernel has the slot, `insmod` and `rmmod` do that. Where the module takes over by
//! livepatch, both take two steps: the kernel redirects one task after the other, and C answers
//! until it has come to the last one.

mod livepatch;

use std::{
    ffi::{CStr, CString},
    fs::File,
    path::Path,
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    errno::Errno,
    kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module},
};

use livepatch::{LOOK_EVERY, Livepatch};

/// The module's name.
pub const MODULE: &str = "rust_taskstats";
const NAME: &CStr = c"rust_taskstats";

/// Who answers, and what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// C: the module is not loaded.
    NotLoaded,
    /// The module.
    Answers,
    /// C still, or again: livepatch is redirecting tasks.
    InTransition,
    /// C: the module is loaded, but not in charge. Another livepatch has replaced it, or it was
    /// disabled and not unloaded.
    Disabled,
}

/// Finds out who answers.
pub fn status() -> Result<Status> {
    if !is_loaded() {
        return Ok(Status::NotLoaded);
    }
    if !livepatch::is_marked()? {
        return Ok(Status::Answers);
    }
    Ok(match Livepatch::find(MODULE) {
        None => Status::Disabled,
        Some(patch) if patch.is_in_transition()? => Status::InTransition,
        Some(patch) if patch.is_enabled()? => Status::Answers,
        Some(_) => Status::Disabled,
    })
}

/// Another module that is a livepatch, for tests.
#[derive(Debug)]
pub struct Other {
    name: String,
}

impl Other {
    /// Loads it and waits until all tasks are redirected.
    pub fn load(file: &Path, name: &str) -> Result<Self> {
        let file = File::open(file).with_context(|| file.display().to_string())?;
        finit_module(&file, c"", ModuleInitFlags::empty())
            .with_context(|| format!("the kernel refuses {name}"))?;
        let patch = Livepatch::find(name).with_context(|| format!("{name} is no livepatch"))?;
        ensure!(patch.wait_for_transition()?, "{name} is stuck");
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// Sends all tasks back and unloads it.
    pub fn unload(self) -> Result<()> {
        if let Some(patch) = Livepatch::find(&self.name) {
            patch.disable()?;
            ensure!(patch.wait_until_gone()?, "{} is stuck", self.name);
        }
        remove_patient(&CString::new(self.name)?)
    }
}

/// Whether the loaded module is one that takes over by livepatch, which then holds a reference to
/// it.
pub fn takes_over_by_livepatch() -> Result<bool> {
    livepatch::is_marked()
}

/// Loads a module file. When this returns, the module answers, and who registers with it from now
/// on gets every exit.
///
/// If the kernel refuses it, the error holds the [`Errno`]. If livepatch does not come to an end,
/// it is turned round, the module unloaded, and the error names the tasks that it waited for.
pub fn load(file: &File) -> Result<()> {
    finit_module(file, c"", ModuleInitFlags::empty()).context("the kernel refuses the module")?;
    let Some(patch) = Livepatch::find(MODULE) else {
        return Ok(());
    };
    if patch.wait_for_transition()? {
        ensure!(
            patch.is_enabled()?,
            "somebody disabled the module meanwhile"
        );
        return Ok(());
    }
    let blocking = livepatch::tasks_not_in(true);
    unload().context("livepatch is stuck, and the module cannot be unloaded either")?;
    bail!("livepatch cannot redirect {blocking}: the module is unloaded again");
}

/// Unloads the module. When this returns, C answers, and nothing of the module is left.
///
/// If the kernel refuses it, the error holds the [`Errno`]: [`Errno::ENOENT`] if it is not loaded,
/// [`Errno::EAGAIN`] if it is in use, which it is for ever once a transition has been forced.
pub fn unload() -> Result<()> {
    if !is_loaded() || !livepatch::is_marked()? {
        return Ok(remove(NAME)?);
    }
    if let Some(patch) = Livepatch::find(MODULE) {
        patch.disable()?;
        if !patch.wait_until_gone()? {
            bail!(
                "livepatch cannot send {} back to C's functions",
                livepatch::tasks_not_in(false)
            );
        }
    }
    remove_patient(NAME)
}

fn is_loaded() -> bool {
    // The folder alone is there for what is built into the kernel, too.
    Path::new("/sys/module")
        .join(MODULE)
        .join("refcnt")
        .exists()
}

fn remove(name: &CStr) -> Result<(), Errno> {
    delete_module(name, DeleteModuleFlags::O_NONBLOCK)
}

/// Removes the module from when livepatch lets go of it, which it does a moment after its folder is
/// gone, unless a transition was forced.
fn remove_patient(name: &CStr) -> Result<()> {
    let begin = Instant::now();
    loop {
        match remove(name) {
            Err(Errno::EAGAIN) if begin.elapsed() < livepatch::LET_GO => {
                thread::sleep(LOOK_EVERY);
            }
            Err(errno @ Errno::EAGAIN) => {
                return Err(errno).context(
                    "C answers, but the kernel keeps the module, as it does until the next boot \
                     once a transition has been forced",
                );
            }
            other => return Ok(other?),
        }
    }
}
