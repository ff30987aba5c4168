// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! `struct taskstats`, version 17, written down once: as a Rust struct for access by name and, from
//! the same lines, as a table of its fields for whoever compares or prints records field by field.
//!
//! Versions 8 to 17 put new fields at the end, but for version 15: that had the longest and the
//! shortest delays in the middle. Later ones are longer. [`Taskstats::of_any_version`] reads all.

use std::{
    fmt,
    mem::{offset_of, size_of},
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{delay::DelayKind, uapi::TS_COMM_LEN};

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

/// The oldest version that is read, of Linux 2.6.31.
pub const OLDEST_VERSION: u16 = 8;
/// Bytes of a record of that version.
pub const OLDEST_SIZE: usize = offset_of!(Taskstats, thrashing_count);
/// The version with the longest and the shortest delays in the middle, of Linux 6.14 and 6.15.
const INSERTED_VERSION: u16 = 15;
/// Bytes of a record of that version.
const INSERTED_SIZE: usize = offset_of!(Taskstats, cpu_delay_max_ts);

impl Taskstats {
    /// Copies a record of any version from [`OLDEST_VERSION`] on out of a message, where it is
    /// aligned to four bytes only. Returns how many bytes of this struct the kernel has filled, too:
    /// what comes after them is zero.
    ///
    /// `None` where `bytes` are no such record.
    pub fn of_any_version(bytes: &[u8]) -> Option<(Self, usize)> {
        let version = u16::from_ne_bytes(*bytes.first_chunk()?);
        if version < OLDEST_VERSION || bytes.len() < OLDEST_SIZE {
            return None;
        }
        let mut whole = [0; RECORD_SIZE];
        let known = if version == INSERTED_VERSION {
            move_to_the_end(bytes.get(..INSERTED_SIZE)?, &mut whole);
            INSERTED_SIZE
        } else {
            let known = bytes.len().min(RECORD_SIZE);
            whole[..known].copy_from_slice(&bytes[..known]);
            known
        };
        Some((Self::read_from_bytes(&whole).ok()?, known))
    }

    /// Copies a record of version 17 out of a message, where it is aligned to four bytes only.
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

/// Puts a record of version 15 into the order of the later ones: after each sum of delays come
/// their longest and their shortest.
fn move_to_the_end(bytes: &[u8], whole: &mut [u8; RECORD_SIZE]) {
    let mut from = 0;
    let mut to = 0;
    // The kinds of delays have the order of the record.
    for kind in DelayKind::ALL {
        let [_, total, longest, ..] = kind.offsets();
        let after = total + size_of::<u64>();
        let plain = after - to;
        whole[to..after].copy_from_slice(&bytes[from..from + plain]);
        from += plain;
        to = after;
        let extremes = 2 * size_of::<u64>();
        whole[longest..longest + extremes].copy_from_slice(&bytes[from..from + extremes]);
        from += extremes;
    }
    debug_assert_eq!(from, bytes.len());
}

impl DelayKind {
    /// Where a record has the count, the total, the longest, the shortest, and when the longest was.
    pub(crate) fn offsets(self) -> [usize; 5] {
        macro_rules! offsets {
            ($($field:ident)*) => { [$(offset_of!(Taskstats, $field)),*] };
        }
        match self {
            Self::Cpu => offsets!(cpu_count cpu_delay_total cpu_delay_max cpu_delay_min
                cpu_delay_max_ts),
            Self::BlockIo => offsets!(blkio_count blkio_delay_total blkio_delay_max blkio_delay_min
                blkio_delay_max_ts),
            Self::SwapIn => offsets!(swapin_count swapin_delay_total swapin_delay_max
                swapin_delay_min swapin_delay_max_ts),
            Self::Reclaim => offsets!(freepages_count freepages_delay_total freepages_delay_max
                freepages_delay_min freepages_delay_max_ts),
            Self::Thrashing => offsets!(thrashing_count thrashing_delay_total thrashing_delay_max
                thrashing_delay_min thrashing_delay_max_ts),
            Self::Compaction => offsets!(compact_count compact_delay_total compact_delay_max
                compact_delay_min compact_delay_max_ts),
            Self::WriteCopy => offsets!(wpcopy_count wpcopy_delay_total wpcopy_delay_max
                wpcopy_delay_min wpcopy_delay_max_ts),
            Self::Irq => offsets!(irq_count irq_delay_total irq_delay_max irq_delay_min
                irq_delay_max_ts),
        }
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

    fn numbered(version: u16, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length).map(|byte| (byte / 8) as u8).collect();
        bytes[..2].copy_from_slice(&version.to_ne_bytes());
        bytes
    }

    /// The sizes of versions 8 to 17, as they were in the headers of their kernels.
    #[test]
    fn shorter_and_longer_records_are_read() {
        for (version, size) in [
            (8, 328),
            (9, 344),
            (10, 352),
            (11, 368),
            (12, 400),
            (13, 416),
            (14, 432),
            (16, 560),
            (17, 688),
            (18, 704),
        ] {
            let bytes = numbered(version, size);
            let (record, known) = Taskstats::of_any_version(&bytes).unwrap();
            assert_eq!(record.version, version);
            assert_eq!(known, size.min(RECORD_SIZE));
            assert_eq!(record.as_bytes()[..known], bytes[..known]);
            assert!(record.as_bytes()[known..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn what_is_older_or_cut_off_is_no_record() {
        assert!(Taskstats::of_any_version(&numbered(7, 328)).is_none());
        assert!(Taskstats::of_any_version(&numbered(8, 327)).is_none());
        assert!(Taskstats::of_any_version(&numbered(15, 559)).is_none());
        assert!(Taskstats::of_any_version(&[8]).is_none());
    }

    #[test]
    fn version_15_had_the_extremes_in_the_middle() {
        // Each u64 has its place as its value, as the header of 6.14 numbers them.
        let mut bytes: Vec<u8> = (0..70u64).flat_map(u64::to_ne_bytes).collect();
        bytes[..2].copy_from_slice(&15u16.to_ne_bytes());
        let (record, known) = Taskstats::of_any_version(&bytes).unwrap();
        assert_eq!(known, 560);
        assert_eq!((record.cpu_count, record.cpu_delay_total), (2, 3));
        assert_eq!((record.cpu_delay_max, record.cpu_delay_min), (4, 5));
        assert_eq!((record.blkio_count, record.blkio_delay_min), (6, 9));
        assert_eq!((record.swapin_count, record.swapin_delay_max), (10, 12));
        assert_eq!(record.cpu_run_real_total, 14);
        assert_eq!(
            (record.freepages_count, record.freepages_delay_max),
            (45, 47)
        );
        assert_eq!(record.thrashing_delay_min, 52);
        assert_eq!((record.ac_btime64, record.compact_count), (53, 54));
        assert_eq!((record.ac_exe_inode, record.wpcopy_count), (61, 62));
        assert_eq!((record.irq_count, record.irq_delay_min), (66, 69));
        assert_eq!(record.irq_delay_max_ts, Timespec::default());
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
