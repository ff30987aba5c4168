// SPDX-License-Identifier: GPL-2.0

//! Makes cases: requests that are valid, valid ones with a few things changed, and noise.
//!
//! The same seed makes the same cases in every boot, but for the numbers that have a name.

use std::ops::RangeInclusive;

use crate::request::{RawAttribute, Request, family_request, policy_request};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng, seq::IndexedRandom};
use taskstats::uapi::{
    CGROUPSTATS_CMD_ATTR_FD, CGROUPSTATS_CMD_GET, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK,
    TASKSTATS_CMD_ATTR_PID, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, TASKSTATS_CMD_ATTR_TGID,
    TASKSTATS_GENL_NAME,
};

use super::{
    case::{Before, Case, Edit},
    world::{Named, Names},
};
use crate::intended_differences::asks_about_other_families;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLA_F_NESTED: u16 = 0x8000;
const NLA_F_NET_BYTEORDER: u16 = 0x4000;

/// `TASKSTATS_CPUMASK_MAXLEN` where `NR_CPUS` is 64.
const MASK_MAX: usize = 484;

/// Every how many lists of CPUs one has its effect looked at, which lets tasks exit.
const EFFECTS: u32 = 4;

/// Makes cases.
pub struct Generator<'a> {
    rng: ChaCha8Rng,
    names: &'a Names,
}

impl<'a> Generator<'a> {
    /// For this batch of this seed.
    pub fn new(names: &'a Names, seed: u64, batch: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(batch);
        Self { rng, names }
    }

    /// A datagram; none that asks about families which come and go with the module.
    pub fn case(&mut self) -> Case {
        loop {
            let case = self.any_case();
            if !asks_about_other_families(&case.encode(), self.names.family) {
                return case;
            }
        }
    }

    fn any_case(&mut self) -> Case {
        let mut case = Case::default();
        match self.rng.random_range(0..2000) {
            0..40 => case.trailer = self.noise(0..=80),
            40..1800 => case.requests.push(self.request()),
            1800..1980 => case.requests = self.requests(2..=4),
            1980..1997 => case.requests = self.requests(5..=30),
            // More answers than the receive buffer takes, mostly.
            1997 => {
                let number = self.rng.random_range(50..=400);
                case.requests = vec![self.valid(); number];
            }
            1998 => case.trailer = self.noise(4_000..=70_000),
            // More than the send buffer takes.
            _ => case.trailer = self.noise(212_000..=214_000),
        }
        if self.one_in(40) {
            case.trailer = self.noise(1..=24);
        }
        if self.one_in(12) {
            for _ in 0..self.rng.random_range(1..=3) {
                let edit = self.edit();
                case.edits.push(edit);
            }
        }
        let listens = |request: &Request| request.attributes.iter().any(|it| is_mask(it.kind));
        if case.requests.iter().any(listens) && self.one_in(EFFECTS) {
            let before = self.choose(&[Before::All, Before::None]);
            case.effect = Some(before);
        }
        case
    }

    fn requests(&mut self, number: RangeInclusive<usize>) -> Vec<Request> {
        let number = self.rng.random_range(number);
        (0..number).map(|_| self.request()).collect()
    }

    /// Half of them are valid.
    fn request(&mut self) -> Request {
        let mut request = self.valid();
        if self.rng.random() {
            for _ in 0..self.rng.random_range(1..=3) {
                self.alter(&mut request);
            }
        }
        request
    }

