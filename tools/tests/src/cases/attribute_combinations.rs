// SPDX-License-Identifier: GPL-2.0

//! Every attribute alone, in every combination and order, and in shapes that no client sends.

use std::{collections::BTreeSet, sync::Arc};

use crate::request::{RawAttribute, Request};
use anyhow::ensure;
use libtest_mimic::Trial;
use taskstats::uapi::{
    CGROUPSTATS_CMD_ATTR_FD, CGROUPSTATS_CMD_GET, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK,
    TASKSTATS_CMD_ATTR_PID, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, TASKSTATS_CMD_ATTR_TGID,
    TASKSTATS_CMD_GET,
};

use crate::{
    caller::{Acks, Caller, Standing},
    cases::{masks::ask_undoing, processes::differential_sums},
    cgroup::Hierarchy,
    compare::holds_record,
    context::Context,
    debug_kernel_limits,
    exchange::Ask,
    requests::{Labelled, NOBODY},
    workload::{Kind, Task},
};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_ECHO: u16 = 8;
const NLM_F_DUMP: u16 = 0x300;
const NLA_F_NESTED: u16 = 0x8000;
const NLA_F_NET_BYTEORDER: u16 = 0x4000;
const SEQUENCE: u32 = 0x0bad_cafe;

/// An attribute with a value that is right, and one that is not.
struct Shape {
    name: &'static str,
    command: u8,
    kind: u16,
    right: Vec<u8>,
    wrong: Vec<u8>,
}

impl Shape {
    fn number(name: &'static str, command: u8, kind: u16, right: u32) -> Self {
        Self {
            name,
            command,
            kind,
            right: right.to_ne_bytes().to_vec(),
            wrong: NOBODY.to_ne_bytes().to_vec(),
        }
    }

    fn list(name: &'static str, kind: u16) -> Self {
        Self {
            name,
            command: TASKSTATS_CMD_GET,
            kind,
            right: b"0-1\0".to_vec(),
            wrong: b"1-0\0".to_vec(),
        }
    }

    fn bare(&self, family: u16) -> Request {
        // With an acknowledgement: a registration has no other answer.
        Request::new(family, self.command)
            .sequence(SEQUENCE)
            .flags(NLM_F_ACK)
    }

    fn right(&self) -> RawAttribute {
        RawAttribute::new(self.kind, self.right.clone())
    }

    fn wrong(&self) -> RawAttribute {
        RawAttribute::new(self.kind, self.wrong.clone())
    }

    fn request(&self, family: u16) -> Request {
        self.bare(family).with(self.right())
    }
}

fn taskstats(pid: u32) -> [Shape; 4] {
    [
        Shape::number("pid", TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, pid),
        Shape::number("tgid", TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_TGID, pid),
        Shape::list("register", TASKSTATS_CMD_ATTR_REGISTER_CPUMASK),
        Shape::list("deregister", TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK),
    ]
}

fn cgroupstats(fd: u32) -> Shape {
    Shape::number("fd", CGROUPSTATS_CMD_GET, CGROUPSTATS_CMD_ATTR_FD, fd)
}

/// Makes requests of one attribute.
type Requests = fn(u16, &Shape) -> Vec<Labelled>;

const ABOUT: &[(&str, Requests)] = &[
    ("values", values),
    ("neighbours", neighbours),
    ("flags", flags),
    ("headers", headers),
    ("lengths", lengths),
    ("commands", commands),
];

const ACKS: &[(&str, Acks)] = &[
    (
        "",
        Acks {
            extended: false,
            capped: false,
        },
    ),
    (
        "_with_extended_ack",
        Acks {
            extended: true,
            capped: false,
        },
    ),
];

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(ack, acks) in ACKS {
        for &(about, requests) in ABOUT {
            trials.push(context.trial_under_either(
                format!("attribute_combinations::{about}{ack}"),
                move |context, case| {
                    let all = |family, pid, fd| {
                        let mut all = Vec::new();
                        for shape in &taskstats(pid) {
                            all.extend(requests(family, shape));
                        }
                        all.extend(requests(family, &cgroupstats(fd)));
                        all
                    };
                    same(context, case, acks, all)
                },
            ));
        }
        trials.push(context.trial_under_either(
            format!("attribute_combinations::combinations{ack}"),
            move |context, case| {
                same(context, case, acks, |family, pid, _| {
                    combinations(family, &taskstats(pid))
                })
            },
        ));
    }
    trials
}

