// SPDX-License-Identifier: GPL-2.0
//! How QEMU runs the guest's CPUs.

use std::process::Command;

use regex::Regex;

/// What runs the guest's CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The machine's own CPUs, by hardware virtualisation.
    Kvm,
    /// Emulation.
    Emulation {
        /// Whether each CPU has a thread of its own, or all take turns in one.
        threads: bool,
    },
    /// Emulation in which one nanosecond of virtual time is one instruction. The CPUs take turns.
    Instructions,
}

impl Accelerator {
    /// The arguments for the guest's kernel.
    pub(crate) fn kernel_arguments(self) -> &'static [&'static str] {
        match self {
            // To calibrate the local APIC's timer, the kernel turns half a billion times in a loop
            // that is slow to count: most of the whole boot. The HPET needs no calibration. A CPU
            // with nothing to do sleeps a tick at a time, where it else would leap over minutes
            // while it waits for this machine.
            Self::Instructions => &["nolapic_timer", "nohz=off"],
            Self::Kvm | Self::Emulation { .. } => &[],
        }
    }

    /// The options for QEMU, on top of virtme-ng's own.
    pub(crate) fn qemu_arguments(self) -> &'static [&'static str] {
        match self {
            // virtme-ng asks for it by itself.
            Self::Kvm => &[],
            Self::Emulation { threads: true } => &["-accel", "tcg,thread=multi"],
            Self::Emulation { threads: false } => &["-accel", "tcg,thread=single"],
            Self::Instructions => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=0,sleep=off",
            ],
        }
    }
}

/// The first version of QEMU that emulates several CPUs at once without breaking the guest.
///
/// Before `deba78709ae8` ("accel/tcg: Always lock pages before translation"), QEMU can keep the
/// translation of code that another CPU is changing. The kernel changes its code whenever it flips
/// a static key; its CPUs then fall into a breakpoint that is no longer there ("Oops: int3"), in
/// one of about 20 boots on a busy machine.
const EMULATES_IN_THREADS: (u32, u32) = (8, 1);

/// Whether the installed QEMU emulates several CPUs at once without breaking the guest.
pub(crate) fn emulates_in_threads() -> bool {
    let program = format!("qemu-system-{}", std::env::consts::ARCH);
    let output = Command::new(program).arg("--version").output();
    // If it is not there, virtme-ng says so.
    output.is_ok_and(|output| {
        version(&String::from_utf8_lossy(&output.stdout))
            .is_some_and(|version| version >= EMULATES_IN_THREADS)
    })
}

/// The version in what `qemu --version` prints.
fn version(text: &str) -> Option<(u32, u32)> {
    let numbers = Regex::new(r"version (\d+)\.(\d+)").ok()?.captures(text)?;
    Some((numbers[1].parse().ok()?, numbers[2].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(
            version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright"),
            Some((7, 2))
        );
        assert_eq!(
            version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"),
            Some((10, 0))
        );
        assert_eq!(version("no emulator"), None);
        assert!(version("version 10.0.2").unwrap() >= EMULATES_IN_THREADS);
        assert!(version("version 8.0.4").unwrap() < EMULATES_IN_THREADS);
    }
}
