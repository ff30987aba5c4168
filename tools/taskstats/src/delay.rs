// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Delays: what a task can wait for, and how long it did.

use std::fmt;

/// What a task waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DelayKind {
    /// Runnable, and waiting for a CPU.
    Cpu,
    /// Block I/O that it asked for.
    BlockIo,
    /// A page that had to be swapped in.
    SwapIn,
    /// Memory that had to be freed.
    Reclaim,
    /// A page that had been evicted not long ago.
    Thrashing,
    /// Memory that had to be compacted.
    Compaction,
    /// A page that had to be copied because it was written to.
    WriteCopy,
    /// Interrupts that took the CPU.
    Irq,
}

impl DelayKind {
    /// All kinds, in the order of their values.
    pub const ALL: [Self; 8] = [
        Self::Cpu,
        Self::BlockIo,
        Self::SwapIn,
        Self::Reclaim,
        Self::Thrashing,
        Self::Compaction,
        Self::WriteCopy,
        Self::Irq,
    ];

    /// The name in the description of the family taskacct, without `-delay`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::BlockIo => "block-io",
            Self::SwapIn => "swap-in",
            Self::Reclaim => "reclaim",
            Self::Thrashing => "thrashing",
            Self::Compaction => "compaction",
            Self::WriteCopy => "write-copy",
            Self::Irq => "irq",
        }
    }

    /// What the fields of `struct taskstats` begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::BlockIo => "blkio",
            Self::SwapIn => "swapin",
            Self::Reclaim => "freepages",
            Self::Thrashing => "thrashing",
            Self::Compaction => "compact",
            Self::WriteCopy => "wpcopy",
            Self::Irq => "irq",
        }
    }
}

impl fmt::Display for DelayKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often and how long a task waited for one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// How often.
    pub count: u64,
    /// For how long altogether, in nanoseconds.
    pub total: u64,
    /// The longest, in nanoseconds; `None` where the kernel did not say.
    pub longest: Option<u64>,
    /// The shortest, in nanoseconds; `None` where the kernel did not say.
    pub shortest: Option<u64>,
    /// When the longest ended, in nanoseconds since 1970; `None` where the kernel did not say.
    pub longest_end: Option<u64>,
}
