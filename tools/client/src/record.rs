// SPDX-License-Identifier: GPL-2.0

//! `struct taskstats`, version 17, written down once: as a Rust struct for access by name and, from
//! the same lines, as a table of its fields for whoever compares or prints records field by field.

use std::{
    fmt,
    mem::{offset_of, size_of},
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::uapi::TS_COMM_LEN;

/// `struct __kernel_timespec`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Timespec {
    /// Seconds.
    pub tv_sec: i64,
    /// Nanoseconds.
    pub tv_nsec: i64,
}

/// What a field counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Not named in C: bytes that only fill up to the next field's alignment, always zero.
    Padding,
    /// A plain number: a version, a policy, a code.
    Number,
    /// A set of bits.
    Flags,
    /// How often something happened.
    Count,
    /// A task's, user's, group's, device's or inode's number.
    Id,
    /// A text, filled up with NUL.
    Text,
    /// Seconds since 1970.
    Seconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// A moment: seconds since 1970 and nanoseconds.
    Moment,
    /// Bytes.
    Bytes,
    /// KiB.
    Kibibytes,
    /// Megabytes held, times the microseconds they were held for.
    MegabyteMicroseconds,
}

/// One field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in C; for padding, `pad_after_` and the name of the field before it.
    pub name: &'static str,
    /// Where it starts.
    pub offset: usize,
    /// How many bytes it has.
    pub size: usize,
    /// What it counts in.
    pub unit: Unit,
}

macro_rules! taskstats {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $unit:ident;)*) => {
        /// `struct taskstats`, with C's padding as fields of its own: no byte of a record is
        /// without a name.
        #[derive(Clone, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct Taskstats {
            $($(#[$doc])* pub $name: $type,)*
        }

        /// Every field of [`Taskstats`] in the order of the struct, without a gap.
        pub const FIELDS: &[Field] = &[
            $(Field {
                name: stringify!($name),
                offset: offset_of!(Taskstats, $name),
                size: size_of::<$type>(),
                unit: Unit::$unit,
            },)*
        ];
    };
}

