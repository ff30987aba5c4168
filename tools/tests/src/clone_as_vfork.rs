// SPDX-License-Identifier: GPL-2.0

//! Tasks that are over at once, as cheap as they can be.
//!
//! As after vfork, they borrow this process's memory until they have ended. A copy would cost far
//! more than the end, on the debug kernel half a second.

use anyhow::{Context, ensure};
use nix::{
    libc::SIGCHLD,
    sched::{CloneFlags, CpuSet, clone, sched_setaffinity},
    unistd::Pid,
};

use crate::exit::wait4;

/// Room for the stack of a child.
pub(crate) const STACK: usize = 16 << 10;

/// Starts a child that does what it is told, which ends with an exit status, and waits until it
/// has. The child is still to be waited for. Returns its id.
pub(crate) fn spawn(stack: &mut [u8; STACK], child: impl FnMut() -> isize) -> anyhow::Result<i32> {
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: The stack is the child's alone as long as it runs, for this thread sleeps until then.
    let pid = unsafe { clone(Box::new(child), stack, flags, Some(SIGCHLD)) };
    Ok(pid.context("clone")?.as_raw())
}

/// Has a process end on this CPU and waits for it. Returns its id.
pub fn end_on(cpu: usize) -> anyhow::Result<u32> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    let pinned = || sched_setaffinity(Pid::from_raw(0), &set).map_or(1, |()| 0);
    let pid = spawn(&mut [0; STACK], pinned)?;
    let usage = wait4(pid)?;
    ensure!(usage.status == 0, "not on CPU {cpu}: {}", usage.status);
    Ok(pid as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_where_it_can() {
        let ids: Result<Vec<_>, _> = (0..2).map(|_| end_on(0)).collect();
        let ids = ids.unwrap();
        assert_ne!(ids[0], ids[1]);
        assert!(end_on(1000).is_err());
    }
}
