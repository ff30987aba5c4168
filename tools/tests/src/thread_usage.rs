// SPDX-License-Identifier: GPL-2.0

//! What the calling thread has used, from the counters that a record is made from. All of them only
//! grow, so each is a lower bound of what any later record of the thread says.

use std::{io, mem, time::Duration};

use anyhow::Context;
use nix::{
    libc,
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};

use crate::exchange::Moment;

/// What a thread has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadUsage {
    /// CPU time by the scheduler's clock, in nanoseconds.
    pub cpu_ns: u64,
    /// Time since it began, in microseconds.
    pub elapsed_us: u64,
    /// Voluntary context switches.
    pub voluntary: u64,
    /// Involuntary context switches.
    pub involuntary: u64,
    /// Minor faults.
    pub minor_faults: u64,
    /// Major faults.
    pub major_faults: u64,
}

impl ThreadUsage {
    /// What the calling thread has used, which lived at the moment `begun` already.
    pub fn now(begun: Moment) -> anyhow::Result<Self> {
        let usage = resources()?;
        let elapsed_ns = Moment::now().monotonic_ns - begun.monotonic_ns;
        Ok(Self {
            cpu_ns: cpu_time()?.as_nanos() as u64,
            elapsed_us: u64::try_from(elapsed_ns)? / 1_000,
            voluntary: usage.ru_nvcsw as u64,
            involuntary: usage.ru_nivcsw as u64,
            minor_faults: usage.ru_minflt as u64,
            major_faults: usage.ru_majflt as u64,
        })
    }
}

/// The CPU time of the calling thread. Reading it brings the scheduler's count up to date.
pub fn cpu_time() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// How often the calling thread has given up its CPU.
pub fn voluntary_switches() -> anyhow::Result<u64> {
    Ok(resources()?.ru_nvcsw as u64)
}

fn resources() -> anyhow::Result<libc::rusage> {
    // SAFETY: All zeros are a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: The pointer is valid for the call.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    if result != 0 {
        return Err(io::Error::last_os_error()).context("getrusage");
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_grows() {
        let begun = Moment::now();
        let before = ThreadUsage::now(begun).unwrap();
        let switches = voluntary_switches().unwrap();
        while cpu_time().unwrap().as_nanos() as u64 <= before.cpu_ns {}
        let after = ThreadUsage::now(begun).unwrap();
        assert!(after.cpu_ns > before.cpu_ns);
        assert!(after.elapsed_us >= before.elapsed_us);
        assert!(after.voluntary >= switches && switches >= before.voluntary);
    }
}
