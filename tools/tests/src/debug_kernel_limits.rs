// SPDX-License-Identifier: GPL-2.0

//! How long a test waits and how much it does, by the kernel that it runs on.
//!
//! The debug kernel checks each access to memory, each lock and each object that is freed: it is
//! there to find what is wrong in what a test does, not how often it goes well. So it is given more
//! time, and less to do where a test does the same a great many times. Other kernels are given what
//! the test says.

use std::time::Duration;

use crate::kernel_config::is_debug;

/// How many times the time of other kernels the debug kernel may take before something counts as
/// hung.
const SLOWER: u32 = 2;

/// How long something may take that takes at most `usual` on other kernels than the debug kernel.
pub fn limit(usual: Duration) -> Duration {
    if is_debug() { usual * SLOWER } else { usual }
}

/// How often to do something: `usual` times, on the debug kernel `debug` times.
pub fn times(usual: usize, debug: usize) -> usize {
    if is_debug() { debug } else { usual }
}

/// A list that is longer is long.
const LONG: usize = 100;

/// One of how many of a long list the debug kernel is given.
const ONE_IN: usize = 10;

/// All of a long list; on the debug kernel what is needed and of the others one in a few, always
/// the same ones.
pub fn some<T>(all: Vec<T>, is_needed: impl Fn(&T) -> bool) -> Vec<T> {
    if is_debug() {
        thin(all, is_needed)
    } else {
        all
    }
}

fn thin<T>(all: Vec<T>, is_needed: impl Fn(&T) -> bool) -> Vec<T> {
    if all.len() <= LONG {
        return all;
    }
    all.into_iter()
        .enumerate()
        .filter(|(index, item)| index % ONE_IN == 0 || is_needed(item))
        .map(|(_, item)| item)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_list_has_what_is_needed() {
        let all: Vec<usize> = (0..=LONG).collect();
        let thinned = thin(all, |&number| number == 7);
        assert_eq!(thinned[..4], [0, 7, 10, 20]);
        assert_eq!(thinned.len(), LONG / ONE_IN + 2);
        let all: Vec<usize> = (0..LONG).collect();
        assert_eq!(thin(all.clone(), |_| false), all);
    }
}
