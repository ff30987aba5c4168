// SPDX-License-Identifier: GPL-2.0

//! Compares two answers byte for byte and names each place where they differ.

use std::{fmt, ops::Range};

use taskstats::{
    Stats, Subject,
    answer::{Body, Datagram},
    record::{FIELDS, RECORD_SIZE},
    uapi::TASKSTATS_CMD_NEW,
};

use crate::{
    exchange::Answer,
    intended_differences::without_text,
    moving::{Reading, moving_of},
};

/// The type of the generic-netlink controller's messages, none of which holds a record.
const GENL_ID_CTRL: u16 = 16;

/// A place where two answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was asked.
    pub label: String,
    /// Where: `datagram 0 ac_nice`, `datagram 1 errno`, `number of datagrams`.
    pub place: String,
    /// What the two say there.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.label, self.place, self.what)
    }
}

/// All differences between two rounds of answers to the same questions, the earlier one first. If
/// either may be Rust's, it is the later.
pub fn compare(earlier: &[Answer], later: &[Answer]) -> Vec<Difference> {
    compare_if(Rust::Later, earlier, later)
}

/// The same where the earlier one is Rust's.
pub fn compare_rust_first(rust: &[Answer], c: &[Answer]) -> Vec<Difference> {
    compare_if(Rust::Earlier, rust, c)
}

/// Which of two rounds is Rust's.
#[derive(Clone, Copy)]
enum Rust {
    Earlier,
    Later,
}

fn compare_if(rust: Rust, earlier: &[Answer], later: &[Answer]) -> Vec<Difference> {
    let mut found = Vec::new();
    if earlier.len() != later.len() {
        found.push(Difference {
            label: "all".into(),
            place: "number of answers".into(),
            what: versus(earlier.len(), later.len()),
        });
    }
    for (a, b) in earlier.iter().zip(later) {
        compare_answers(rust, a, b, &mut found);
    }
    found
}

fn versus(a: impl fmt::Display, b: impl fmt::Display) -> String {
    format!("{a} versus {b}")
}

fn compare_answers(rust: Rust, a: &Answer, b: &Answer, found: &mut Vec<Difference>) {
    let mut differ = |place: String, what: String| {
        found.push(Difference {
            label: a.label.clone(),
            place,
            what,
        });
    };
    if a.label != b.label {
        differ("label".into(), versus(&a.label, &b.label));
    }
    if a.socket_errno != b.socket_errno {
        let show = |errno: Option<i32>| errno.map_or("none".into(), |errno| errno.to_string());
        differ(
            "errno of the socket".into(),
            versus(show(a.socket_errno), show(b.socket_errno)),
        );
    }
    if a.datagrams.len() != b.datagrams.len() {
        differ(
            "number of datagrams".into(),
            versus(a.datagrams.len(), b.datagrams.len()),
        );
    }
    for (index, (x, y)) in a.datagrams().zip(b.datagrams()).enumerate() {
        let (x, y) = match rust {
            Rust::Earlier => (Datagram(without_text(&y.0, &x.0)), y),
            Rust::Later => {
                let y = Datagram(without_text(&x.0, &y.0));
                (x, y)
            }
        };
        let mut differ = |place: &str, what| differ(format!("datagram {index} {place}"), what);
        let kind =
            |datagram: &Datagram| (datagram.0.len(), datagram.0.get(4..6).map(<[u8]>::to_vec));
        if kind(&x) != kind(&y) {
            differ("kind", versus(describe(&x), describe(&y)));
            continue;
        }
        let (in_x, in_y) = (records(&x), records(&y));
        for (r, s) in in_x.iter().zip(&in_y) {
            let earlier = Reading {
                record: &r.record,
                answer: a,
            };
            let later = Reading {
                record: &s.record,
                answer: b,
            };
            compare_records(r.subject, earlier, later, &mut differ);
        }
        let both: Vec<usize> = in_x
            .iter()
            .zip(&in_y)
            .filter(|(r, s)| r.offset == s.offset)
            .map(|(r, _)| r.offset)
            .collect();
        compare_rest(&x, &y, &both, &mut differ);
    }
}

