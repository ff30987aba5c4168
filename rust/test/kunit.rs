// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of arithmetic and of messages. They run when the module is loaded.

use crate::{
    abstractions::{
        cpumask::CpuSet,
        mm::encode_dev,
        task::Comm,
        time::usecs, //
    },
    accounting::{
        basic,
        delay,
        extended,
        layout::Field, //
    },
    test::oracle, //
};
use kernel::{
    cpu::nr_cpu_ids,
    page::PAGE_SIZE,
    prelude::*, //
};
use taskstats_bindings as bindings;

#[kunit_tests(rust_taskstats)]
mod arithmetic {
    use super::*;

    fn comm(name: &[u8]) -> Comm {
        let mut comm = [b'?'; size_of::<Comm>()];
        comm[..name.len()].copy_from_slice(name);
        comm
    }

    #[test]
    fn microseconds_are_rounded_down() {
        assert_eq!(usecs(0), 0);
        assert_eq!(usecs(999), 0);
        assert_eq!(usecs(1000), 1);
        assert_eq!(usecs(u64::MAX), 18_446_744_073_709_551);
    }

    #[test]
    fn begin_is_the_time_of_day_less_whole_seconds() {
        assert_eq!(basic::begin(1_000, 0), (1_000, 1_000));
        assert_eq!(basic::begin(1_000, 999_999), (1_000, 1_000));
        assert_eq!(basic::begin(1_000, 1_000_000), (999, 999));
    }

    #[test]
    fn begin_is_limited_to_32_bits() {
        assert_eq!(basic::begin(0x1_0000_0000, 0), (u32::MAX, 0x1_0000_0000));
        assert_eq!(basic::begin(0xffff_ffff, 0), (u32::MAX, 0xffff_ffff));
        // Before 1970, where the clock was set back after the task began.
        assert_eq!(basic::begin(5, 7_000_000), (0, (-2_i64) as u64));
        assert_eq!(basic::begin(0, u64::MAX).0, 0);
    }

    fn is_between(name: &'static str, before: u64, rust: u64, after: u64) -> bool {
        let field = Field {
            name,
            offset: 0,
            size: size_of::<u64>(),
        };
        let [before, rust, after] = [before, rust, after].map(u64::to_le_bytes);
        oracle::is_between(&field, &before, &rust, &after)
    }

    #[test]
    fn the_oracle_allows_for_pending_time_alone() {
        let pending = cfg!(CONFIG_VIRT_CPU_ACCOUNTING_GEN);
        let tick = u64::from(bindings::TICK_NSEC / 1000);

        assert!(is_between("ac_utime", 5777, 5900, 5939));
        assert_eq!(is_between("ac_utime", 5777, 5939, 5777), pending);
        assert_eq!(is_between("ac_stime", 5341, 4944, 5985), pending);
        assert!(!is_between("ac_utime", 5777, 5778 + tick, 5777));
        assert!(!is_between("ac_stime", 9 * tick, 8 * tick - 1, 9 * tick));
        assert!(!is_between("nvcsw", 5, 6, 5));
    }

    #[test]
    fn the_oracle_allows_for_memory_that_is_given_away() {
        assert!(is_between("hiwater_rss", 8672, 8840, 0));
        assert!(is_between("hiwater_rss", 8672, 0, 0));
        assert!(!is_between("hiwater_rss", 8672, 8600, 0));
        assert!(!is_between("hiwater_rss", 8672, 8840, 8800));
        assert!(!is_between("coremem", 8672, 8840, 0));
    }

    #[test]
    fn the_oracle_allows_for_a_first_delay_and_a_shorter_one() {
        assert!(is_between("cpu_delay_min", 0, 2_521_122, 522_710));
        assert!(is_between("cpu_delay_min", 0, 0, 522_710));
        assert!(is_between("cpu_delay_min", 0, 0, 0));
        assert!(!is_between("cpu_delay_min", 0, 522_709, 522_710));
        assert!(!is_between("cpu_delay_min", 9, 0, 8));
        assert!(!is_between("cpu_delay_max", 0, 2_521_122, 522_710));
    }

    #[test]
    fn names_are_padded_with_zeroes() {
        let mut expected = [0; 32];
        assert_eq!(basic::padded::<32>(comm(b"\0secret")), expected);
        expected[..3].copy_from_slice(b"top");
        assert_eq!(basic::padded::<32>(comm(b"top\0left over")), expected);
    }

