// SPDX-License-Identifier: GPL-2.0

//! A task that does nothing but end on a CPU.

use anyhow::ensure;
use nix::{
    libc::SIGCHLD,
    sched::{CloneFlags, CpuSet, clone, sched_setaffinity},
    unistd::Pid,
};

use crate::exit::wait4;

/// Has a process end on this CPU and waits for it. Returns its id.
///
/// As vfork: it borrows this process's memory until it has ended. A copy would cost far more than
/// the end, on the debug kernel half a second.
pub fn end_on(cpu: usize) -> anyhow::Result<u32> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    let mut stack = [0; 16 << 10];
    let child = Box::new(|| sched_setaffinity(Pid::from_raw(0), &set).map_or(1, |()| 0));
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: The child makes two system calls on a stack of its own, and this thread sleeps until it
    // has ended.
    let pid = unsafe { clone(child, &mut stack, flags, Some(SIGCHLD)) }?;
    let usage = wait4(pid.as_raw())?;
    ensure!(usage.status == 0, "not on CPU {cpu}: {}", usage.status);
    Ok(pid.as_raw() as u32)
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
