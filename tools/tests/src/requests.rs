// SPDX-License-Identifier: GPL-2.0

//! Requests of every shape, those that clients send and those that only a test does.
//!
//! Each is a label and the bytes. `pid` is a task that stands still.

use std::collections::BTreeSet;

use crate::request::{RawAttribute, Request};
use taskstats::uapi::{CGROUPSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, TASKSTATS_CMD_GET};

/// A label and a request's bytes.
pub type Labelled = (String, Vec<u8>);

/// A pid above the kernel's limit of 4,194,304: nobody has it.
pub const NOBODY: u32 = 0x7fff_fffe;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_ECHO: u16 = 8;
const NLM_F_DUMP: u16 = 0x300;
const NLA_F_NESTED: u16 = 0x8000;
const NLA_F_NET_BYTEORDER: u16 = 0x4000;

/// A sequence number to be recognised by.
const SEQUENCE: u32 = 0x0bad_cafe;

fn labelled(label: impl Into<String>, request: Request) -> Labelled {
    (label.into(), request.encode())
}

fn pid_request(family: u16, pid: u32) -> Request {
    Request::pid(family, pid).sequence(SEQUENCE)
}

/// The record of a task.
pub fn record(family: u16, pid: u32) -> Labelled {
    labelled(format!("pid {pid}"), pid_request(family, pid))
}

/// Pids that are no task's.
pub fn absent_tasks(family: u16) -> Vec<Labelled> {
    [0, NOBODY, i32::MAX as u32, 1 << 31, u32::MAX]
        .map(|pid| labelled(format!("absent pid {pid}"), pid_request(family, pid)))
        .into()
}

/// Attributes that are missing, too short, too long, repeated, flagged or unknown.
pub fn attributes(family: u16, pid: u32) -> Vec<Labelled> {
    let get = || Request::get(family).sequence(SEQUENCE);
    let mut requests = vec![labelled("no attribute", get())];
    let mut value = pid.to_ne_bytes().to_vec();
    value.resize(16, 0);
    for length in 0..=9 {
        let attribute = RawAttribute::new(TASKSTATS_CMD_ATTR_PID, &value[..length]);
        requests.push(labelled(
            format!("pid of {length} bytes"),
            get().with(attribute),
        ));
    }
    for kind in [0, 5, 6, 100, 0x3fff] {
        let unknown = || get().with(RawAttribute::number(kind, pid));
        requests.push(labelled(format!("attribute {kind}"), unknown()));
        requests.push(labelled(
            format!("attribute {kind}, then pid"),
            unknown().with(RawAttribute::number(TASKSTATS_CMD_ATTR_PID, pid)),
        ));
    }
    for flags in [
        NLA_F_NESTED,
        NLA_F_NET_BYTEORDER,
        NLA_F_NESTED | NLA_F_NET_BYTEORDER,
    ] {
        let attribute = RawAttribute::number(TASKSTATS_CMD_ATTR_PID | flags, pid);
        requests.push(labelled(
            format!("pid flagged {flags:#x}"),
            get().with(attribute),
        ));
    }
    for (label, first, second) in [
        ("pid twice, the last absent", pid, NOBODY),
        ("pid twice, the first absent", NOBODY, pid),
    ] {
        let request = get()
            .with(RawAttribute::number(TASKSTATS_CMD_ATTR_PID, first))
            .with(RawAttribute::number(TASKSTATS_CMD_ATTR_PID, second));
        requests.push(labelled(label, request));
    }
    for claim in [0, 3, 4, 5, 7, 9, 12, u16::MAX] {
        let attribute = RawAttribute::number(TASKSTATS_CMD_ATTR_PID, pid).claiming(claim);
        requests.push(labelled(
            format!("pid claiming {claim} bytes"),
            get().with(attribute),
        ));
    }
    for trailing in 1..=8 {
        let mut request = pid_request(family, pid);
        request.trailer = vec![0xff; trailing];
        requests.push(labelled(format!("{trailing} bytes after the pid"), request));
    }
    requests
}

/// Commands that the family does not have, or not that way round.
pub fn commands(family: u16, pid: u32) -> Vec<Labelled> {
    (0..=u8::MAX)
        .filter(|command| ![TASKSTATS_CMD_GET, CGROUPSTATS_CMD_GET].contains(command))
        .filter(|command| *command < 16 || *command > 253)
        .map(|command| {
            let mut request = pid_request(family, pid);
            request.command = command;
            labelled(format!("command {command}"), request)
        })
        .collect()
}

