// SPDX-License-Identifier: GPL-2.0

//! Makes a case smaller as long as it still shows what it shows.

use std::collections::BTreeSet;

use crate::request::{RawAttribute, Request};
use taskstats::uapi::{TASKSTATS_CMD_GET, TASKSTATS_GENL_VERSION};

use super::case::{Case, Edit};

const NLM_F_REQUEST: u16 = 1;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// Candidates that are tried together: each trial changes the implementation.
const TOGETHER: usize = 400;

/// Returns the smallest case found that `shows` says yes to, one answer for each case it is given.
pub fn minimise(
    case: &Case,
    mut shows: impl FnMut(&[Case]) -> anyhow::Result<Vec<bool>>,
) -> anyhow::Result<Case> {
    let mut best = case.clone();
    loop {
        let mut candidates = smaller(&best);
        let weight_of_best = weight(&best);
        candidates.retain(|candidate| weight(candidate) < weight_of_best);
        candidates.sort_by_key(weight);
        candidates.dedup();
        // Big steps first, and among the small ones every kind.
        let every = candidates.len().div_ceil(TOGETHER).max(1);
        let mut next = None;
        for offset in 0..every {
            let tried: Vec<_> = candidates
                .iter()
                .skip(offset)
                .step_by(every)
                .cloned()
                .collect();
            let shown = shows(&tried)?;
            next = tried
                .into_iter()
                .zip(shown)
                .find_map(|(candidate, shows)| shows.then_some(candidate));
            if next.is_some() {
                break;
            }
        }
        match next {
            Some(smaller) => best = smaller,
            None => return Ok(best),
        }
    }
}

/// What is smaller has less: messages, parts, bytes, fields that are not as usual, bytes that are
/// not zero. Each step makes this less, so there is an end.
fn weight(case: &Case) -> (usize, usize, usize) {
    let parts: usize = case
        .requests
        .iter()
        .map(|request| 1 + request.attributes.len())
        .sum();
    let parts = parts + case.edits.len() + usize::from(case.effect.is_some());
    let bytes = case.encode();
    let mut odd = 0;
    for request in &case.requests {
        odd += usize::from(request.length.is_some())
            + usize::from(request.command != TASKSTATS_CMD_GET)
            + usize::from(request.version != TASKSTATS_GENL_VERSION)
            + usize::from(request.reserved != 0)
            + usize::from(request.header.sequence_number != 0)
            + usize::from(request.header.port_number != 0)
            + (request.header.flags & !NLM_F_REQUEST).count_ones() as usize;
        for attribute in &request.attributes {
            odd += usize::from(attribute.length.is_some())
                + (attribute.kind & !NLA_TYPE_MASK).count_ones() as usize;
        }
    }
    let values = case.requests.iter().flat_map(|it| &it.attributes);
    let not_zero = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte != 0).count();
    odd += values.map(|it| not_zero(&it.value)).sum::<usize>() + not_zero(&case.trailer);
    (parts, bytes.len(), odd)
}

/// All cases that are one step smaller.
fn smaller(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut candidate = case.clone();
        change(&mut candidate);
        found.push(candidate);
    };
    let half = case.requests.len() / 2;
    if half > 0 {
        with(&|it| it.requests.truncate(half));
        with(&|it| drop(it.requests.drain(..half)));
    }
    for at in 0..case.requests.len() {
        with(&|it| drop(it.requests.remove(at)));
        for request in smaller_requests(&case.requests[at]) {
            with(&|it| it.requests[at] = request.clone());
        }
    }
    for at in 0..case.edits.len() {
        with(&|it| drop(it.edits.remove(at)));
        if let Edit::Insert { at: place, bytes } = &case.edits[at] {
            for bytes in smaller_bytes(bytes) {
                with(&|it| {
                    it.edits[at] = Edit::Insert {
                        at: *place,
                        bytes: bytes.clone(),
                    };
                });
            }
        }
    }
    for trailer in smaller_bytes(&case.trailer) {
        with(&|it| it.trailer = trailer.clone());
    }
    with(&|it| it.effect = None);
    found
}

