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
use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    task::CurrentTask, //
};

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

/// Whether anybody wants to know of tasks that exit. Asking costs an exit next to nothing.
pub(crate) struct Interest(Atomic<usize>);

impl Interest {
    /// Nobody wants to know.
    pub(crate) const fn none() -> Self {
        Self(Atomic::new(0))
    }

    /// One more wants to know. A task that exits at the same time may not have seen it yet.
    pub(crate) fn begin(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One of those that [`Self::begin()`] was called for does not want to know any more.
    pub(crate) fn end(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Returns whether anybody wants to know.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

/// Who else is told of a task that exits.
pub(crate) trait ExitObserver: Sync {
    /// Returns whether it wants to know: if not, it need not be told.
    fn interest(&self) -> &'static Interest;

    /// Called by each exiting task for itself, as [`ExitHook::exit()`] is. It calls `leave` once,
    /// with which the task leaves what it used to its process.
    fn exit(&self, task: &CurrentTask, group_dead: bool, leave: &mut dyn FnMut());

    /// As [`ExitHook::hears()`].
    fn hears(&self, hears: bool);
}