    #[test]
    fn names_end_even_without_a_nul() {
        let mut expected = [0; 32];
        expected[..15].copy_from_slice(b"a_name_of_15_by");
        assert_eq!(basic::padded::<32>(comm(b"a_name_of_15_byt")), expected);
        assert_eq!(basic::padded::<32>(comm(b"a_name_of_15_by\0")), expected);
    }

    #[test]
    fn memory_is_in_megabyte_microseconds() {
        let pages_a_kb = 1000 * 1024;
        assert_eq!(extended::megabyte_usecs(0), 0);
        assert_eq!(extended::megabyte_usecs(pages_a_kb), PAGE_SIZE as u64);
        assert_eq!(extended::megabyte_usecs(249) * PAGE_SIZE as u64 / 4096, 0);
        // C multiplies first, so a large integral wraps.
        let wraps = u64::MAX / PAGE_SIZE as u64 + 1;
        assert_eq!(extended::megabyte_usecs(wraps), 0);
    }

    #[test]
    fn memory_is_in_kibibyte_microseconds() {
        const SIZE: u64 = PAGE_SIZE as u64;
        assert_eq!(extended::kibibyte_usecs(999), 999 * SIZE / 1000);
        assert_eq!(extended::kibibyte_usecs(1000), SIZE);
        assert_eq!(extended::kibibyte_usecs(2001), 2 * SIZE + SIZE / 1000);
        // What fits as a result is not lost on the way: TASKSTATS' unit of this wraps.
        let large = u64::MAX / SIZE + 1;
        assert!(extended::kibibyte_usecs(large) > u64::MAX / 1001);
        assert_eq!(
            extended::kibibyte_usecs(123_456_789) / 1024,
            extended::megabyte_usecs(123_456_789)
        );
    }

    #[test]
    fn totals_that_overflow_become_zero() {
        assert_eq!(delay::signed_sum(1, 2), 3);
        assert_eq!(delay::signed_sum(i64::MAX as u64, 1), 0);
        assert_eq!(delay::signed_sum(u64::MAX, 1), 0);
        assert_eq!(delay::unsigned_sum(i64::MAX as u64, 1), 1 << 63);
        assert_eq!(delay::unsigned_sum(u64::MAX, 0), u64::MAX);
        assert_eq!(delay::unsigned_sum(u64::MAX, 1), 0);
    }

    #[test]
    fn high_water_is_in_kilobytes() {
        assert_eq!(extended::kilobytes(3), 3 * PAGE_SIZE as u64 / 1024);
        assert_eq!(extended::kilobytes(u64::MAX / PAGE_SIZE as u64 + 1), 0);
    }

    #[test]
    fn counts_lose_what_is_less_than_1024() {
        assert_eq!(extended::whole_kilobytes(1023), 0);
        assert_eq!(extended::whole_kilobytes(1024), 1024);
        assert_eq!(extended::whole_kilobytes(u64::MAX), u64::MAX - 1023);
    }

    #[test]
    fn devices_are_encoded_as_in_stat() {
        assert_eq!(encode_dev(0), 0);
        assert_eq!(encode_dev((8 << 20) | 1), 0x801);
        assert_eq!(encode_dev((0xfff << 20) | 0xf_ffff), 0xffff_ffff);
        assert_eq!(encode_dev((1 << 20) | 0x123), 0x10_0123);
    }

    #[test]
    fn cpu_lists_have_edges() {
        let errno = |list: &[u8]| CpuSet::parse(list).err().map(|(errno, _)| errno.to_errno());
        let last = nr_cpu_ids() - 1;

        assert_eq!(errno(b""), Some(EINVAL.to_errno()));
        assert_eq!(errno(b"no list"), Some(EINVAL.to_errno()));
        assert_eq!(errno(b"1-0"), Some(EINVAL.to_errno()));
        assert_eq!(errno(b"70000"), Some(ERANGE.to_errno()));
        assert_eq!(errno(&[b'0'; 100_000]), Some(E2BIG.to_errno()));
        assert_eq!(errno(b"0"), None);
        assert_eq!(errno(b"0\0"), None);
        assert_eq!(errno(b"0\n"), None);
        assert_eq!(CpuSet::parse(b"0").map_or(0, |cpus| cpus.iter().count()), 1);
        assert_eq!(
            CpuSet::parse(b"all").map_or(0, |cpus| cpus.iter().count()),
            last as usize + 1
        );
    }
}