    fn valid(&mut self) -> Request {
        let family = self.names.family;
        let mut request = match self.rng.random_range(0..100) {
            0..42 => Request::get(family).with(self.number(TASKSTATS_CMD_ATTR_PID)),
            42..62 => Request::get(family).with(self.number(TASKSTATS_CMD_ATTR_TGID)),
            62..72 => Request::get(family).with(self.list(TASKSTATS_CMD_ATTR_REGISTER_CPUMASK)),
            72..82 => Request::get(family).with(self.list(TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK)),
            82..96 => {
                let fd = self.number_of(CGROUPSTATS_CMD_ATTR_FD, &self.names.files);
                Request::new(family, CGROUPSTATS_CMD_GET).with(fd)
            }
            96 => family_request(TASKSTATS_GENL_NAME),
            97 => policy_request(family),
            _ => Request::get(family),
        };
        if self.rng.random() {
            request = request.flags(NLM_F_ACK);
        }
        request.header.sequence_number = self.rng.next_u32();
        if self.one_in(8) {
            request.header.port_number = self.any_number();
        }
        if self.one_in(8) {
            request.version = self.rng.random();
        }
        request
    }

    /// An attribute with the number of a task, mostly.
    fn number(&mut self, kind: u16) -> RawAttribute {
        self.number_of(kind, &self.names.tasks)
    }

    fn number_of(&mut self, kind: u16, named: &[Named]) -> RawAttribute {
        let number = match named.choose(&mut self.rng) {
            Some((_, number)) if !self.one_in(8) => *number,
            _ => self.any_number(),
        };
        RawAttribute::number(kind, number)
    }

    fn any_number(&mut self) -> u32 {
        match self.rng.random_range(0..8) {
            0..3 => self.choose(Names::SPECIAL),
            // Small ones are descriptors, and ids of the kernel's threads, which do not stand
            // still.
            3 => self.rng.random_range(0..8),
            4 => {
                let named: Vec<_> = self.names.all().collect();
                named.choose(&mut self.rng).map_or(0, |(_, number)| *number)
            }
            _ => self.rng.next_u32(),
        }
    }

    fn list(&mut self, kind: u16) -> RawAttribute {
        RawAttribute::new(kind, self.cpus())
    }

    /// A list of CPUs, or nearly one.
    fn cpus(&mut self) -> Vec<u8> {
        const VALID: &[&[u8]] = &[b"0\0", b"1\0", b"0-1\0", b"0,1", b"all\0", b"N", b"0-N\n"];
        let mut list = match self.rng.random_range(0..20) {
            0..8 => self.choose(VALID).to_vec(),
            8..18 => self.regions(),
            18 => self.long(),
            _ => self.noise(0..=20),
        };
        if self.one_in(4) {
            const BYTES: &[&[u8]] = &[
                b"\0",
                b" ",
                b"\t",
                b"\n",
                b",",
                b"-",
                b":",
                b"/",
                b"N",
                b"\x0b",
                b"\x0c",
                b"\r",
                b"\xa0",
                b"\xff",
                b"\xc2\xa0",
                b"\xd9\xa1",
                b"\xef\xbc\x91",
                b"\xef\xbb\xbf",
            ];
            let at = self.rng.random_range(0..=list.len());
            let bytes = self.choose(BYTES);
            list.splice(at..at, bytes.iter().copied());
        }
        list
    }

    fn regions(&mut self) -> Vec<u8> {
        const BETWEEN: &[&str] = &[",", ",", ",", " ", ", ", ",,", "\t", "\n", "", ";", "-"];
        const END: &[&str] = &["\0", "\0", "", "\n", "\0\0", "\0x", ",", " \n\0", "\n9"];
        let mut list = String::new();
        for index in 0..self.rng.random_range(1..=4) {
            if index > 0 {
                list.push_str(self.choose(BETWEEN));
            }
            let region = self.region();
            list.push_str(&region);
        }
        list.push_str(self.choose(END));
        list.into_bytes()
    }

    fn region(&mut self) -> String {
        const WORDS: &[&str] = &[
            "all", "ALL", "alL", "none", "a", "", "N-N", "n", "aall", "all ",
        ];
        let [a, b, c, d] = std::array::from_fn(|_| self.cpu());
        match self.rng.random_range(0..12) {
            0..4 => a,
            4..8 => format!("{a}-{b}"),
            8..10 => format!("{a}-{b}:{c}/{d}"),
            10 => format!("all:{c}/{d}"),
            _ => self.choose(WORDS).to_owned(),
        }
    }

