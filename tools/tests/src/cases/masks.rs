// SPDX-License-Identifier: GPL-2.0

//! What registering and deregistering make of a list of CPUs: the same answers, the same CPUs.

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use crate::request::{RawAttribute, Request};
use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use nix::libc;
use taskstats::{
    Client, Options, Subject,
    answer::{Body, Datagram},
    uapi::{TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK},
};

use crate::{
    clone_as_vfork::end_on,
    compare::records,
    context::Context,
    debug_kernel_limits,
    differential::differential,
    exchange::{Answer, Ask},
    implementation::Implementation,
    requests::Labelled,
};

const NLM_F_ACK: u16 = 4;

/// A list that is too long whatever `NR_CPUS` is: no more than 8,192.
const TOO_LONG: usize = 60_000;

/// What register and deregister are called in labels.
const LISTENING: [(&str, u16); 2] = [
    ("register", TASKSTATS_CMD_ATTR_REGISTER_CPUMASK),
    ("deregister", TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK),
];

/// Short ones of which it is demanded what they do.
const DEMANDED: &[&[u8]] = &[
    b"", b"0", b"1", b"0-1", b"1-0", b"0-1:1/2", b"0,,1", b"0\n", b"a", b"999999",
];

/// The longest list that the kernel takes, `TASKSTATS_CPUMASK_MAXLEN`: it grows with `NR_CPUS`.
fn longest() -> anyhow::Result<usize> {
    const FILE: &str = "/sys/devices/system/cpu/kernel_max";
    let last: usize = fs::read_to_string(FILE).context(FILE)?.trim().parse()?;
    Ok(100 + 6 * (last + 1))
}

/// Lists of CPUs, good ones and bad ones.
pub(super) fn masks() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut masks: Vec<Vec<u8>> = [
        "0",
        "1",
        "0-1",
        "1-0",
        "0,1",
        "1,0",
        "0,0",
        "0-0",
        "0-",
        "-",
        "-0",
        "-1",
        "0--1",
        "2",
        "0-2",
        "63",
        "64",
        "65",
        "0-63",
        "0-64",
        "127",
        "999999",
        "4294967295",
        "4294967296",
        "4294967297",
        "18446744073709551616",
        "99999999999999999999999",
        "00",
        "000000000001",
        "0x0",
        "0x1",
        "+0",
        " 0",
        "0 ",
        " 0 ",
        "0 1",
        "0 , 1",
        "0 -1",
        "\t0",
        "0\t",
        "\n",
        "0\n",
        "\n0",
        "0\n1",
        "0\n\n",
        "0\r\n",
        "0\0",
        "\0",
        "\0\0",
        "0\0\0",
        "0\0,1",
        "0\0garbage",
        "\x000",
        ",",
        ",,",
        "0,",
        ",0",
        "0,,1",
        ",0,,1,",
        "0-1,",
        "a",
        "0a",
        "a0",
        "0,a",
        "0-a",
        "all",
        "ALL",
        "All",
        "all,0",
        "0,all",
        "allx",
        "all:1/2",
        "N",
        "n",
        "0-N",
        "N-0",
        "N-N",
        "N,0",
        "NN",
        "0-1:1/2",
        "0-1:2/2",
        "0-1:0/2",
        "0-1:1/0",
        "0-1:0/0",
        "0-1:3/2",
        "0-1:1/",
        "0-1:",
        "0-1:1",
        "0-1:/2",
        "0:1/2",
        "0-1/2",
        "0-1:1/2,1",
        "0-1:1/2:1/2",
        "0-1:-1/2",
        "all:1/64",
        ":",
        "/",
        ".",
        "0.5",
        "none",
        "#0",
        "0;1",
        "0|1",
        "^0",
        "!0",
        "~1",
        "\u{e4}",
    ]
    .into_iter()
    .map(|mask| mask.as_bytes().to_vec())
    .collect();
    masks.extend([Vec::new(), vec![0xff], vec![b'0', 0xff], vec![0x80; 8]]);
    // On both sides of what the kernel takes, and of what a page or two hold.
    let longest = longest()?;
    let mut lengths = BTreeSet::from([100, 1024, 4095, 4096, 4097, 10_240, 32_768, TOO_LONG]);
    lengths.extend(longest - 1..=longest + 2);
    for length in lengths {
        masks.push(vec![b'0'; length]);
        masks.push([&b"0"[..], &vec![b','; length - 1]].concat());
        masks.push([&b"0"[..], &vec![0; length - 1]].concat());
        masks.push(vec![b' '; length]);
    }
    Ok(debug_kernel_limits::some(masks, |mask| is_telling(mask)))
}