fn same(
    context: &Context,
    case: &str,
    acks: Acks,
    requests: impl FnOnce(u16, u32, u32) -> Vec<Labelled>,
) -> anyhow::Result<()> {
    let task = Task::spawn(Kind::Worked)?;
    // The caller inherits the descriptor, as it inherits its standard ones.
    let hierarchy = Hierarchy::mount("none,name=taskstats-shapes")?;
    let group = hierarchy.group("shapes")?;
    group.add(task.pid())?;
    let fd = group.inheritable()?;
    let mut caller = Caller::spawn(Standing::Root, acks)?;
    let requests = requests(caller.family(), task.pid(), fd.number());
    let labels: BTreeSet<_> = requests.iter().map(|(label, _)| label).collect();
    ensure!(labels.len() == requests.len(), "labels are not unique");
    let requests = debug_kernel_limits::some(requests, |_| false);
    let answers = differential_sums(context, case, 1, || ask_undoing(&mut caller, &requests))?;
    // Not all were refused, or there was little to compare.
    ensure!(
        answers
            .iter()
            .any(|answer| answer.datagrams().any(|datagram| holds_record(&datagram))),
        "no record came back"
    );
    Ok(())
}

fn labelled(label: String, request: &Request) -> Labelled {
    (label, request.encode())
}

/// Of every length, with every flag, and none.
fn values(family: u16, shape: &Shape) -> Vec<Labelled> {
    let name = shape.name;
    let bare = || shape.bare(family);
    let mut requests = vec![labelled(format!("{name}: no attribute"), &bare())];
    for (what, value) in [("right", &shape.right), ("wrong", &shape.wrong)] {
        let mut value = value.clone();
        value.resize(16, 0);
        for length in 0..=9 {
            let attribute = RawAttribute::new(shape.kind, &value[..length]);
            requests.push(labelled(
                format!("{name}: {what} value, {length} bytes"),
                &bare().with(attribute),
            ));
        }
        // No NUL, or something else in its place.
        for byte in [b'0', b',', b' ', b'\n', b'a', 0xff] {
            for length in [1, 2, 4, 8] {
                requests.push(labelled(
                    format!("{name}: {length} bytes {byte:#04x}, {what}"),
                    &bare().with(RawAttribute::new(
                        shape.kind,
                        [&value[..usize::from(what == "wrong")], &vec![byte; length]].concat(),
                    )),
                ));
            }
        }
    }
    for flags in [
        NLA_F_NESTED,
        NLA_F_NET_BYTEORDER,
        NLA_F_NESTED | NLA_F_NET_BYTEORDER,
    ] {
        let attribute = RawAttribute::new(shape.kind | flags, shape.right.clone());
        requests.push(labelled(
            format!("{name}: flagged {flags:#x}"),
            &bare().with(attribute),
        ));
    }
    for claim in [0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 484, 489, u16::MAX] {
        requests.push(labelled(
            format!("{name}: claims {claim} bytes"),
            &bare().with(shape.right().claiming(claim)),
        ));
    }
    requests
}

/// Repeated, beside attributes that do not exist, before bytes that are none.
fn neighbours(family: u16, shape: &Shape) -> Vec<Labelled> {
    let name = shape.name;
    let bare = || shape.bare(family);
    let mut requests = Vec::new();
    for (what, first, second) in [
        ("right, wrong", shape.right(), shape.wrong()),
        ("wrong, right", shape.wrong(), shape.right()),
        ("right, right", shape.right(), shape.right()),
        (
            "right, empty",
            shape.right(),
            RawAttribute::new(shape.kind, []),
        ),
        (
            "empty, right",
            RawAttribute::new(shape.kind, []),
            shape.right(),
        ),
    ] {
        requests.push(labelled(
            format!("{name}: {what}"),
            &bare().with(first).with(second),
        ));
    }
    for kind in [0, 5, 6, 7, 100, 0x3fff] {
        for (what, value) in [("number", &[1, 0, 0, 0][..]), ("nothing", &[])] {
            let unknown = || RawAttribute::new(kind, value);
            requests.extend([
                labelled(
                    format!("{name}: {what} as {kind} before"),
                    &bare().with(unknown()).with(shape.right()),
                ),
                labelled(
                    format!("{name}: {what} as {kind} after"),
                    &bare().with(shape.right()).with(unknown()),
                ),
                labelled(
                    format!("{name}: {what} as {kind} alone"),
                    &bare().with(unknown()),
                ),
            ]);
        }
    }
    for trailing in 1..=8 {
        for byte in [0, 0xff] {
            let mut request = shape.request(family);
            request.trailer = vec![byte; trailing];
            requests.push(labelled(
                format!("{name}: {trailing} bytes {byte:#04x} after it"),
                &request,
            ));
        }
    }
    requests
}

