// SPDX-License-Identifier: GPL-2.0
//! Ending this program by a signal must not leave a virtual machine behind: it lives in a process
//! group of its own, which a terminal's Ctrl-C does not reach.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// The groups of the machines that run now.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
/// The signal that came, or 0.
static PENDING: AtomicI32 = AtomicI32::new(0);
/// The time that a program has to clean up after its machine was killed.
const GRACE: Duration = Duration::from_secs(2);

/// From now on, SIGINT, SIGTERM and SIGHUP kill the running guests, and then this program as they
/// always do.
///
/// For programs that run guests to call once, at their start.
pub fn kill_guests_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            PENDING.store(signal, Ordering::SeqCst);
            let running = running();
            for group in running.iter() {
                let _ = kill_process_group(*group, Signal::KILL);
            }
            let wait = if running.is_empty() {
                Duration::ZERO
            } else {
                GRACE
            };
            drop(running);
            thread::sleep(wait);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Ends this program by the signal that came, if one did: for programs to call when a run has
/// failed.
pub fn end_if_interrupted() {
    if let Some(signal) = pending() {
        let _ = emulate_default_handler(signal);
    }
}

/// The signal that came, if one did.
fn pending() -> Option<i32> {
    match PENDING.load(Ordering::SeqCst) {
        0 => None,
        signal => Some(signal),
    }
}

/// Fails once a signal came: no further guest is to be started.
pub(crate) fn check() -> Result<()> {
    match pending() {
        Some(signal) => bail!("interrupted by signal {signal}"),
        None => Ok(()),
    }
}

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn register(group: Pid) {
    running().push(group);
    // A signal between the start of the group and this line found nothing to kill.
    if pending().is_some() {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

pub(crate) fn unregister(group: Pid) {
    running().retain(|other| *other != group);
}