/// The records that a datagram holds; none where it is no well-formed answer.
pub(crate) fn records(datagram: &Datagram) -> Vec<Stats> {
    let messages = datagram.messages().unwrap_or_default();
    let answers = messages.iter().filter(|message| {
        message.header.message_type != GENL_ID_CTRL
            && matches!(&message.body, Body::Generic { header, .. } if header.cmd == TASKSTATS_CMD_NEW)
    });
    answers
        .flat_map(|message| Stats::of(message).unwrap_or_default())
        .collect()
}

fn compare_records(
    subject: Subject,
    earlier: Reading<'_>,
    later: Reading<'_>,
    differ: &mut impl FnMut(&str, String),
) {
    let moving = moving_of(subject);
    for moving in moving {
        let wrong = moving
            .wrong_in(earlier)
            .or_else(|| moving.wrong_in(later))
            .or_else(|| moving.wrong_between(earlier, later));
        if let Some(wrong) = wrong {
            differ(moving.field, wrong);
        }
    }
    for field in FIELDS.iter() {
        if moving.iter().any(|moving| moving.field == field.name) {
            continue;
        }
        if field.bytes(earlier.record) != field.bytes(later.record) {
            let values = versus(field.show(earlier.record), field.show(later.record));
            differ(field.name, values);
        }
    }
}

/// Compares all bytes outside the records, one difference for each header field.
fn compare_rest(
    x: &Datagram,
    y: &Datagram,
    records: &[usize],
    differ: &mut impl FnMut(&str, String),
) {
    let in_record = |at: usize| records.iter().any(|&r| (r..r + RECORD_SIZE).contains(&at));
    let mut end = 0;
    for at in 0..x.0.len() {
        if at < end || in_record(at) || x.0[at] == y.0[at] {
            continue;
        }
        let (name, range) = place(x, at);
        end = range.end;
        differ(&name, versus(value(x, &range), value(y, &range)));
    }
}

/// The header field that a byte of a datagram belongs to, or the byte.
fn place(datagram: &Datagram, at: usize) -> (String, Range<usize>) {
    let messages = datagram.messages().unwrap_or_default();
    let message = messages.iter().rev().find(|message| message.offset <= at);
    let second = message.map_or(&[][..], |message| match message.body {
        Body::Generic { .. } => GENLMSGHDR,
        Body::Error(_) => NLMSGERR,
        _ => &[],
    });
    let start = message.map_or(0, |message| message.offset);
    for (name, range) in NLMSGHDR.iter().chain(second) {
        let range = start + range.start..start + range.end;
        if range.contains(&at) {
            return ((*name).to_owned(), range);
        }
    }
    (format!("byte {at}"), at..at + 1)
}

type Fields = &'static [(&'static str, Range<usize>)];

const NLMSGHDR: Fields = &[
    ("nlmsg_len", 0..4),
    ("nlmsg_type", 4..6),
    ("nlmsg_flags", 6..8),
    ("nlmsg_seq", 8..12),
    ("nlmsg_pid", 12..16),
];
const GENLMSGHDR: Fields = &[("cmd", 16..17), ("version", 17..18), ("reserved", 18..20)];
const NLMSGERR: Fields = &[("errno", 16..20)];

fn value(datagram: &Datagram, range: &Range<usize>) -> i64 {
    let bytes = &datagram.0[range.clone()];
    match *bytes {
        [a, b, c, d] => i32::from_ne_bytes([a, b, c, d]).into(),
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        _ => bytes[0].into(),
    }
}

/// A datagram in a few words.
fn describe(datagram: &Datagram) -> String {
    let bytes = datagram.0.len();
    let messages = datagram.messages().unwrap_or_default();
    match messages.first().map(|message| &message.body) {
        Some(Body::Error(report)) => format!("errno {} in {bytes} bytes", report.code),
        Some(Body::Generic { header, .. }) => format!("command {} in {bytes} bytes", header.cmd),
        Some(Body::Done(_)) => format!("the end of a dump in {bytes} bytes"),
        Some(Body::Control) | None => format!("{bytes} bytes"),
    }
}

/// Whether a datagram holds a record.
pub fn holds_record(datagram: &Datagram) -> bool {
    !records(datagram).is_empty()
}

#[cfg(test)]
mod tests {
    use crate::request::{RawAttribute, Request};
    use taskstats::{
        record::{Field, Taskstats},
        uapi::TASKSTATS_VERSION,
    };