/// Whether a list is one of the few that say most: those demanded, and all lengths.
pub(super) fn is_telling(mask: &[u8]) -> bool {
    DEMANDED.contains(&mask) || mask.len() >= 100 && mask.iter().all(|&byte| byte == b'0')
}

/// A mask in a label: as long as it is, or its beginning and its length.
fn shown(mask: &[u8]) -> String {
    const SHOWN: usize = 24;
    if mask.len() <= SHOWN {
        return format!("\"{}\"", mask.escape_ascii());
    }
    let start = mask[..SHOWN].escape_ascii();
    format!("\"{start}...\" of {} bytes", mask.len())
}

fn listen(family: u16, attribute: u16, mask: &[u8]) -> Request {
    Request::get(family)
        .sequence(99)
        .flags(NLM_F_ACK)
        .with(RawAttribute::new(attribute, mask))
}

/// Requests to register and to deregister for each of these lists.
pub(super) fn requests(family: u16, masks: &[Vec<u8>]) -> Vec<Labelled> {
    let mut requests = Vec::new();
    for (name, attribute) in LISTENING {
        for mask in masks {
            for (end, nul) in [("", &b""[..]), (" and NUL", b"\0")] {
                let request = listen(family, attribute, &[mask, nul].concat());
                requests.push((format!("{name} {}{end}", shown(mask)), request.encode()));
            }
        }
    }
    requests
}

/// Puts these requests one after the other, and takes back after each what it may have registered.
///
/// Exit records that come in meanwhile are no answers.
pub(super) fn ask_undoing(
    who: &mut impl Ask,
    requests: &[Labelled],
) -> anyhow::Result<Vec<Answer>> {
    let family = who.family();
    let possible = fs::read("/sys/devices/system/cpu/possible")?;
    let undo = listen(family, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, &possible).encode();
    requests
        .iter()
        .map(|(label, request)| {
            let mut answer = who.ask(label, request)?;
            answer.datagrams.retain(|datagram| {
                let datagram = Datagram(datagram.clone());
                !is_exit_record(&datagram)
            });
            who.ask("undo", &undo)?;
            Ok(answer)
        })
        .collect()
}

/// Only exit records come from port 0 with a record in them.
fn is_exit_record(datagram: &Datagram) -> bool {
    !records(datagram).is_empty()
        && datagram
            .messages()
            .is_ok_and(|messages| messages[0].header.port_number == 0)
}

/// The errno that a request was answered with.
pub(super) fn errno(answer: &Answer) -> anyhow::Result<i32> {
    let datagram = answer.datagrams().next().context("no answer")?;
    match &datagram.messages()?.first().context("no message")?.body {
        Body::Error(report) => Ok(-report.code),
        body => anyhow::bail!("answered with {body:?}"),
    }
}

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial_under_either("masks::answers", |context, case| {
            let mut client = Client::connect(Options::default())?;
            let requests = requests(client.family(), &masks()?);
            let label = |act: &str, list: &[u8]| format!("{act} {}", shown(list));
            let zeroes = |length| vec![b'0'; length];
            let longest = longest()?;
            let answers = differential(context, case, || ask_undoing(&mut client, &requests))?;
            // As Rust is equal, this holds for both.
            for (label, expected) in [
                (label("register", b"0"), 0),
                (label("register", b"0") + " and NUL", 0),
                (label("register", b"0\n"), 0),
                // The policy's word: C's own check, which says EINVAL, comes too late.
                (label("register", b""), libc::ERANGE),
                (label("register", b"1-0"), libc::EINVAL),
                (label("register", b"a"), libc::EINVAL),
                (label("deregister", b"1-0"), libc::EINVAL),
                (label("deregister", b"999999"), libc::ERANGE),
                (label("register", &zeroes(longest)), 0),
                (label("register", &zeroes(longest + 1)), libc::E2BIG),
                (label("deregister", &zeroes(TOO_LONG)), libc::E2BIG),
            ] {
                let answer = answers.iter().find(|answer| answer.label == label);
                let answer = answer.with_context(|| format!("nobody asked to {label}"))?;
                let found = errno(answer)?;
                ensure!(found == expected, "{label}: errno {found}, not {expected}");
            }
            Ok(())
        }),
        context.trial("masks::registered_cpus", |context, _| {
            same_cpus(context, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK)
        }),
        context.trial("masks::deregistered_cpus", |context, _| {
            same_cpus(context, TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK)
        }),
    ]
}

