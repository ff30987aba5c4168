// SPDX-License-Identifier: GPL-2.0

//! Instructions, counted in a guest in which the clock counts them: C and Rust in turn, round after
//! round, until the figures have settled.

use std::{path::Path, time::Duration};

use ::tests::{
    cgroup::{Hierarchy, Inheritable},
    implementation::{Implementation, Switch, unload},
    workload::process::Process,
};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use taskstats::{
    Client, Options, Request, controller,
    taskacct::{self, ExitFilter},
};

use crate::{
    dumps::{self, Dump},
    exits::{Exits, Kind},
    figures::{Rounds, Unit},
    iterator::Iterator,
    listeners::Listeners,
    marks::Marks,
    netlink::{OneWay, RoundTrip},
    operation::{ONE_BY_ONE, Operation, cost, own_instructions},
    procfiles::ProcFiles,
    requests,
    statistics::quantile,
};

/// Numbers of listeners that are told of an exit.
const LISTENERS: [usize; 5] = [0, 1, 2, 8, 64];
/// Rounds that there are at least.
const LEAST: usize = 5;
/// Rounds after which there are no more, settled or not.
const MOST: usize = 15;
/// The spread below which a figure has settled.
pub(crate) const SETTLED: f64 = 0.01;
/// How often the module is loaded and unloaded in a round.
const LOADS: usize = 21;

/// What was counted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) rows: Vec<Rounds>,
    /// Figures whose spread stayed too large.
    pub(crate) unsettled: Vec<String>,
}

/// Counts everything; dumps beside an iterator of BPF's, if there is one in this file.
pub(crate) fn all(switch: &Switch, iterator: Option<&Path>) -> Result<Counted> {
    let mut subjects = Subjects::prepare()?;
    let mut iterator = iterator.map(Iterator::load).transpose()?;
    let mut rows = Vec::new();
    // The first round is for caches to fill.
    round(switch, &mut subjects, iterator.as_mut())?;
    for number in 1..=MOST {
        add(&mut rows, round(switch, &mut subjects, iterator.as_mut())?)?;
        if number >= LEAST && unsettled(&rows).is_empty() {
            break;
        }
    }
    let unsettled = unsettled(&rows);
    Ok(Counted { rows, unsettled })
}

/// How often what is profiled is done before, for caches to fill, and between marks.
const WARM_UP: u32 = 1_000;
const PROFILED: u32 = 101;

/// Does one thing between marks, under C and under Rust, and prints the kernel's symbols.
pub(crate) fn marked(switch: &Switch, figure: &str) -> Result<()> {
    let mut subjects = Subjects::prepare()?;
    let marks = Marks::new()?;
    let dump = dumps::KINDS.iter().find(|kind| kind.name == figure);
    for implementation in [Implementation::C, Implementation::Rust] {
        switch.to(implementation)?;
        // C has to be asked for one task after the other.
        let figure = if dump.is_some() { ONE_TASK } else { figure };
        if let Some(&kind) = dump.filter(|_| implementation == Implementation::Rust) {
            under_marks(&marks, &mut Dump::new(kind)?)?;
        } else if let Some((kind, number)) = exit(figure) {
            subjects.listeners.set(number)?;
            under_marks(&marks, &mut Exits::new(kind, &mut subjects.listeners))?;
            subjects.listeners.set(0)?;
        } else {
            let mut operations = subjects.operations.iter_mut();
            let operation = operations.find(|(name, _)| *name == figure);
            under_marks(&marks, &mut *operation.context("no such figure")?.1)?;
        }
    }
    print!("{}", std::fs::read_to_string("/proc/kallsyms")?);
    Ok(())
}

/// What ends, and the number of listeners, if that is what a figure is about.
fn exit(figure: &str) -> Option<(Kind, usize)> {
    let (kind, rest) = figure.split_once(" exit, ")?;
    let kind = match kind {
        "process" => Kind::Process,
        "thread" => Kind::Thread,
        _ => return None,
    };
    let number = match rest.split(' ').next()? {
        "no" => 0,
        number => number.parse().ok()?,
    };
    (number <= LISTENERS[LISTENERS.len() - 1]).then_some((kind, number))
}

fn under_marks(marks: &Marks, operation: &mut dyn Operation) -> Result<()> {
    for _ in 0..WARM_UP {
        operation.run(1)?;
        operation.tidy(1)?;
    }
    for _ in 0..PROFILED {
        marks.begin();
        operation.run(1)?;
        marks.end();
        operation.tidy(1)?;
    }
    Ok(())
}

