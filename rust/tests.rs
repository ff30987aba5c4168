// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of what is arithmetic. In the test build alone; they run when the module is loaded.

use crate::{
    basic,
    cpu_list::CpuList,
    extended,
    mm::encode_dev,
    task::Comm,
    time::usecs, //
};
use kernel::{
    cpu::nr_cpu_ids,
    page::PAGE_SIZE,
    prelude::*, //
};

#[kunit_tests(rust_taskstats)]
mod tests {
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
        assert_eq!(encode_dev((0xfff << 20) | 0xf_ffff), 0xfff_f_ffff);
        assert_eq!(encode_dev((1 << 20) | 0x123), 0x10_0123);
    }

    #[test]
    fn cpu_lists_have_edges() {
        let errno = |list: &[u8]| {
            CpuList::parse(list)
                .err()
                .map(|(errno, _)| errno.to_errno())
        };
        let last = nr_cpu_ids() - 1;

        assert_eq!(errno(b""), Some(EINVAL.to_errno()));
        assert_eq!(errno(b"no list"), Some(EINVAL.to_errno()));
        assert_eq!(errno(b"1-0"), Some(EINVAL.to_errno()));
        assert_eq!(errno(b"70000"), Some(ERANGE.to_errno()));
        assert_eq!(errno(&[b'0'; 100_000]), Some(E2BIG.to_errno()));
        assert_eq!(errno(b"0"), None);
        assert_eq!(errno(b"0\0"), None);
        assert_eq!(errno(b"0\n"), None);
        assert_eq!(
            CpuList::parse(b"0").map_or(0, |cpus| cpus.iter().count()),
            1
        );
        assert_eq!(
            CpuList::parse(b"all").map_or(0, |cpus| cpus.iter().count()),
            last as usize + 1
        );
    }
}