    fn cpu(&mut self) -> String {
        const ODD: &[&str] = &[
            "N",
            "2",
            "3",
            "63",
            "64",
            "65",
            "00",
            "01",
            "0000000001",
            "+1",
            "-1",
            "0x1",
            "1e0",
            "4294967295",
            "4294967296",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999",
            "",
        ];
        if self.one_in(4) {
            self.choose(ODD).to_owned()
        } else {
            self.rng.random_range(0..2).to_string()
        }
    }

    /// About as long as a list may be, or far too long.
    fn long(&mut self) -> Vec<u8> {
        const UNITS: &[&str] = &["0", "0,", " ", "0-1,", ",", "\0", "\n", "N", "1"];
        let length = match self.rng.random_range(0..8) {
            0..6 => self.rng.random_range(MASK_MAX - 8..=MASK_MAX + 8),
            6 => self.rng.random_range(1_000..=9_000),
            _ => 60_000,
        };
        let unit = self.choose(UNITS).as_bytes();
        unit.iter().copied().cycle().take(length).collect()
    }

    fn noise(&mut self, length: RangeInclusive<usize>) -> Vec<u8> {
        let length = self.rng.random_range(length);
        let mut bytes = vec![0; length];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Changes one thing.
    fn alter(&mut self, request: &mut Request) {
        match self.rng.random_range(0..30) {
            0..2 => {
                const COMMANDS: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 255];
                request.command = self.choose(COMMANDS);
            }
            2 => request.command = self.rng.random(),
            3 => request.reserved = self.odd_u16(),
            4..6 => request.header.flags ^= 1 << self.rng.random_range(0..16),
            6 => {
                let flags = [0, NLM_F_DUMP, NLM_F_REQUEST | NLM_F_DUMP, u16::MAX];
                request.header.flags = self.choose(&flags);
            }
            7 => request.header.flags = self.rng.random::<u16>() | NLM_F_REQUEST,
            8 => {
                let family = self.names.family;
                let types = [0, 1, 2, 3, 4, 15, 16, family - 1, family + 1, u16::MAX];
                request.header.message_type = self.choose(&types);
            }
            9..11 => {
                let true_length = request.encode().len();
                request.length = Some(match self.rng.random_range(0..4) {
                    0..2 => true_length.saturating_add_signed(self.near()) as u32,
                    2 => self.rng.random_range(0..48),
                    _ => self.any_number(),
                });
            }
            11 => request.trailer = self.noise(1..=12),
            12..16 => {
                let at = self.rng.random_range(0..=request.attributes.len());
                let attribute = self.attribute();
                request.attributes.insert(at, attribute);
            }
            16 => {
                let again: Option<RawAttribute> = request.attributes.choose(&mut self.rng).cloned();
                request.attributes.extend(again);
            }
            17 => {
                request.attributes.pop();
            }
            _ => {
                let mut attributes = std::mem::take(&mut request.attributes);
                if !attributes.is_empty() {
                    let at = self.rng.random_range(0..attributes.len());
                    self.alter_attribute(&mut attributes[at]);
                }
                request.attributes = attributes;
            }
        }
    }

    fn attribute(&mut self) -> RawAttribute {
        let kind = self.kind();
        match self.rng.random_range(0..4) {
            0..2 if is_mask(kind) => self.list(kind),
            0..2 => self.number(kind),
            2 => RawAttribute::number(kind, self.any_number()),
            _ => RawAttribute::new(kind, self.noise(0..=16)),
        }
    }

    fn kind(&mut self) -> u16 {
        const KINDS: &[u16] = &[1, 2, 3, 4];
        const ODD: &[u16] = &[0, 5, 6, 7, 8, 100, 0x3fff];
        match self.rng.random_range(0..8) {
            0..5 => self.choose(KINDS),
            5..7 => self.choose(ODD),
            _ => self.rng.random(),
        }
    }