/// The figures that have not settled, of those that C and Rust are compared by.
///
/// Loading the module need not: in some rounds it takes half as many instructions as in the others.
fn unsettled(rows: &[Rounds]) -> Vec<String> {
    rows.iter()
        .filter(|row| !row.c.is_empty())
        .filter(|row| row.spread().is_none_or(|spread| spread >= SETTLED))
        .map(|row| row.figure.clone())
        .collect()
}

/// A figure and what it came to in one round.
type Value = (String, f64);

/// C, then Rust; then the change between them.
fn round(
    switch: &Switch,
    subjects: &mut Subjects,
    iterator: Option<&mut Iterator>,
) -> Result<Vec<Rounds>> {
    switch.to(Implementation::C)?;
    let c = subjects.costs().context("under C")?;
    switch.to(Implementation::Rust)?;
    let rust = subjects.costs().context("under Rust")?;
    let dumps = dump_costs()?;
    let filtered = subjects.filtered_exits()?;
    let iterated = iterator.map(iterator_cost).transpose()?;
    switch.to(Implementation::C)?;
    let mut rows = Vec::new();
    for ((figure, c), (same, rust)) in c.into_iter().zip(rust) {
        ensure!(figure == same, "{figure} and {same} are not the same");
        rows.push(row(figure, vec![c], vec![rust]));
    }
    // C has to be asked for one task after the other.
    let one = rows.iter().find(|row| row.figure == ONE_TASK);
    let one = one.context("no such figure")?.c.clone();
    let unheard = rows.iter().find(|row| row.figure == UNHEARD_EXIT);
    let unheard = unheard.context("no such figure")?.c.clone();
    for (figure, cost) in filtered {
        rows.push(row(figure, unheard.clone(), vec![cost]));
    }
    for (figure, cost) in dumps {
        if figure == dumps::IDENTITY_AND_DELAYS {
            if let Some(iterated) = iterated {
                let figure = format!("{figure}, beside BPF's iterator");
                rows.push(row(figure, vec![iterated], vec![cost]));
            }
        }
        rows.push(row(figure, one.clone(), vec![cost]));
    }
    let (load, unload) = changes(switch)?;
    rows.push(row("insmod rust_taskstats".into(), vec![], vec![load]));
    rows.push(row("rmmod rust_taskstats".into(), vec![], vec![unload]));
    Ok(rows)
}

fn row(figure: String, c: Vec<f64>, rust: Vec<f64>) -> Rounds {
    Rounds {
        figure,
        unit: Unit::Instructions,
        c,
        rust,
    }
}

/// Adds a round to those before it.
fn add(rows: &mut Vec<Rounds>, round: Vec<Rounds>) -> Result<()> {
    if rows.is_empty() {
        *rows = round;
        return Ok(());
    }
    ensure!(rows.len() == round.len(), "rounds differ");
    for (row, new) in rows.iter_mut().zip(round) {
        ensure!(row.figure == new.figure, "rounds differ");
        row.c.extend(new.c);
        row.rust.extend(new.rust);
    }
    Ok(())
}

/// The figure that dumps are compared with.
const ONE_TASK: &str = "GET PID";

/// The figure that exits which a filter drops are compared with.
const UNHEARD_EXIT: &str = "process exit, no listener";

/// What dumps cost for each of their tasks.
fn dump_costs() -> Result<Vec<Value>> {
    dumps::KINDS
        .iter()
        .map(|&kind| {
            let mut dump = Dump::new(kind).context(kind.name)?;
            let cost = cost(&mut dump).context(kind.name)?;
            Ok((kind.name.to_owned(), cost / dump.tasks() as f64))
        })
        .collect()
}

/// What BPF's iterator costs for each of its tasks.
fn iterator_cost(iterator: &mut Iterator) -> Result<f64> {
    let cost = cost(iterator).context("BPF's iterator")?;
    Ok(cost / iterator.tasks() as f64)
}

/// What loading and unloading cost who does it. What others do meanwhile, and the time in which
/// everybody waits for a grace period, do not count.
fn changes(switch: &Switch) -> Result<(f64, f64)> {
    let (mut loads, mut unloads) = ([0.0; LOADS], [0.0; LOADS]);
    for (load, unloading) in loads.iter_mut().zip(&mut unloads) {
        let begin = own_instructions();
        switch.load()?;
        let loaded = own_instructions();
        unload()?;
        let end = own_instructions();
        (*load, *unloading) = ((loaded - begin) as f64, (end - loaded) as f64);
    }
    let part = ONE_BY_ONE.quantile;
    Ok((
        quantile(&loads, part).context("no load")?,
        quantile(&unloads, part).context("no load")?,
    ))
}

