// SPDX-License-Identifier: GPL-2.0

//! Refuses to run anywhere but in a guest. The tests load modules, take CPUs offline, let
//! allocations fail and leave a set-user-id program behind: nothing of that is to happen to a
//! machine that somebody uses.

use std::fs;

use anyhow::{Context, ensure};

/// What virtme-ng puts on the kernel's command line, and no boot loader does.
const MARK: &str = "virtme_hostname=";

/// Fails unless this kernel was booted as a guest.
pub fn require() -> anyhow::Result<()> {
    let path = "/proc/cmdline";
    let arguments = fs::read_to_string(path).context(path)?;
    ensure!(
        is_guest(&arguments),
        "this changes the machine that it runs on, and is for guests only: `make test` starts them"
    );
    Ok(())
}

/// Whether these arguments of the kernel are a guest's.
fn is_guest(arguments: &str) -> bool {
    arguments
        .split_whitespace()
        .any(|argument| argument.starts_with(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_told_from_machines() {
        assert!(is_guest("virtme_hostname=guest nr_open=1048576 quiet ro\n"));
        for machine in [
            "",
            "BOOT_IMAGE=/boot/vmlinuz-7.3.4 root=/dev/vda1 ro quiet",
            "root=/dev/vda1 hostname=virtme_hostname=",
            "console=ttyS0 root=/dev/sda rust_taskstats",
        ] {
            assert!(!is_guest(machine), "{machine}");
        }
    }
}