taskstats! {
    /// `TASKSTATS_VERSION` of the kernel.
    version: u16, Number;
    /// Padding.
    pad_after_version: [u8; 2], Padding;
    /// Exit status.
    ac_exitcode: u32, Number;
    /// `AFORK`, `ASU`, `ACORE`, `AXSIG`, `AGROUP`.
    ac_flag: u8, Flags;
    /// Nice value, in two's complement.
    ac_nice: u8, Number;
    /// Padding.
    pad_after_ac_nice: [u8; 6], Padding;

    /// Times that the task waited for a CPU.
    cpu_count: u64, Count;
    /// Time that the task waited for a CPU.
    cpu_delay_total: u64, Nanoseconds;
    /// Waits for block I/O.
    blkio_count: u64, Count;
    /// Time waited for block I/O.
    blkio_delay_total: u64, Nanoseconds;
    /// Waits for pages to be swapped in.
    swapin_count: u64, Count;
    /// Time waited for pages to be swapped in.
    swapin_delay_total: u64, Nanoseconds;
    /// User and system time.
    cpu_run_real_total: u64, Nanoseconds;
    /// Time on a CPU as the scheduler sees it.
    cpu_run_virtual_total: u64, Nanoseconds;

    /// Command name.
    ac_comm: [u8; TS_COMM_LEN], Text;
    /// Scheduling policy.
    ac_sched: u8, Number;
    /// Padding that C names.
    ac_pad: [u8; 3], Padding;
    /// Padding.
    pad_after_ac_pad: [u8; 4], Padding;
    /// User id.
    ac_uid: u32, Id;
    /// Group id.
    ac_gid: u32, Id;
    /// Task id.
    ac_pid: u32, Id;
    /// The parent's process id.
    ac_ppid: u32, Id;
    /// When the task began, up to 2106.
    ac_btime: u32, Seconds;
    /// Padding.
    pad_after_ac_btime: [u8; 4], Padding;
    /// Time since the task began.
    ac_etime: u64, Microseconds;
    /// User time.
    ac_utime: u64, Microseconds;
    /// System time.
    ac_stime: u64, Microseconds;
    /// Minor page faults.
    ac_minflt: u64, Count;
    /// Major page faults.
    ac_majflt: u64, Count;

    /// Resident memory over system time.
    coremem: u64, MegabyteMicroseconds;
    /// Virtual memory over system time.
    virtmem: u64, MegabyteMicroseconds;
    /// Most resident memory at once.
    hiwater_rss: u64, Kibibytes;
    /// Most virtual memory at once.
    hiwater_vm: u64, Kibibytes;
    /// Bytes that read(2) and the like returned, low ten bits cleared.
    read_char: u64, Bytes;
    /// Bytes that write(2) and the like took, low ten bits cleared.
    write_char: u64, Bytes;
    /// Read system calls, low ten bits cleared.
    read_syscalls: u64, Count;
    /// Write system calls, low ten bits cleared.
    write_syscalls: u64, Count;

    /// Bytes read from storage, low ten bits cleared.
    read_bytes: u64, Bytes;
    /// Bytes written to storage, low ten bits cleared.
    write_bytes: u64, Bytes;
    /// Bytes whose writing was cancelled, low ten bits cleared.
    cancelled_write_bytes: u64, Bytes;

    /// Voluntary context switches.
    nvcsw: u64, Count;
    /// Involuntary context switches.
    nivcsw: u64, Count;

    /// User time scaled by the CPU's frequency.
    ac_utimescaled: u64, Microseconds;
    /// System time scaled by the CPU's frequency.
    ac_stimescaled: u64, Microseconds;
    /// User and system time scaled by the CPU's frequency.
    cpu_scaled_run_real_total: u64, Nanoseconds;

    /// Waits for memory to be reclaimed.
    freepages_count: u64, Count;
    /// Time waited for memory to be reclaimed.
    freepages_delay_total: u64, Nanoseconds;
    /// Waits for thrashing pages.
    thrashing_count: u64, Count;
    /// Time waited for thrashing pages.
    thrashing_delay_total: u64, Nanoseconds;

    /// When the task began.
    ac_btime64: u64, Seconds;

    /// Waits for memory to be compacted.
    compact_count: u64, Count;
    /// Time waited for memory to be compacted.
    compact_delay_total: u64, Nanoseconds;

    /// Process id.
    ac_tgid: u32, Id;
    /// Padding.
    pad_after_ac_tgid: [u8; 4], Padding;
    /// Time since the process began.
    ac_tgetime: u64, Microseconds;
    /// Device of the executable; zero for kernel threads.
    ac_exe_dev: u64, Id;
    /// Inode of the executable; zero for kernel threads.
    ac_exe_inode: u64, Id;

    /// Waits for write-protected pages to be copied.
    wpcopy_count: u64, Count;
    /// Time waited for write-protected pages to be copied.
    wpcopy_delay_total: u64, Nanoseconds;

    /// Interruptions.
    irq_count: u64, Count;
    /// Time taken by interrupts.
    irq_delay_total: u64, Nanoseconds;

    /// Longest wait for a CPU.
    cpu_delay_max: u64, Nanoseconds;
    /// Shortest wait for a CPU.
    cpu_delay_min: u64, Nanoseconds;
    /// Longest wait for block I/O.
    blkio_delay_max: u64, Nanoseconds;
    /// Shortest wait for block I/O.
    blkio_delay_min: u64, Nanoseconds;
    /// Longest wait for pages to be swapped in.
    swapin_delay_max: u64, Nanoseconds;
    /// Shortest wait for pages to be swapped in.
    swapin_delay_min: u64, Nanoseconds;
    /// Longest wait for memory to be reclaimed.
    freepages_delay_max: u64, Nanoseconds;
    /// Shortest wait for memory to be reclaimed.
    freepages_delay_min: u64, Nanoseconds;
    /// Longest wait for a thrashing page.
    thrashing_delay_max: u64, Nanoseconds;
    /// Shortest wait for a thrashing page.
    thrashing_delay_min: u64, Nanoseconds;
    /// Longest wait for memory to be compacted.
    compact_delay_max: u64, Nanoseconds;
    /// Shortest wait for memory to be compacted.
    compact_delay_min: u64, Nanoseconds;
    /// Longest wait for a write-protected page to be copied.
    wpcopy_delay_max: u64, Nanoseconds;
    /// Shortest wait for a write-protected page to be copied.
    wpcopy_delay_min: u64, Nanoseconds;
    /// Longest interruption.
    irq_delay_max: u64, Nanoseconds;
    /// Shortest interruption.
    irq_delay_min: u64, Nanoseconds;

    /// When the longest wait for a CPU ended.
    cpu_delay_max_ts: Timespec, Moment;
    /// When the longest wait for block I/O ended.
    blkio_delay_max_ts: Timespec, Moment;
    /// When the longest wait for pages to be swapped in ended.
    swapin_delay_max_ts: Timespec, Moment;
    /// When the longest wait for memory to be reclaimed ended.
    freepages_delay_max_ts: Timespec, Moment;
    /// When the longest wait for a thrashing page ended.
    thrashing_delay_max_ts: Timespec, Moment;
    /// When the longest wait for memory to be compacted ended.
    compact_delay_max_ts: Timespec, Moment;
    /// When the longest wait for a write-protected page to be copied ended.
    wpcopy_delay_max_ts: Timespec, Moment;
    /// When the longest interruption was.
    irq_delay_max_ts: Timespec, Moment;
}