/// What is asked for, and the sockets, all of which stay as they are in all rounds.
struct Subjects {
    operations: Vec<(&'static str, Box<dyn Operation>)>,
    request: [OneWay; 2],
    refused: RoundTrip,
    listeners: Listeners,
    _processes: Vec<Process>,
    _directory: Inheritable,
    _hierarchy: Hierarchy,
}

impl Subjects {
    fn prepare() -> Result<Self> {
        let mut client = Client::connect(Options::default())?;
        let family = client.family();
        let [one, some, many] = [1, 64, 1_000].map(|threads| -> Result<Process> {
            Process::spawn(threads, Duration::from_millis(1))
                .with_context(|| format!("a process with {threads} threads"))
        });
        let processes = vec![one?, some?, many?];
        let [one, some, many] = [0, 1, 2].map(|index: usize| processes[index].pid());
        let hierarchy = Hierarchy::mount("none,name=bench")?;
        let group = hierarchy.group("one")?;
        group.add(one)?;
        let directory = group.inheritable()?;
        // The group goes with the guest.
        std::mem::forget(group);
        let controller_answer = client.exchange(&requests::family())?;
        let controller_answer = controller_answer.first().context("no family")?.0.len();

        let trip = |requests, size| -> Result<Box<dyn Operation>> {
            Ok(Box::new(RoundTrip::new(requests, size)?))
        };
        let record = |request: Request| trip(vec![request.encode()], requests::RECORD_ANSWER);
        let refusal = |request: Request| {
            let request = request.encode();
            let size = requests::refusal(request.len());
            trip(vec![request], size)
        };
        let operations = vec![
            (ONE_TASK, record(Request::pid(family, one))?),
            ("GET TGID, 1 thread", record(Request::tgid(family, one))?),
            ("GET TGID, 64 threads", record(Request::tgid(family, some))?),
            (
                "GET TGID, 1000 threads",
                record(Request::tgid(family, many))?,
            ),
            ("GET PID, unknown", refusal(Request::pid(family, gone()?))?),
            ("GET without attributes", refusal(Request::get(family))?),
            (
                "cgroupstats",
                trip(
                    vec![Request::cgroup(family, directory.number()).encode()],
                    requests::CGROUP_ANSWER,
                )?,
            ),
            (
                "register and deregister",
                trip(
                    vec![requests::register(family), requests::deregister(family)],
                    requests::ACK,
                )?,
            ),
            (
                "/proc: stat, io, status, schedstat",
                Box::new(ProcFiles::of(&one.to_string())?),
            ),
            (
                "controller: GETFAMILY",
                trip(vec![requests::family()], controller_answer)?,
            ),
            (
                "floor, 28 to 48 bytes",
                trip(vec![requests::refused(28)], requests::refusal(28))?,
            ),
        ];
        // Whether the family is there is asked for last, so that an error above says what it is.
        controller::Family::parse(&client.exchange(&requests::family())?)?;
        Ok(Self {
            operations,
            request: [
                OneWay::new(requests::passed_over(SMALL))?,
                OneWay::new(requests::passed_over(LARGE))?,
            ],
            refused: RoundTrip::new(vec![requests::refused(LARGE)], requests::refusal(LARGE))?,
            listeners: Listeners::open(family, LISTENERS[LISTENERS.len() - 1])?,
            _processes: processes,
            _directory: directory,
            _hierarchy: hierarchy,
        })
    }

    /// What everything costs under the implementation in charge.
    fn costs(&mut self) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for (figure, operation) in &mut self.operations {
            let cost = cost(&mut **operation).with_context(|| (*figure).to_owned())?;
            values.push(((*figure).to_owned(), cost));
        }
        values.push(("floor, 28 to 724 bytes".to_owned(), self.floor()?));
        for (name, kind) in [
            ("process exit", Kind::Process),
            ("thread exit", Kind::Thread),
        ] {
            values.extend(exits(name, &self.exit_costs(kind).context(name)?));
        }
        Ok(values)
    }

    /// The cheapest round trip of a query's sizes.
    ///
    /// There is no family that answers 724 bytes to 28 without any work. But a refusal repeats the
    /// request: so this is the round trip of 704 bytes and its refusal in 724, less what a request
    /// of 704 bytes costs more than one of 28.
    fn floor(&mut self) -> Result<f64> {
        let [small, large] = &mut self.request;
        Ok(cost(&mut self.refused)? - (cost(large)? - cost(small)?))
    }