    fn alter_attribute(&mut self, attribute: &mut RawAttribute) {
        match self.rng.random_range(0..12) {
            0..2 => attribute.kind = self.kind(),
            2 => attribute.kind |= NLA_F_NESTED,
            3 => attribute.kind |= NLA_F_NET_BYTEORDER,
            4..6 => {
                let true_length = 4 + attribute.value.len();
                attribute.length = Some(match self.rng.random_range(0..4) {
                    0..2 => true_length.saturating_add_signed(self.near()) as u16,
                    2 => self.rng.random_range(0..16),
                    _ => self.odd_u16(),
                });
            }
            6..8 => {
                let length = self.rng.random_range(0..=attribute.value.len());
                attribute.value.truncate(length);
            }
            8 => {
                let more = self.noise(1..=8);
                attribute.value.extend(more);
            }
            9 => {
                let zeroes = self.rng.random_range(1..=8);
                attribute.value.extend(vec![0; zeroes]);
            }
            10 => attribute.value = self.noise(0..=16),
            _ => {
                if !attribute.value.is_empty() {
                    let at = self.rng.random_range(0..attribute.value.len());
                    attribute.value[at] = self.rng.random();
                }
            }
        }
    }

    fn edit(&mut self) -> Edit {
        // Mostly near the front, where the headers are.
        let at = self.rng.random_range(0..64);
        match self.rng.random_range(0..4) {
            0..2 => Edit::Set {
                at,
                byte: self.rng.random(),
            },
            2 => Edit::Insert {
                at,
                bytes: self.noise(1..=8),
            },
            _ => Edit::Remove {
                at,
                length: self.rng.random_range(1..=40),
            },
        }
    }

    fn near(&mut self) -> isize {
        self.rng.random_range(-5..=8_i32) as isize
    }

    fn odd_u16(&mut self) -> u16 {
        let random = self.rng.random();
        self.choose(&[1, 0x00ff, 0x7fff, u16::MAX, random])
    }

    fn one_in(&mut self, times: u32) -> bool {
        self.rng.random_ratio(1, times)
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }
}

fn is_mask(kind: u16) -> bool {
    let kind = kind & !(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
    [
        TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
        TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK,
    ]
    .contains(&kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(pid: u32) -> Names {
        Names {
            family: 20,
            tasks: vec![("worked".into(), pid)],
            files: vec![("group".into(), 9)],
        }
    }

    fn cases(names: &Names, seed: u64, batch: u64) -> Vec<Case> {
        let mut generator = Generator::new(names, seed, batch);
        (0..2_000).map(|_| generator.case()).collect()
    }

    #[test]
    fn the_seed_alone_decides() {
        let names = names(200);
        assert_eq!(cases(&names, 1, 2), cases(&names, 1, 2));
        assert_ne!(cases(&names, 1, 2), cases(&names, 1, 3));
        assert_ne!(cases(&names, 1, 2), cases(&names, 2, 2));
    }

    #[test]
    fn another_boot_has_the_same_cases_with_other_numbers() {
        let (one, other) = (names(200), names(300));
        let lengths = |names| -> Vec<_> {
            let cases = cases(names, 1, 1);
            cases.iter().map(|case| case.encode().len()).collect()
        };
        assert_eq!(lengths(&one), lengths(&other));
    }

    #[test]
    fn cases_are_of_many_kinds() {
        let cases = cases(&names(200), 1, 1);
        let encoded: BTreeSet<_> = cases.iter().map(Case::encode).collect();
        assert!(encoded.len() > cases.len() * 95 / 100, "{}", encoded.len());
        let count = |what: fn(&Case) -> bool| cases.iter().filter(|case| what(case)).count();
        assert!(count(|case| case.requests.is_empty()) > 5);
        assert!(count(|case| case.requests.len() > 4) > 5);
        assert!(count(|case| !case.edits.is_empty()) > 50);
        assert!(count(|case| case.effect.is_some()) > 50);
        assert!(count(|case| case.encode().len() > 10_000) > 0);
    }
}
