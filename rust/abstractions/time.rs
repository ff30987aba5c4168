// SPDX-License-Identifier: GPL-2.0

//! Clocks and units of time.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use kernel::{
    time::{
        ClockSource,
        Monotonic, //
    }, //
};
use taskstats_bindings as bindings;

/// Microseconds in a second.
pub(crate) const USEC_PER_SEC: u64 = 1_000_000;

/// Returns the monotonic clock, in nanoseconds. Mirrors `ktime_get_ns()`.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    // CAST: The monotonic clock is not negative.
    Monotonic::ktime_get() as u64
}

/// Returns the time of day, in seconds since 1970. Mirrors `ktime_get_real_seconds()`.
#[inline]
pub(crate) fn real_seconds() -> i64 {
    // SAFETY: There are no requirements.
    unsafe { bindings::ktime_get_real_seconds() }
}

/// Returns the whole microseconds in `ns` nanoseconds.
#[inline]
pub(crate) const fn usecs(ns: u64) -> u64 {
    const NSEC_PER_USEC: u64 = 1000;
    ns / NSEC_PER_USEC
}
