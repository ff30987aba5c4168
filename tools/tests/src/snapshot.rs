// SPDX-License-Identifier: GPL-2.0

//! What a kernel answers, as JSON that is the same at every boot: two kernels that should behave
//! alike are compared by comparing their snapshots.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Context as _;
use serde::Serialize;
use taskstats::{
    Client, Options, Stats,
    answer::Datagram,
    record::{FIELDS, Field, Taskstats, Unit},
};

use crate::{
    cases::{describe_family, family_requests},
    compare::holds_record,
    exchange::{Answer, Ask},
    requests::{self, Labelled},
    workload::{Kind, Task},
};

/// A port id that is the same at every boot: it is in every answer.
const PORT: u32 = 0x7461_736b;

/// The task that the requests are about: its id is the same at every boot.
const INIT: u32 = 1;

/// Fields whose value the workload fixes.
const SAME: &[&str] = &[
    "version",
    "ac_exitcode",
    "ac_flag",
    "ac_nice",
    "ac_comm",
    "ac_sched",
    "ac_uid",
    "ac_gid",
    "swapin_count",
];

/// Fields of which the workload fixes that they are not zero.
const PRESENT: &[&str] = &[
    "cpu_count",
    "cpu_run_real_total",
    "cpu_run_virtual_total",
    "ac_pid",
    "ac_tgid",
    "ac_ppid",
    "ac_btime",
    "ac_btime64",
    "ac_etime",
    "ac_tgetime",
    "ac_minflt",
    "hiwater_rss",
    "hiwater_vm",
    "read_char",
    "write_char",
    "read_syscalls",
    "nvcsw",
    "ac_exe_inode",
    "wpcopy_count",
    "wpcopy_delay_total",
];

/// What a kernel answers.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    family: String,
    policy: String,
    controller: BTreeMap<String, Vec<String>>,
    requests: BTreeMap<String, Vec<String>>,
    unprivileged: BTreeMap<String, Vec<String>>,
    record: Vec<Shape>,
}

/// A field of a record.
#[derive(Debug, Serialize)]
struct Shape {
    field: &'static str,
    offset: usize,
    size: usize,
    value: String,
}

impl Snapshot {
    /// Takes one.
    pub fn take() -> anyhow::Result<Self> {
        let mut client = Client::connect(Options {
            port: PORT,
            extended_ack: true,
            ..Options::default()
        })?;
        let id = client.family();
        let questions = family_requests(id);
        let (family, policy) = describe_family(&ask(&mut client, &questions)?)?;
        let requests = requests::all(id, INIT);
        Ok(Self {
            family: format!("{family:?}"),
            policy: format!("{policy:?}"),
            controller: table(&mut client, &questions)?,
            requests: table(&mut client, &requests)?,
            record: record(&mut client)?,
            // Last: it gives privileges up.
            unprivileged: {
                caps::clear(None, caps::CapSet::Effective)?;
                table(&mut client, &requests)?
            },
        })
    }
}

fn ask(client: &mut Client, requests: &[Labelled]) -> anyhow::Result<Vec<Answer>> {
    requests
        .iter()
        .map(|(label, request)| client.ask(label, request))
        .collect()
}

fn table(
    client: &mut Client,
    requests: &[Labelled],
) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let answers = ask(client, requests)?;
    Ok(answers
        .into_iter()
        .map(|answer| {
            let mut lines: Vec<_> = answer.datagrams().map(|it| describe(&it)).collect();
            if let Some(errno) = answer.socket_errno {
                lines.push(format!("socket errno {errno}"));
            }
            (answer.label, lines)
        })
        .collect())
}

/// The bytes, but for a record, which moves.
fn describe(datagram: &Datagram) -> String {
    if holds_record(datagram) {
        return format!("a record in {} bytes", datagram.0.len());
    }
    let mut hex = String::new();
    for byte in &datagram.0 {
        write!(hex, "{byte:02x}").expect("strings take all");
    }
    hex
}

fn record(client: &mut Client) -> anyhow::Result<Vec<Shape>> {
    let task = Task::spawn(Kind::Worked)?;
    let (label, request) = requests::record(client.family(), task.pid());
    let answer = client.ask(&label, &request)?;
    let datagram = answer.datagrams().next().context("no answer")?;
    let stats = Stats::of(&datagram.messages()?[0])?;
    let record = &stats.first().context("no record")?.record;
    Ok(FIELDS.iter().map(|field| shape(field, record)).collect())
}

fn shape(field: &'static Field, record: &Taskstats) -> Shape {
    let zero = field.bytes(record).iter().all(|&byte| byte == 0);
    let value = if SAME.contains(&field.name) || field.unit == Unit::Padding {
        field.show(record)
    } else if PRESENT.contains(&field.name) {
        if zero { "zero" } else { "not zero" }.to_owned()
    } else {
        "varies".to_owned()
    };
    Shape {
        field: field.name,
        offset: field.offset,
        size: field.size,
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_name_fields() {
        for name in SAME.iter().chain(PRESENT) {
            assert!(Field::named(name).is_some(), "{name}");
        }
    }
}
