// SPDX-License-Identifier: GPL-2.0

//! A run: the known cases, then batch after batch until enough was sent or something differs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::ensure;
use taskstats::{Client, Options};

use super::{
    ask::{Asker, Reply, Send},
    case::Case,
    generate::Generator,
    minimise::minimise,
    tally::Tally,
    text,
    verdict::differences,
    world::{Names, World},
};
use crate::{
    compare::Difference,
    implementation::{Implementation, Switch},
    kernel_log::{KernelLog, no_complaints},
};

/// The cases that are replayed at the start of each run.
pub const KNOWN: &str = include_str!("cases.txt");

/// Rounds until C agrees with itself about a case.
const ROUNDS: usize = 5;

/// Kinds of differences that are minimised before a run ends.
const SHOWN: usize = 5;

/// What is to be run.
#[derive(Debug)]
pub struct Run {
    /// Who answers.
    pub switch: Switch,
    /// How many datagrams to send to each.
    pub messages: u64,
    /// What they are made of.
    pub seed: u64,
    /// How many go to one implementation before it is the other's turn.
    pub batch: u64,
}

/// How long the parts took.
#[derive(Debug, Default)]
struct Times {
    c: Duration,
    rust: Duration,
    switching: Duration,
}

/// How errors are answered on a socket.
#[derive(Clone, Copy, Debug)]
struct Acks {
    extended: bool,
    capped: bool,
}

impl Acks {
    /// Another one for each batch in turn.
    fn of(batch: u64) -> Self {
        Self {
            extended: batch % 2 == 1,
            capped: batch / 2 % 2 == 1,
        }
    }
}

/// A case that C and Rust answer differently.
struct Found {
    case: Case,
    acks: Acks,
    differences: Vec<Difference>,
}

impl Run {
    /// Sends all of it. Returns whether Rust answered as C did, each time.
    pub fn run(&self) -> anyhow::Result<bool> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the module is loaded: this runs as root, in a guest"
        );
        ensure!(self.batch > 0, "a batch is one message at least");
        println!(
            "seed {}, {} messages in batches of {}",
            self.seed, self.messages, self.batch
        );
        let mut log = KernelLog::from_now()?;
        let held = self.switch.hold(Implementation::C)?;
        let family = Client::connect(Options::default())?.family();
        let world = World::new(family)?;
        let mut session = Session {
            switch: &self.switch,
            names: &world.names,
            tally: Tally::default(),
            times: Times::default(),
            moved: 0,
            strangers: 0,
        };
        let found = self.all(&mut session)?;
        for found in &found {
            session.show(found)?;
        }
        session.close();
        // Tasks that do not stand still are asked for now and then. More would prove too little.
        ensure!(
            session.moved * 100 <= session.tally.sent,
            "too little could be compared"
        );
        drop(held);
        no_complaints(&mut log)?;
        Ok(found.is_empty())
    }

    fn all(&self, session: &mut Session<'_>) -> anyhow::Result<Vec<Found>> {
        let known = text::read(session.names, KNOWN)?;
        for batch in 0..4 {
            let found = session.batch(&known, Acks::of(batch))?;
            if !found.is_empty() {
                println!("a known case differs again");
                return Ok(found);
            }
        }
        println!("{} known cases replayed", known.len());
        session.tally = Tally::default();
        session.times = Times::default();

        let started = Instant::now();
        let mut sent = 0;
        for batch in 0.. {
            let number = self.batch.min(self.messages - sent);
            if number == 0 {
                break;
            }
            let mut generator = Generator::new(session.names, self.seed, batch);
            let cases: Vec<_> = (0..number).map(|_| generator.case()).collect();
            let found = session.batch(&cases, Acks::of(batch))?;
            if !found.is_empty() {
                println!("seed {}, batch {batch}", self.seed);
                return Ok(found);
            }
            sent += number;
            if sent * 10 / self.messages != (sent - number) * 10 / self.messages {
                println!("{sent} messages after {:.0?}", started.elapsed());
            }
        }
        Ok(Vec::new())
    }
}

struct Session<'a> {
    switch: &'a Switch,
    names: &'a Names,
    tally: Tally,
    times: Times,
    /// Cases that C itself answered differently each time.
    moved: u64,
    strangers: u64,
}

