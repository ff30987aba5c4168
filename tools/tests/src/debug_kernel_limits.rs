// SPDX-License-Identifier: GPL-2.0

//! Which tests run, how long they wait and how much they do, by the kernel that they run on.
//!
//! The debug kernel checks each access to memory, each lock and each object that is freed: it is
//! there to find what is wrong in what a test does, not how often it goes well. So it is given more
//! time, less to do where a test does the same a great many times, and not those tests in which the
//! kernel does what it does in others. Other kernels are given what the test says.

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

/// Tests that compare other values, or what other clients print, and have the kernel do nothing
/// that it does not do in the others of their file: by the file.
const NOTHING_NEW: &[(&str, &[&str])] = &[
    // Those with extended acknowledgements make the same requests.
    (
        "attribute_combinations",
        &[
            "values",
            "neighbours",
            "flags",
            "headers",
            "lengths",
            "commands",
            "combinations",
        ],
    ),
    (
        "requests",
        &["all_with_capped_ack", "all_with_extended_and_capped_ack"],
    ),
    // Who may not register is refused before the list is read.
    (
        "callers",
        &[
            "no_capability_masks",
            "capability_dropped_masks",
            "user_masks",
            "user_with_socket_masks",
            "user_namespace_masks",
            "user_namespace_with_socket_masks",
            "network_namespace_masks",
            "all_namespaces_masks",
        ],
    ),
    // What the stock clients ask, the suite asks as well.
    (
        "client_modes",
        &[
            "getdelays_t_delays",
            "getdelays_t_io",
            "getdelays_t_context_switches",
            "getdelays_t_is_refused",
            "getdelays_w",
            "getdelays_c",
            "delaytop_cgroup",
            "delaytop_sorted",
            "getdelays_listens_to_one",
            "procacct_listens",
            "procacct_listens_with_a_buffer",
        ],
    ),
    (
        "stock_clients",
        &[
            "getdelays_delays",
            "getdelays_io",
            "getdelays_context_switches",
            "getdelays_is_refused",
        ],
    ),
    (
        "records",
        &[
            "forked",
            "unlinked",
            "killed",
            "batch",
            "round_robin",
            "eager",
            "user",
            "named",
            "asleep",
            "init",
        ],
    ),
    (
        "processes",
        &[
            "forked",
            "unlinked",
            "killed",
            "batch",
            "round_robin",
            "eager",
            "user",
            "named",
            "asleep",
            "init",
        ],
    ),
    (
        "exit_records",
        &[
            "status",
            "batch",
            "round_robin",
            "eager",
            "user",
            "named",
            "worked",
        ],
    ),
    // A compiler's work.
    ("layout", &["is_the_headers", "check_can_fail"]),
];

/// Whether the test is left out on the kernel that this runs on.
pub fn leaves_out(test: &str) -> bool {
    is_debug() && is_nothing_new(test)
}

fn is_nothing_new(test: &str) -> bool {
    NOTHING_NEW.iter().any(|(file, names)| {
        let name = test.strip_prefix(file).and_then(|it| it.strip_prefix("::"));
        name.is_some_and(|name| names.contains(&name))
    })
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
    fn tests_that_are_left_out_exist() {
        let trials = crate::cases::all(&std::sync::Arc::new(crate::context::Context::for_names()));
        let number: usize = NOTHING_NEW.iter().map(|(_, names)| names.len()).sum();
        let left_out = trials.iter().filter(|trial| is_nothing_new(trial.name()));
        assert_eq!(left_out.count(), number);
        assert!(number * 3 < trials.len());
    }

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
