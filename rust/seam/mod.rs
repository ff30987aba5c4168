// SPDX-License-Identifier: GPL-2.0

//! How the module gets its place in the kernel.
//!
//! There are two ways, chosen when the module is built, and one type, [`Provider`]: through the
//! slot of a patched kernel (`slot`), or by redirecting the functions of C's taskstats where the
//! kernel is as its distribution made it (`livepatch`). All that differs is in this folder.

#[cfg(seam_livepatch)]
mod livepatch;
#[cfg(not(seam_livepatch))]
mod slot;

#[cfg(seam_livepatch)]
pub(crate) use self::livepatch::Provider;
#[cfg(not(seam_livepatch))]
pub(crate) use self::slot::Provider;

use crate::genetlink::{
    Family,
    Operations, //
};
use kernel::task::CurrentTask;

/// Whether the module takes over by livepatch, and not through the slot.
pub(crate) const IS_LIVEPATCH: bool = cfg!(seam_livepatch);

/// What happens when a task exits.
pub(crate) trait ExitHook: Operations {
    /// Called by each exiting task for itself, while it still has its memory; may sleep.
    /// `group_dead` tells that no other thread of the process is alive.
    fn exit(family: &Family<Self>, task: &CurrentTask, group_dead: bool);

    /// Called when all tasks that exit come here from now on, and when some do not any more.
    fn hears(family: &Family<Self>, hears: bool);
}

/// Who else is told of a task that exits.
pub(crate) trait ExitObserver: Sync {
    /// Called by each exiting task for itself, as [`ExitHook::exit()`] is. It calls `leave` once,
    /// with which the task leaves what it used to its process.
    fn exit(&self, task: &CurrentTask, group_dead: bool, leave: &mut dyn FnMut());

    /// As [`ExitHook::hears()`].
    fn hears(&self, hears: bool);
}