    use super::*;
    use crate::exchange::Moment;

    fn moment(us: i64) -> Moment {
        Moment {
            monotonic_ns: us * 1_000,
            real_s: 1_000,
        }
    }

    /// The answer to a PID request `us` microseconds after the task's start.
    fn pid_answer(us: i64) -> Answer {
        let mut record = vec![0; RECORD_SIZE];
        for name in ["ac_etime", "ac_tgetime"] {
            set(&mut record, name, &us.to_ne_bytes());
        }
        set(&mut record, "version", &TASKSTATS_VERSION.to_ne_bytes());
        set(&mut record, "ac_btime", &1_000u32.to_ne_bytes());
        set(&mut record, "ac_btime64", &1_000u64.to_ne_bytes());
        let nest = Request::get(0)
            .with(RawAttribute::number(1, 77))
            .with(RawAttribute::new(3, record))
            .encode()
            .split_off(20);
        let request = Request::new(20, 2).with(RawAttribute::new(4, nest));
        Answer {
            label: "pid".into(),
            asked: moment(us - 2),
            answered: moment(us + 2),
            socket_errno: None,
            datagrams: vec![request.encode()],
        }
    }

    fn set(record: &mut [u8], name: &str, bytes: &[u8]) {
        let field = Field::named(name).unwrap();
        record[field.offset..][..field.size].copy_from_slice(bytes);
    }

    fn places(a: &Answer, b: &Answer) -> Vec<String> {
        let found = compare(std::slice::from_ref(a), std::slice::from_ref(b));
        found.into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn a_later_answer_is_equal() {
        assert_eq!(places(&pid_answer(500), &pid_answer(900)), [""; 0]);
    }

    #[test]
    fn every_altered_byte_is_found_and_named() {
        let earlier = pid_answer(500);
        let later = pid_answer(900);
        for at in 0..later.datagrams[0].len() {
            let mut altered = later.clone();
            // Even in ac_etime's lowest byte these 128 us are outside the clock's bounds.
            altered.datagrams[0][at] ^= 0x80;
            let places = places(&earlier, &altered);
            assert!(!places.is_empty(), "byte {at}");
            // What is of no version is no record.
            let field = at.checked_sub(36).and_then(Field::at);
            if let Some(field) = field.filter(|field| field.name != "version") {
                assert!(
                    places.contains(&format!("datagram 0 {}", field.name)),
                    "byte {at}: {places:?}"
                );
            }
        }
    }

    #[test]
    fn missing_and_additional_datagrams_are_found() {
        let (a, b) = (pid_answer(500), pid_answer(900));
        let mut none = b.clone();
        none.datagrams.clear();
        assert_eq!(places(&a, &none), ["number of datagrams"]);
        let mut two = b.clone();
        two.datagrams.push(b.datagrams[0].clone());
        assert_eq!(places(&a, &two), ["number of datagrams"]);
        let mut longer = b.clone();
        longer.datagrams[0].push(0);
        assert_eq!(places(&a, &longer), ["datagram 0 kind"]);
        assert_eq!(compare(&[a], &[])[0].place, "number of answers");
    }

    #[test]
    fn another_errno_is_found() {
        let a = pid_answer(500);
        let mut b = a.clone();
        b.socket_errno = Some(1);
        assert_eq!(places(&a, &b), ["errno of the socket"]);
        let error = |code: i32| Answer {
            datagrams: vec![
                [
                    &[36, 0, 0, 0, 2, 0, 0, 0][..],
                    &[0; 8],
                    &code.to_ne_bytes(),
                    &Request::get(20).encode()[..16],
                ]
                .concat(),
            ],
            ..pid_answer(500)
        };
        assert_eq!(places(&error(-22), &error(-22)), [""; 0]);
        assert_eq!(places(&error(-22), &error(-3)), ["datagram 0 errno"]);
    }

    #[test]
    fn records_are_compared_where_the_ids_differ_too() {
        let a = pid_answer(500);
        let mut b = pid_answer(900);
        b.datagrams[0][28] = 78;
        assert_eq!(places(&a, &b), ["datagram 0 byte 28"]);
        assert_eq!(
            Taskstats::from_payload(&a.datagrams[0][36..])
                .unwrap()
                .ac_etime,
            500
        );
    }
}