fn smaller_requests(request: &Request) -> Vec<Request> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Request)| {
        let mut candidate = request.clone();
        change(&mut candidate);
        found.push(candidate);
    };
    with(&|it| it.length = None);
    with(&|it| it.command = TASKSTATS_CMD_GET);
    with(&|it| it.version = TASKSTATS_GENL_VERSION);
    with(&|it| it.reserved = 0);
    with(&|it| it.header.sequence_number = 0);
    with(&|it| it.header.port_number = 0);
    with(&|it| it.header.flags = NLM_F_REQUEST);
    for bit in 0..16 {
        with(&|it| it.header.flags &= !(1 << bit));
    }
    for trailer in smaller_bytes(&request.trailer) {
        with(&|it| it.trailer = trailer.clone());
    }
    for at in 0..request.attributes.len() {
        with(&|it| drop(it.attributes.remove(at)));
        for attribute in smaller_attributes(&request.attributes[at]) {
            with(&|it| it.attributes[at] = attribute.clone());
        }
    }
    found
}

fn smaller_attributes(attribute: &RawAttribute) -> Vec<RawAttribute> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut RawAttribute)| {
        let mut candidate = attribute.clone();
        change(&mut candidate);
        found.push(candidate);
    };
    with(&|it| it.length = None);
    with(&|it| it.kind &= NLA_TYPE_MASK);
    for value in smaller_bytes(&attribute.value) {
        with(&|it| it.value = value.clone());
    }
    found
}

/// Nothing, either half, a piece less, a byte less, a byte that is zero.
fn smaller_bytes(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    const BY_BYTE: usize = 64;
    let mut found = BTreeSet::new();
    if bytes.is_empty() {
        return found;
    }
    found.insert(Vec::new());
    found.insert(vec![0; bytes.len()]);
    let mut piece = bytes.len().div_ceil(2);
    loop {
        if bytes.len() / piece <= BY_BYTE {
            for start in (0..bytes.len()).step_by(piece) {
                let end = bytes.len().min(start + piece);
                found.insert([&bytes[..start], &bytes[end..]].concat());
            }
        }
        // From the end at any length.
        found.insert(bytes[..bytes.len() - piece].to_vec());
        if piece == 1 {
            break;
        }
        piece = piece.div_ceil(2);
    }
    if bytes.len() <= BY_BYTE {
        for at in 0..bytes.len() {
            let mut candidate = bytes.to_vec();
            candidate[at] = 0;
            found.insert(candidate);
        }
    }
    found.remove(bytes);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{generate::Generator, world::Names};

    fn names() -> Names {
        Names {
            family: 20,
            tasks: vec![("worked".into(), 200)],
            files: vec![("group".into(), 9)],
        }
    }

    fn least(predicate: impl Fn(&Case) -> bool) -> Vec<Case> {
        let names = names();
        let mut generator = Generator::new(&names, 7, 1);
        let cases: Vec<_> = (0..3_000).map(|_| generator.case()).collect();
        let found = cases.iter().filter(|case| predicate(case)).take(20);
        let least = found.map(|case| {
            minimise(case, |cases| Ok(cases.iter().map(&predicate).collect())).unwrap()
        });
        least.collect()
    }

    #[test]
    fn an_attribute_with_a_short_value_is_all_that_stays() {
        let short = |attribute: &RawAttribute| attribute.kind == 1 && attribute.value.len() == 2;
        let least = least(|case| {
            let mut attributes = case.requests.iter().flat_map(|it| &it.attributes);
            attributes.any(short)
        });
        assert!(least.len() > 3);
        for case in least {
            // The type and the flags that make it a request do not matter to the predicate.
            let header = &case.requests[0].header;
            let mut request = Request::get(header.message_type).with(RawAttribute::new(1, [0; 2]));
            request.header.flags = header.flags;
            let expected = Case {
                requests: vec![request],
                ..Case::default()
            };
            assert_eq!(case, expected);
        }
    }

    #[test]
    fn a_byte_in_noise_is_found() {
        let least = least(|case| case.trailer.contains(&0x5a) && !case.trailer.is_empty());
        assert!(!least.is_empty());
        for case in least {
            assert_eq!(case, Case::raw(vec![0x5a]));
        }
    }

    #[test]
    fn what_shows_nothing_smaller_stays_as_it_is() {
        let case = Case {
            requests: vec![Request::pid(20, 3)],
            ..Case::default()
        };
        let same = minimise(&case, |cases| Ok(vec![false; cases.len()])).unwrap();
        assert_eq!(same, case);
    }
}