/// Every header flag, alone and with those that change the answer.
pub fn flags(family: u16, pid: u32) -> Vec<Labelled> {
    let mut sets = BTreeSet::from([
        0,
        NLM_F_DUMP,
        NLM_F_REQUEST | NLM_F_DUMP,
        NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP,
        NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO,
        u16::MAX,
    ]);
    for bit in 0..16 {
        sets.insert(1 << bit);
        sets.insert(NLM_F_REQUEST | (1 << bit));
        sets.insert(NLM_F_REQUEST | NLM_F_ACK | (1 << bit));
    }
    let mut requests = Vec::new();
    for who in [pid, NOBODY] {
        for &flags in &sets {
            let mut request = pid_request(family, who);
            request.header.flags = flags;
            requests.push(labelled(format!("flags {flags:#06x}, pid {who}"), request));
        }
    }
    requests
}

/// Header fields that a client may fill in as it likes.
pub fn headers(family: u16, pid: u32) -> Vec<Labelled> {
    let mut requests = Vec::new();
    for version in (0..=18).chain([255]) {
        let mut request = pid_request(family, pid);
        request.version = version;
        requests.push(labelled(format!("version {version}"), request));
    }
    for reserved in [1, u16::MAX] {
        let mut request = pid_request(family, pid);
        request.reserved = reserved;
        requests.push(labelled(format!("reserved {reserved}"), request));
    }
    for port in [1, 4242, u32::MAX] {
        let mut request = pid_request(family, pid);
        request.header.port_number = port;
        requests.push(labelled(format!("nlmsg_pid {port}"), request));
    }
    for sequence in [0, 1, u32::MAX] {
        let request = pid_request(family, pid).sequence(sequence);
        requests.push(labelled(format!("nlmsg_seq {sequence}"), request));
    }
    requests
}

/// Messages whose length is wrong, cut ones, and several in one datagram.
pub fn lengths(family: u16, pid: u32) -> Vec<Labelled> {
    let whole = pid_request(family, pid);
    let true_length = whole.encode().len();
    let mut requests = Vec::new();
    for claim in [
        0,
        1,
        15,
        16,
        17,
        19,
        20,
        21,
        23,
        24,
        25,
        27,
        29,
        32,
        1 << 20,
        u32::MAX,
    ] {
        let mut request = whole.clone();
        request.length = Some(claim);
        requests.push(labelled(
            format!("claims {claim} of {true_length} bytes"),
            request,
        ));
    }
    for cut in 0..true_length {
        let bytes = whole.encode()[..cut].to_vec();
        requests.push((
            format!("cut to {cut} bytes, claims {true_length}"),
            bytes.clone(),
        ));
        if cut >= 4 {
            let mut honest = bytes;
            honest[..4].copy_from_slice(&(cut as u32).to_ne_bytes());
            requests.push((format!("cut to {cut} bytes"), honest));
        }
    }
    for (label, second) in [("a second", pid), ("an absent", NOBODY)] {
        let mut both = whole.encode();
        both.extend(pid_request(family, second).sequence(2).encode());
        requests.push((format!("two requests, {label} one"), both));
    }
    let mut acknowledged = whole.clone().flags(NLM_F_ACK).encode();
    acknowledged.extend(whole.clone().flags(NLM_F_ACK).sequence(2).encode());
    requests.push(("two requests with acknowledgement".into(), acknowledged));
    let mut large = whole;
    large.trailer = vec![0; 16 * 1024];
    requests.push(labelled("16 kB after the pid", large));
    requests
}

/// All of them but [`record`].
pub fn all(family: u16, pid: u32) -> Vec<Labelled> {
    [
        absent_tasks(family),
        attributes(family, pid),
        commands(family, pid),
        flags(family, pid),
        headers(family, pid),
        lengths(family, pid),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_requests_are_unique() {
        let all = all(28, 1);
        for (i, (label, _)) in all.iter().enumerate() {
            assert_eq!(
                all.iter().position(|other| other.0 == *label),
                Some(i),
                "{label}"
            );
        }
        assert!(all.len() > 200, "{}", all.len());
    }
}
