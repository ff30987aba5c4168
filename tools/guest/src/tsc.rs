// SPDX-License-Identifier: GPL-2.0
//! How fast the time stamp counter runs.
//!
//! Emulation passes this machine's counter on to the guest's CPUs. A guest's kernel measures how
//! fast it runs, with timers that are emulated as well, and where this machine does other things
//! at that moment, its clock was once in a hundred boots five times too fast. So it is told.

use std::{
    arch::x86_64::_rdtsc,
    thread,
    time::{Duration, Instant},
};

/// How long it is measured. The kernel wants to know it to 1 %, and measures anew what is right.
const INTERVAL: Duration = Duration::from_millis(20);

/// How often the clock and the counter are read, of which the closest readings count.
const READINGS: usize = 100;

/// Measures the frequency of this machine's counter, in kilohertz.
pub(crate) fn khz() -> u64 {
    let (begin, first) = read();
    thread::sleep(INTERVAL);
    let (end, last) = read();
    let micros = end.duration_since(begin).as_micros().max(1);
    let khz = u128::from(last.wrapping_sub(first)) * 1000 / micros;
    u64::try_from(khz).unwrap_or(u64::MAX)
}

/// Reads the clock and the counter, at about the same time.
fn read() -> (Instant, u64) {
    (0..READINGS)
        .map(|_| {
            let before = Instant::now();
            // SAFETY: All x86-64 CPUs have the counter, and Linux lets all programs read it that
            // have not asked for the contrary.
            let counter = unsafe { _rdtsc() };
            (before.elapsed(), (before, counter))
        })
        .min()
        .map(|(_, reading)| reading)
        .expect("it is read at least once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_whenever_it_is_measured() {
        let (one, other) = (khz(), khz());
        assert!(one > 100_000, "{one}");
        assert!(one.abs_diff(other) < one / 100, "{one} {other}");
    }
}