/// Every flag of the message.
fn flags(family: u16, shape: &Shape) -> Vec<Labelled> {
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
    for (what, attribute) in [("right", shape.right()), ("wrong", shape.wrong())] {
        for &flags in &sets {
            let mut request = shape.bare(family).with(attribute.clone());
            request.header.flags = flags;
            requests.push(labelled(
                format!("{}: {what}, flags {flags:#06x}", shape.name),
                &request,
            ));
        }
    }
    requests
}

/// Versions, port ids, sequence numbers.
fn headers(family: u16, shape: &Shape) -> Vec<Labelled> {
    let name = shape.name;
    let request = || shape.request(family);
    let mut requests = Vec::new();
    for version in (0..=18).chain([255]) {
        let mut request = request();
        request.version = version;
        requests.push(labelled(format!("{name}: version {version}"), &request));
    }
    for reserved in [1, 0x0100, u16::MAX] {
        let mut request = request();
        request.reserved = reserved;
        requests.push(labelled(format!("{name}: reserved {reserved}"), &request));
    }
    for port in [1, 4242, u32::MAX] {
        let mut request = request();
        request.header.port_number = port;
        requests.push(labelled(format!("{name}: nlmsg_pid {port}"), &request));
    }
    for sequence in [0, 1, u32::MAX] {
        let request = request().sequence(sequence);
        requests.push(labelled(format!("{name}: nlmsg_seq {sequence}"), &request));
    }
    requests
}

/// Messages that claim another length, are cut, or are several.
fn lengths(family: u16, shape: &Shape) -> Vec<Labelled> {
    let name = shape.name;
    let request = shape.request(family);
    let whole = request.encode();
    let mut requests = Vec::new();
    for claim in (0..=36).chain([1 << 20, u32::MAX]) {
        let mut request = request.clone();
        request.length = Some(claim);
        requests.push(labelled(format!("{name}: claims {claim} bytes"), &request));
    }
    for cut in 0..whole.len() {
        requests.push((format!("{name}: cut to {cut} bytes"), whole[..cut].to_vec()));
        if cut >= 4 {
            let mut honest = whole[..cut].to_vec();
            honest[..4].copy_from_slice(&(cut as u32).to_ne_bytes());
            requests.push((format!("{name}: cut to {cut} bytes, and says so"), honest));
        }
    }
    for (what, second) in [("right", shape.right()), ("wrong", shape.wrong())] {
        let second = shape.bare(family).with(second).sequence(2).encode();
        requests.push((
            format!("{name}: two requests, the second {what}"),
            [whole.clone(), second.clone()].concat(),
        ));
        requests.push((
            format!("{name}: two requests, the first {what}"),
            [second, whole.clone()].concat(),
        ));
    }
    for kilobytes in [1, 16, 64] {
        let mut request = request.clone();
        request.trailer = vec![0; kilobytes * 1024];
        requests.push(labelled(
            format!("{name}: {kilobytes} kB after it"),
            &request,
        ));
    }
    requests
}

/// Given with the commands that do not take it.
fn commands(family: u16, shape: &Shape) -> Vec<Labelled> {
    (0..16)
        .chain([127, 128, 254, 255])
        .filter(|&command| command != shape.command)
        .map(|command| {
            let mut request = shape.request(family);
            request.command = command;
            labelled(format!("{}: command {command}", shape.name), &request)
        })
        .collect()
}

/// Two to four of the attributes in every order, each right or wrong.
fn combinations(family: u16, shapes: &[Shape; 4]) -> Vec<Labelled> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    let mut requests = Vec::new();
    for _ in 0..shapes.len() {
        orders = orders
            .iter()
            .flat_map(|order| {
                (0..shapes.len())
                    .filter(|next| !order.contains(next))
                    .map(|next| [&order[..], &[next]].concat())
            })
            .collect();
        for order in &orders {
            for wrong in 0..1 << order.len() {
                let mut request = Request::get(family).sequence(SEQUENCE).flags(NLM_F_ACK);
                let mut label = String::from("all of");
                for (place, &which) in order.iter().enumerate() {
                    let shape = &shapes[which];
                    let (what, attribute) = if (wrong >> place) & 1 == 0 {
                        ("right", shape.right())
                    } else {
                        ("wrong", shape.wrong())
                    };
                    request = request.with(attribute);
                    label.push_str(&format!(" {} {what}", shape.name));
                }
                requests.push(labelled(label, &request));
            }
        }
    }
    requests
}
