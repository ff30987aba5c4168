// SPDX-License-Identifier: GPL-2.0

//! The KUnit tests that the test build of the module brings. The kernel runs them whenever it is
//! loaded; whether they passed is seen in its log.

use std::fs;

use anyhow::Context;

use crate::implementation::{Implementation, Switch};

/// Which KUnit tests run when a module is loaded: those whose suites match.
const FILTER: &str = "/sys/module/kunit/parameters/filter_glob";

/// Runs them once, and has them left out whenever the module is loaded from now on.
pub fn run_once(switch: &Switch) -> anyhow::Result<()> {
    drop(switch.hold(Implementation::Rust)?);
    fs::write(FILTER, "none").context(FILTER)
}