/// Bytes of a record.
pub const RECORD_SIZE: usize = size_of::<Taskstats>();

// `IntoBytes` has checked that no byte is outside a field; the header's size is C's.
const _: () = assert!(RECORD_SIZE == 688);

impl Taskstats {
    /// Copies a record out of a message, where it is aligned to four bytes only.
    ///
    /// `None` if `bytes` is not exactly one record long.
    pub fn from_payload(bytes: &[u8]) -> Option<Self> {
        Self::read_from_bytes(bytes).ok()
    }

    /// The command name up to its first NUL.
    pub fn comm(&self) -> &[u8] {
        let end = self.ac_comm.iter().position(|&byte| byte == 0);
        &self.ac_comm[..end.unwrap_or(TS_COMM_LEN)]
    }
}

impl Field {
    /// The field that the byte at `offset` of a record belongs to.
    pub fn at(offset: usize) -> Option<&'static Field> {
        FIELDS
            .iter()
            .find(|field| (field.offset..field.offset + field.size).contains(&offset))
    }

    /// The field with that name.
    pub fn named(name: &str) -> Option<&'static Field> {
        FIELDS.iter().find(|field| field.name == name)
    }

    /// This field's bytes in a record.
    pub fn bytes<'a>(&self, record: &'a Taskstats) -> &'a [u8] {
        &record.as_bytes()[self.offset..self.offset + self.size]
    }

    /// This field's value in a record, where it is a number.
    pub fn number(&self, record: &Taskstats) -> Option<u64> {
        if matches!(self.unit, Unit::Padding | Unit::Text) {
            return None;
        }
        let bytes = self.bytes(record);
        match bytes.len() {
            1 => Some(bytes[0].into()),
            2 => Some(u16::from_ne_bytes(bytes.try_into().ok()?).into()),
            4 => Some(u32::from_ne_bytes(bytes.try_into().ok()?).into()),
            8 => Some(u64::from_ne_bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    }

    /// This field's value in a record, with its unit, for people to read.
    pub fn show(&self, record: &Taskstats) -> String {
        let bytes = self.bytes(record);
        if let Some(number) = self.number(record) {
            return match self.unit {
                Unit::Flags => format!("{number:#x}"),
                unit => format!("{number}{unit}"),
            };
        }
        match (self.unit, Timespec::read_from_bytes(bytes)) {
            (Unit::Moment, Ok(moment)) => format!("{}.{:09} s", moment.tv_sec, moment.tv_nsec),
            (Unit::Text, _) => format!("\"{}\"", bytes.escape_ascii()),
            _ => format!("{bytes:02x?}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Padding | Unit::Number | Unit::Flags | Unit::Id | Unit::Text => "",
            Unit::Count => " times",
            Unit::Seconds | Unit::Moment => " s",
            Unit::Microseconds => " us",
            Unit::Nanoseconds => " ns",
            Unit::Bytes => " bytes",
            Unit::Kibibytes => " KiB",
            Unit::MegabyteMicroseconds => " MB us",
        })
    }
}

/// The names of the fields in which two records differ.
pub fn differing(a: &Taskstats, b: &Taskstats) -> Vec<&'static Field> {
    FIELDS
        .iter()
        .filter(|field| field.bytes(a) != field.bytes(b))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeroed() -> Taskstats {
        Taskstats::from_payload(&[0; RECORD_SIZE]).unwrap()
    }

    #[test]
    fn table_has_no_gap() {
        let mut end = 0;
        for field in FIELDS {
            assert_eq!(field.offset, end, "{}", field.name);
            end += field.size;
        }
        assert_eq!(end, RECORD_SIZE);
    }

    #[test]
    fn names_are_unique() {
        for (i, field) in FIELDS.iter().enumerate() {
            assert_eq!(
                FIELDS.iter().position(|other| other.name == field.name),
                Some(i)
            );
        }
    }

    /// Offsets that a stock client, compiled against the kernel's header, reads at.
    #[test]
    fn known_offsets() {
        for (name, offset) in [
            ("ac_exitcode", 4),
            ("cpu_count", 16),
            ("ac_comm", 80),
            ("ac_uid", 120),
            ("ac_etime", 144),
            ("nvcsw", 272),
            ("ac_btime64", 344),
            ("ac_tgetime", 376),
            ("cpu_delay_max", 432),
            ("irq_delay_max_ts", 672),
        ] {
            assert_eq!(Field::named(name).unwrap().offset, offset, "{name}");
        }
    }

    #[test]
    fn every_byte_has_one_field() {
        for offset in 0..RECORD_SIZE {
            let mut bytes = [0; RECORD_SIZE];
            bytes[offset] = 0x5a;
            let other = Taskstats::from_payload(&bytes).unwrap();
            let fields = differing(&zeroed(), &other);
            assert_eq!(fields, [Field::at(offset).unwrap()]);
        }
        assert_eq!(Field::at(RECORD_SIZE), None);
    }

    #[test]
    fn wrong_lengths_are_no_record() {
        assert!(Taskstats::from_payload(&[0; RECORD_SIZE - 1]).is_none());
        assert!(Taskstats::from_payload(&[0; RECORD_SIZE + 1]).is_none());
    }

    #[test]
    fn an_unaligned_payload_is_read() {
        let mut bytes = [0; RECORD_SIZE + 1];
        bytes[1..3].copy_from_slice(&17u16.to_ne_bytes());
        assert_eq!(Taskstats::from_payload(&bytes[1..]).unwrap().version, 17);
    }

    #[test]
    fn values_are_shown_with_their_unit() {
        let mut record = zeroed();
        record.cpu_run_real_total = 12;
        record.ac_comm[..2].copy_from_slice(b"ab");
        record.ac_flag = AFORK_ASU;
        record.irq_delay_max_ts = Timespec {
            tv_sec: 3,
            tv_nsec: 4,
        };
        let show = |name| Field::named(name).unwrap().show(&record);
        assert_eq!(show("cpu_run_real_total"), "12 ns");
        assert!(show("ac_comm").starts_with("\"ab\\x00"));
        assert_eq!(show("ac_flag"), "0x3");
        assert_eq!(show("irq_delay_max_ts"), "3.000000004 s");
        assert_eq!(record.comm(), b"ab");
    }

    const AFORK_ASU: u8 = crate::uapi::AFORK | crate::uapi::ASU;
}
