// SPDX-License-Identifier: GPL-2.0

//! What this kernel was configured with, where a test has to know.

use std::{collections::HashMap, path::Path, sync::LazyLock};

use procfs::ConfigSetting;

/// Empty for a kernel that does not show its configuration: the project's kernels do.
static CONFIG: LazyLock<HashMap<String, ConfigSetting>> =
    LazyLock::new(|| procfs::kernel_config().unwrap_or_default());

fn is_set(option: &str) -> bool {
    CONFIG.get(option) == Some(&ConfigSetting::Yes)
}

/// Whether this is the debug kernel, or another one that is as slow.
pub fn is_debug() -> bool {
    is_set("CONFIG_KASAN")
}

/// Whether this kernel can redirect functions. The module takes over by that where it can, as only
/// kernels without the project's patches do.
pub fn has_livepatch() -> bool {
    Path::new("/sys/kernel/livepatch").is_dir()
}

/// Whether a task's CPU time moves while it runs in the kernel. Otherwise only a tick moves it.
pub fn cpu_time_is_exact() -> bool {
    is_set("CONFIG_VIRT_CPU_ACCOUNTING_GEN")
}