#[kunit_tests(rust_taskstats_messages)]
mod messages {
    use super::*;
    use crate::{
        accounting::layout::VERSION,
        genetlink::{
            flags_are_as_bindgen_sets_them,
            AttributeU32,
            AttributeU64,
            Family,
            GenlMsg,
            NetlinkSkBuff,
            Operation,
            Operations,
            Packet,
            Room, //
        },
        taskstats::attributes::{
            put_if,
            room_if,
            Subject, //
        },
    };
    use taskstats_bindings::{
        taskstats,
        TASKSTATS_TYPE_AGGR_PID,
        TASKSTATS_TYPE_AGGR_TGID,
        TASKSTATS_TYPE_NULL,
        TASKSTATS_TYPE_PID,
        TASKSTATS_TYPE_STATS, //
    };

    const HEADERS: usize = 20;
    const RECORD: usize = size_of::<taskstats>();

    /// As for what is built in.
    // SAFETY: The pointer is not used: the family is never registered.
    static NO_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };

    /// A family that is never registered.
    struct Nobody;

    impl Operations for Nobody {
        const NAME: &'static [u8] = b"nobody\0";
        const VERSION: u32 = 1;
        const RESV_START_OP: u8 = 0;
        const OPS: &'static [Operation<Self>] = &[];
        type SocketPrivate = ();
    }

    /// A message with `room`, filled in.
    fn message(room: Room, fill: impl FnOnce(&mut GenlMsg) -> Result) -> Result<Packet> {
        let nobody = KBox::pin_init(
            Family::new(&NO_MODULE, try_init!(Nobody {}? Error)),
            GFP_KERNEL,
        )?;
        let mut message = NetlinkSkBuff::new(room, GFP_KERNEL)?.genlmsg_put(0, 0, &nobody, 1)?;
        fill(&mut message)?;
        Ok(message.end())
    }

    fn room(size: usize) -> Result<Room> {
        Room::new(size).ok_or(EINVAL)
    }

    fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..at + 2)?.first_chunk()?;
        Some(u16::from_ne_bytes(*bytes))
    }

    fn header_at(packet: &Packet, at: usize) -> Option<(usize, c_uint)> {
        let (len, type_) = (u16_at(packet.bytes(), at)?, u16_at(packet.bytes(), at + 2)?);
        Some((len.into(), type_.into()))
    }

    #[test]
    fn a_family_has_the_flags_that_bindgen_sets() {
        assert!(flags_are_as_bindgen_sets_them());
    }

    #[test]
    fn rooms_have_a_limit() {
        assert!(Room::new(Room::MAX).is_some());
        assert!(Room::new(Room::MAX + 1).is_none());
        assert!(Room::new(usize::MAX).is_none());
        assert!(Room::new(1 << 32).is_none());
    }

    #[test]
    fn nothing_is_put_beyond_the_room() -> Result {
        let packet = message(room(8)?, |message| {
            message.put_u32(1, 2)?;
            assert_eq!(message.put_u32(1, 2), Err(EMSGSIZE));
            assert_eq!(message.put_flag(1), Err(EMSGSIZE));
            assert!(message.append::<[u8; 4]>().is_err());
            assert!(message.append::<[u8; 1 << 20]>().is_err());
            Ok(())
        })?;
        assert_eq!(packet.bytes().len(), HEADERS + 8);
        let packet = message(room(0)?, |message| {
            assert_eq!(message.put_flag(1), Err(EMSGSIZE));
            Ok(())
        })?;
        assert_eq!(packet.bytes().len(), HEADERS);
        Ok(())
    }

    #[test]
    fn what_is_not_aligned_is_not_appended() -> Result {
        let packet = message(room(64)?, |message| {
            // Behind the headers, at a multiple of 4.
            assert!(message.append::<u64>().is_err());
            message.put_u32(1, 2)?;
            assert!(message.append::<u64>().is_err());
            message.put_flag(1)?;
            assert!(message.append::<u64>().is_ok());
            Ok(())
        })?;
        assert_eq!(packet.bytes().len(), HEADERS + 8 + 4 + 8);
        Ok(())
    }

    #[test]
    fn what_is_laid_out_before_is_pushed_anywhere() -> Result {
        let packet = message(room(32)?, |message| {
            message.push(AttributeU64::of::<7>(u64::MAX - 1))?;
            message.push([AttributeU32::of::<1>(2), AttributeU32::of::<3>(4)])?;
            // Of what does not fit, nothing is there.
            assert_eq!(message.push(AttributeU64::of::<8>(1)), Err(EMSGSIZE));
            message.put_flag(9)
        })?;
        assert_eq!(packet.bytes().len(), HEADERS + 12 + 8 + 8 + 4);
        assert_eq!(header_at(&packet, HEADERS), Some((12, 7)));
        let value = (u64::MAX - 1).to_ne_bytes();
        assert_eq!(
            packet.bytes().get(HEADERS + 4..HEADERS + 12),
            Some(&value[..])
        );
        assert_eq!(header_at(&packet, HEADERS + 12), Some((8, 1)));
        assert_eq!(header_at(&packet, HEADERS + 20), Some((8, 3)));
        assert_eq!(header_at(&packet, HEADERS + 28), Some((4, 9)));
        Ok(())
    }

    #[test]
    fn what_no_attribute_can_hold_is_not_put() -> Result {
        let long = KVec::from_elem(0_u8, 65_532, GFP_KERNEL)?;
        let packet = message(room(Room::MAX)?, |message| {
            assert_eq!(message.put(1, &long[..]), Err(EMSGSIZE));
            // All of it together is too long for the nest.
            let nested = message.nest(1, |message| {
                message.put(2, &long[..40_000])?;
                message.put(3, &long[..25_524])
            });
            assert_eq!(nested, Err(EMSGSIZE));
            message.put(1, &long[..65_531])
        })?;
        assert_eq!(packet.bytes().len(), HEADERS + 65_536);
        assert_eq!(header_at(&packet, HEADERS), Some((65_535, 1)));
        Ok(())
    }

    #[test]
    fn a_nest_that_fails_leaves_nothing() -> Result {
        let packet = message(room(64)?, |message| {
            let failed = message.nest(1, |message| {
                message.put_u32(2, 3)?;
                Err(EIO)
            });
            assert_eq!(failed, Err(EIO));
            message.nest(4, |message| message.put_u32(5, 6))
        })?;
        let flag = bindings::NLA_F_NESTED as c_uint;
        assert_eq!(packet.bytes().len(), HEADERS + 12);
        assert_eq!(header_at(&packet, HEADERS), Some((12, 4 | flag)));
        assert_eq!(header_at(&packet, HEADERS + 4), Some((8, 5)));
        Ok(())
    }

    #[test]
    fn padding_is_zero() -> Result {
        let packet = message(room(64)?, |message| message.put_string(1, c"four"))?;
        assert_eq!(
            packet.bytes().get(HEADERS + 4..),
            Some(&b"four\0\0\0\0"[..])
        );
        assert_eq!(header_at(&packet, HEADERS), Some((9, 1)));
        Ok(())
    }

    /// The two records of an exit message.
    fn records<const PADS: bool>() -> Result<Packet> {
        message(room_if::<PADS, 2>(), |message| {
            for subject in [Subject::Task(1), Subject::Process(2)] {
                put_if::<PADS>(message, subject, |record| {
                    record.set_version();
                    Ok(())
                })?;
            }
            Ok(())
        })
    }

    #[test]
    fn records_are_where_c_has_them_unpadded() -> Result {
        let packet = records::<false>()?;
        assert_eq!(packet.bytes().len(), 1428);
        assert_eq!(header_at(&packet, 20), Some((704, TASKSTATS_TYPE_AGGR_PID)));
        assert_eq!(header_at(&packet, 24), Some((8, TASKSTATS_TYPE_PID)));
        assert_eq!(
            header_at(&packet, 32),
            Some((RECORD + 4, TASKSTATS_TYPE_STATS))
        );
        assert_eq!(u16_at(packet.bytes(), 36), Some(VERSION));
        assert_eq!(
            header_at(&packet, 724),
            Some((704, TASKSTATS_TYPE_AGGR_TGID))
        );
        assert_eq!(u16_at(packet.bytes(), 740), Some(VERSION));
        Ok(())
    }

    #[test]
    fn records_are_where_c_has_them_padded() -> Result {
        let packet = records::<true>()?;
        assert_eq!(packet.bytes().len(), 1432);
        assert_eq!(header_at(&packet, 20), Some((708, TASKSTATS_TYPE_AGGR_PID)));
        assert_eq!(header_at(&packet, 24), Some((8, TASKSTATS_TYPE_PID)));
        assert_eq!(header_at(&packet, 32), Some((4, TASKSTATS_TYPE_NULL)));
        assert_eq!(
            header_at(&packet, 36),
            Some((RECORD + 4, TASKSTATS_TYPE_STATS))
        );
        assert_eq!(u16_at(packet.bytes(), 40), Some(VERSION));
        // The second one is aligned as it comes.
        assert_eq!(
            header_at(&packet, 728),
            Some((704, TASKSTATS_TYPE_AGGR_TGID))
        );
        assert_eq!(
            header_at(&packet, 740),
            Some((RECORD + 4, TASKSTATS_TYPE_STATS))
        );
        assert_eq!(u16_at(packet.bytes(), 744), Some(VERSION));
        Ok(())
    }
}