    /// What the coming and going of a process costs that a filter of taskacct drops: as it has not
    /// failed, and as it is another user's.
    fn filtered_exits(&mut self) -> Result<Vec<Value>> {
        const NOBODY: u32 = 65_534;
        let any = ExitFilter::default();
        let filters = [
            (
                "of what failed",
                ExitFilter {
                    failed: true,
                    ..any
                },
            ),
            (
                "of a user",
                ExitFilter {
                    uid: Some(NOBODY),
                    ..any
                },
            ),
        ];
        let cost_of = |(name, filter): (&str, ExitFilter)| {
            let mut filtered = taskacct::Exits::open(&filter, Options::default())?;
            let cost = cost(&mut Exits::new(Kind::Process, &mut self.listeners))?;
            let dropped = filtered.next(Duration::ZERO)?.is_none();
            ensure!(dropped, "the filter lets an exit through");
            Ok((format!("process exit, dropped by a filter {name}"), cost))
        };
        filters.into_iter().map(cost_of).collect()
    }

    /// What the coming and going of a task costs, for each number of listeners.
    fn exit_costs(&mut self, kind: Kind) -> Result<[f64; LISTENERS.len()]> {
        let mut costs = [0.0; LISTENERS.len()];
        for (cost_of, number) in costs.iter_mut().zip(LISTENERS) {
            self.listeners.set(number)?;
            *cost_of = cost(&mut Exits::new(kind, &mut self.listeners))?;
        }
        self.listeners.set(0)?;
        Ok(costs)
    }
}

/// The sizes of a query, and of a request whose refusal is as large as a query's answer.
const SMALL: usize = 28;
const LARGE: usize = 704;

/// What an exit costs without a listener, what listeners add, and each of the many.
fn exits(name: &str, costs: &[f64; LISTENERS.len()]) -> Vec<Value> {
    let mut values = Vec::new();
    for (cost, number) in costs.iter().zip(LISTENERS) {
        values.push(match number {
            0 => (format!("{name}, no listener"), *cost),
            1 => (format!("{name}, 1 listener adds"), cost - costs[0]),
            _ => (format!("{name}, {number} listeners add"), cost - costs[0]),
        });
    }
    let further = (costs[4] - costs[1]) / (LISTENERS[4] - LISTENERS[1]) as f64;
    values.push((format!("{name}, each further listener"), further));
    values
}

/// An id that no task has: it had one just now.
fn gone() -> Result<u32> {
    let mut child = std::process::Command::new("true").spawn()?;
    child.wait()?;
    Ok(child.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_told_apart_from_the_exit() {
        let values = exits("exit", &[100.0, 110.0, 112.0, 124.0, 236.0]);
        let expected = [
            ("exit, no listener", 100.0),
            ("exit, 1 listener adds", 10.0),
            ("exit, 2 listeners add", 12.0),
            ("exit, 8 listeners add", 24.0),
            ("exit, 64 listeners add", 136.0),
            ("exit, each further listener", 2.0),
        ];
        assert_eq!(values, expected.map(|(name, cost)| (name.to_owned(), cost)));
    }

    #[test]
    fn a_figure_tells_what_ends() {
        assert_eq!(exit("process exit, no listener"), Some((Kind::Process, 0)));
        assert_eq!(
            exit("thread exit, 8 listeners add"),
            Some((Kind::Thread, 8))
        );
        assert_eq!(exit("thread exit, 3"), Some((Kind::Thread, 3)));
        for other in [
            "GET PID",
            "thread exit, 65",
            "exit, 1",
            "thread exit, each further listener",
        ] {
            assert_eq!(exit(other), None, "{other}");
        }
    }

    #[test]
    fn rounds_are_added_until_they_settle() {
        let mut rows = Vec::new();
        let round = |cost: f64| {
            vec![
                row("a".into(), vec![50.0], vec![cost]),
                row("Rust alone".into(), vec![], vec![cost]),
            ]
        };
        add(&mut rows, round(100.0)).unwrap();
        add(&mut rows, round(100.0 * (1.0 + 4.0 * SETTLED))).unwrap();
        assert_eq!(unsettled(&rows), ["a"]);
        add(&mut rows, round(100.0)).unwrap();
        add(&mut rows, round(100.0)).unwrap();
        add(&mut rows, round(100.0)).unwrap();
        assert_eq!(rows[0].rust.len(), 5);
        assert!(unsettled(&rows).is_empty());
        assert!(add(&mut rows, vec![]).is_err());
    }
}