impl Session<'_> {
    /// Sends a batch to C and to Rust. Returns what differs, a minimised case of each kind.
    fn batch(&mut self, cases: &[Case], acks: Acks) -> anyhow::Result<Vec<Found>> {
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let mut asker = Asker::open(self.names.family, acks.extended, acks.capped)?;
        let sends = encoded(cases);
        let c = self.under(Implementation::C, &mut asker, &sends)?;
        let rust = self.under(Implementation::Rust, &mut asker, &sends)?;
        self.to(Implementation::C)?;
        self.strangers += asker.strangers;
        let mut suspects = Vec::new();
        for ((case, c), rust) in cases.iter().zip(&c).zip(&rust) {
            self.tally.count(c);
            if !differences(c, rust).is_empty() {
                suspects.push(case.clone());
            }
        }
        let confirmed = self.confirm(&mut asker, &suspects)?;
        let mut kinds: BTreeMap<BTreeSet<String>, Vec<&Case>> = BTreeMap::new();
        for (case, differences) in suspects.iter().zip(&confirmed) {
            if !differences.is_empty() {
                let kind = differences.iter().map(kind).collect();
                kinds.entry(kind).or_default().push(case);
            }
        }
        let mut found: Vec<Found> = Vec::new();
        for (kind, cases) in kinds {
            println!("{} cases of this batch differ: {kind:?}", cases.len());
            let shortest = cases.iter().min_by_key(|case| case.encode().len());
            let Some(shortest) = shortest.filter(|_| found.len() < SHOWN) else {
                continue;
            };
            let next = self.minimised(&mut asker, shortest, acks)?;
            if !found.iter().any(|other| other.case == next.case) {
                found.push(next);
            }
        }
        Ok(found)
    }

    fn minimised(&mut self, asker: &mut Asker, case: &Case, acks: Acks) -> anyhow::Result<Found> {
        let case = minimise(case, |cases| {
            let confirmed = self.confirm(asker, cases)?;
            Ok(confirmed.iter().map(|it| !it.is_empty()).collect())
        })?;
        let mut differences = self.confirm(asker, std::slice::from_ref(&case))?;
        Ok(Found {
            case,
            acks,
            differences: differences.pop().unwrap_or_default(),
        })
    }

    /// Puts each case to C, Rust and C again, until C agrees with itself. Returns how Rust differs.
    fn confirm(
        &mut self,
        asker: &mut Asker,
        cases: &[Case],
    ) -> anyhow::Result<Vec<Vec<Difference>>> {
        let mut found: Vec<_> = cases.iter().map(|_| Vec::new()).collect();
        let mut open: Vec<_> = (0..cases.len()).collect();
        for _ in 0..ROUNDS {
            if open.is_empty() {
                break;
            }
            let sends: Vec<_> = open.iter().map(|&index| encode(&cases[index])).collect();
            let before = self.under(Implementation::C, asker, &sends)?;
            let rust = self.under(Implementation::Rust, asker, &sends)?;
            let after = self.under(Implementation::C, asker, &sends)?;
            let mut moved = Vec::new();
            for (at, &index) in open.iter().enumerate() {
                if differences(&before[at], &after[at]).is_empty() {
                    found[index] = differences(&before[at], &rust[at]);
                } else {
                    moved.push(index);
                }
            }
            open = moved;
        }
        self.moved += open.len() as u64;
        Ok(found)
    }

    fn under(
        &mut self,
        implementation: Implementation,
        asker: &mut Asker,
        sends: &[Send],
    ) -> anyhow::Result<Vec<Reply>> {
        self.to(implementation)?;
        let started = Instant::now();
        let replies = asker.ask_all(sends)?;
        *match implementation {
            Implementation::C => &mut self.times.c,
            Implementation::Rust => &mut self.times.rust,
        } += started.elapsed();
        Ok(replies)
    }

    fn to(&mut self, implementation: Implementation) -> anyhow::Result<()> {
        let started = Instant::now();
        self.switch.to(implementation)?;
        self.times.switching += started.elapsed();
        Ok(())
    }

    fn show(&self, found: &Found) -> anyhow::Result<()> {
        println!("\nC and Rust differ (C's value first), {:?}:", found.acks);
        for difference in &found.differences {
            println!("  {}: {}", difference.place, difference.what);
        }
        print!("{}", found.case);
        println!("{}", text::write(self.names, &found.case)?);
        Ok(())
    }

    fn close(&self) {
        println!("\n{}", self.tally);
        println!(
            "{} could not be compared, as C differed from itself; {} messages about exits of others",
            self.moved, self.strangers
        );
        let rate = |time: Duration| self.tally.sent as f64 / time.as_secs_f64().max(1e-9);
        println!(
            "C {:.0?} ({:.0} messages a second), Rust {:.0?} ({:.0}), changing {:.0?}",
            self.times.c,
            rate(self.times.c),
            self.times.rust,
            rate(self.times.rust),
            self.times.switching,
        );
    }
}

/// Where they differ, whichever datagram that is in.
fn kind(difference: &Difference) -> String {
    let place = difference.place.strip_prefix("datagram ");
    let place = place.and_then(|place| place.split_once(' '));
    place.map_or(&*difference.place, |(_, place)| place).into()
}

fn encoded(cases: &[Case]) -> Vec<Send> {
    cases.iter().map(encode).collect()
}

fn encode(case: &Case) -> Send {
    Send {
        datagram: case.encode(),
        effect: case.effect,
    }
}
