// SPDX-License-Identifier: GPL-2.0

//! The cheapest tasks that come and go: a process and a thread that end at once.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::atomic::{AtomicU32, Ordering::Acquire},
};

use anyhow::Result;
use nix::{errno::Errno, libc};

use crate::{
    listeners::Listeners,
    operation::{Method, ONE_BY_ONE, Operation},
};

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process that shares its parent's memory, which waits for it, as after `vfork()`.
    Process,
    /// A thread of this process.
    Thread,
}

/// The stack of the task, which uses a few bytes of it.
const STACK: usize = 16 << 10;

#[repr(align(64))]
struct Stack([u8; STACK]);

/// Tasks that end one after the other.
pub(crate) struct Exits<'a> {
    kind: Kind,
    stack: Box<Stack>,
    /// The thread's id, which the kernel clears when it has ended.
    tid: Box<AtomicU32>,
    listeners: &'a mut Listeners,
}

impl<'a> Exits<'a> {
    pub(crate) fn new(kind: Kind, listeners: &'a mut Listeners) -> Self {
        Self {
            kind,
            stack: Box::new(Stack([0; STACK])),
            tid: Box::new(AtomicU32::new(0)),
            listeners,
        }
    }

    fn process(&mut self) -> nix::Result<()> {
        let pid = self.clone(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD)?;
        // SAFETY: No status is asked for.
        Errno::result(unsafe { libc::waitpid(pid, ptr::null_mut(), 0) })?;
        Ok(())
    }

    fn thread(&mut self) -> nix::Result<()> {
        self.clone(
            libc::CLONE_VM
                | libc::CLONE_FS
                | libc::CLONE_FILES
                | libc::CLONE_SIGHAND
                | libc::CLONE_THREAD
                | libc::CLONE_SYSVSEM
                | libc::CLONE_PARENT_SETTID
                | libc::CLONE_CHILD_CLEARTID,
        )?;
        loop {
            let tid = self.tid.load(Acquire);
            if tid == 0 {
                return Ok(());
            }
            // SAFETY: The futex lives. If it has changed already, this returns at once.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.tid.as_ptr(),
                    libc::FUTEX_WAIT,
                    tid,
                    ptr::null::<c_void>(),
                );
            }
        }
    }

    fn clone(&mut self, flags: c_int) -> nix::Result<libc::pid_t> {
        let tid = self.tid.as_ptr();
        // SAFETY: The task runs `end` alone, on a stack that nobody else uses and that outlives it:
        // both callers wait for its end. It shares the thread-local storage, and does not use it.
        let pid = unsafe {
            libc::clone(
                end,
                self.stack.0.as_mut_ptr_range().end.cast(),
                flags,
                ptr::null_mut(),
                tid,
                ptr::null_mut::<c_void>(),
                tid,
            )
        };
        Errno::result(pid)
    }
}

/// What returns from here goes to `exit()`, the system call: that of the one task.
extern "C" fn end(_: *mut c_void) -> c_int {
    0
}

impl Operation for Exits<'_> {
    fn run(&mut self, times: u32) -> Result<()> {
        for _ in 0..times {
            match self.kind {
                Kind::Process => self.process()?,
                Kind::Thread => self.thread()?,
            }
        }
        Ok(())
    }

    fn method(&self) -> Method {
        ONE_BY_ONE
    }

    fn tidy(&mut self, times: u32) -> Result<()> {
        self.listeners.drain(times)
    }
}
