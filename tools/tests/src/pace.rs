// SPDX-License-Identifier: GPL-2.0

//! How long a test waits and how much it does, by the kernel that it runs on.
//!
//! The debug kernel checks each access to memory, each lock and each object that is freed: it is
//! there to find what is wrong in what a test does, not how often it goes well. So it is given more
//! time, and less to do where a test does the same a great many times. Other kernels are given what
//! the test says.

use std::{sync::LazyLock, time::Duration};

use procfs::ConfigSetting;

/// How many times the time of other kernels the debug kernel may take.
const SLOWER: u32 = 10;

/// Whether this kernel has KASAN. One that does not show its configuration counts as one without:
/// the project's kernels do.
static IS_SLOW: LazyLock<bool> = LazyLock::new(|| {
    let config = procfs::kernel_config().unwrap_or_default();
    config.get("CONFIG_KASAN") == Some(&ConfigSetting::Yes)
});

/// How long something may take that takes at most `usual` on other kernels than the debug kernel.
pub fn limit(usual: Duration) -> Duration {
    if *IS_SLOW { usual * SLOWER } else { usual }
}

/// How often to do something: `usual` times, on the debug kernel `debug` times.
pub fn times(usual: usize, debug: usize) -> usize {
    if *IS_SLOW { debug } else { usual }
}
