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
    /// Emulation in which the CPUs take turns, for a kernel in which functions are redirected while
    /// they run.
    ///
    /// Where a CPU of the guest rewrites code, QEMU first drops what it translated of it and then
    /// changes the memory (`mmu_lookup()` in its `accel/tcg/cputlb.c`). If the thread of another
    /// CPU translates the same code in between, it keeps what was there before: a breakpoint that
    /// the kernel has removed long since, which kills it (`Oops: int3`). Debian's kernel without
    /// the module dies of it in two minutes if `kernel.sched_schedstats` goes on and off.
    Turns,
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
            Self::Kvm | Self::Emulation | Self::Turns => &[],
        }
    }

    /// Whether the guest's time stamp counter is this machine's.
    pub(crate) fn shares_counter(self) -> bool {
        match self {
            Self::Emulation | Self::Turns => true,
            // KVM tells how fast it runs; counted instructions make a clock of their own.
            Self::Kvm | Self::Instructions => false,
        }
    }

    /// The options for QEMU, on top of virtme-ng's own.
    pub(crate) fn qemu_arguments(self) -> &'static [&'static str] {
        match self {
            // virtme-ng asks for it by itself.
            Self::Kvm => &[],
            Self::Emulation => &["-accel", "tcg,thread=multi"],
            Self::Turns => &["-accel", "tcg,thread=single"],
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
            Self::Turns => "emulated, in turns",
            Self::Instructions => "emulated, a nanosecond an instruction",
        })
    }
}
