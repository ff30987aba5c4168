// SPDX-License-Identifier: GPL-2.0
//! How QEMU runs the guest's CPUs.

use std::fmt;

/// What runs the guest's CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The machine's own CPUs, by hardware virtualisation.
    Kvm,
    /// Emulation, each CPU in a thread of its own.
    Emulation,
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
            Self::Kvm | Self::Emulation => &[],
        }
    }

    /// The options for QEMU, on top of virtme-ng's own.
    pub(crate) fn qemu_arguments(self) -> &'static [&'static str] {
        match self {
            // virtme-ng asks for it by itself.
            Self::Kvm => &[],
            Self::Emulation => &["-accel", "tcg,thread=multi"],
            Self::Instructions => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=0,sleep=off",
            ],
        }
    }
}

/// As a run says what it runs on.
impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Emulation => "emulated",
            Self::Instructions => "emulated, a nanosecond an instruction",
        })
    }
}