/// A list, its errno, and the CPUs whose exit records come afterwards.
type Effect = (String, i32, BTreeSet<usize>);

/// After every list, the records of the same CPUs come.
fn same_cpus(context: &Context, attribute: u16) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for implementation in [Implementation::C, Implementation::Rust, Implementation::C] {
        context.switch.to(implementation)?;
        found.push(effects(attribute)?);
    }
    let [c, rust, again] = &found[..] else {
        anyhow::bail!("{} rounds", found.len());
    };
    ensure!(c == again, "C: {c:?}\nC again: {again:?}");
    for (c, rust) in c.iter().zip(rust) {
        ensure!(c == rust, "C: {c:?}\nRust: {rust:?}");
    }
    let registers = attribute == TASKSTATS_CMD_ATTR_REGISTER_CPUMASK;
    for (mask, cpus) in [
        ("\"0\"", &[0][..]),
        ("\"1\"", &[1]),
        ("\"0-1\"", &[0, 1]),
        ("\"0-1:1/2\"", &[0]),
        ("\"0,,1\"", &[0, 1]),
        ("\"a\"", &[]),
    ] {
        let (.., reporting) = c
            .iter()
            .find(|effect| effect.0 == mask)
            .with_context(|| format!("no {mask}"))?;
        let expected: BTreeSet<usize> = [0, 1]
            .into_iter()
            .filter(|cpu| cpus.contains(cpu) == registers)
            .collect();
        ensure!(*reporting == expected, "{mask}: {reporting:?}");
    }
    Ok(())
}

fn effects(attribute: u16) -> anyhow::Result<Vec<Effect>> {
    let registers = attribute == TASKSTATS_CMD_ATTR_REGISTER_CPUMASK;
    let short = masks()?.into_iter().filter(|mask| mask.len() < 24);
    short
        .map(|mask| {
            let mut client = Client::connect(Options::default())?;
            if !registers {
                client.register("0-1")?;
            }
            let request = listen(client.family(), attribute, &mask).encode();
            let answer = client.exchange(&request)?;
            let mut answer = answer
                .into_iter()
                .filter(|datagram| !is_exit_record(datagram));
            let answer = answer.next().context("no answer")?;
            let code = match &answer.messages()?[0].body {
                Body::Error(report) => -report.code,
                body => anyhow::bail!("{body:?}"),
            };
            let mut reporting = BTreeSet::new();
            for cpu in [0, 1] {
                if reports(&mut client, cpu)? {
                    reporting.insert(cpu);
                }
            }
            client.deregister("0-1")?;
            Ok((shown(&mask), code, reporting))
        })
        .collect()
}

/// Whether the record of a task that exits on that CPU comes.
fn reports(client: &mut Client, cpu: usize) -> anyhow::Result<bool> {
    let pid = end_on(cpu)?;
    // Who waited for a task has had its record sent.
    while let Some(datagram) = client.exit_record(Duration::ZERO)? {
        let of_child = |stats: taskstats::Stats| stats.subject == Subject::Pid(pid);
        if records(&datagram).into_iter().any(of_child) {
            return Ok(true);
        }
    }
    Ok(false)
}
