// SPDX-License-Identifier: GPL-2.0

//! Answers a second to clients that ask at once, by the wall clock: only ratios within a round mean
//! anything.
//! The module is loaded and unloaded while no client runs.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use ::tests::implementation::{Implementation, Switch};
use anyhow::{Result, anyhow, ensure};
use nix::unistd::gettid;
use taskstats::{Client, Options, Request};

use crate::{
    figures::{Rounds, Unit},
    netlink::Wire,
    procfiles::ProcFiles,
    requests,
};

/// Numbers of clients.
const CLIENTS: [usize; 4] = [1, 2, 4, 8];
/// Many short ones: on a busy machine the only way to a ratio.
const ROUNDS: usize = 25;
/// How long the clients ask.
const TIME: Duration = Duration::from_millis(100);
/// How long each asks before that: the emulator translates what has just been loaded.
const WARM_UP: Duration = Duration::from_millis(30);

/// Counts everything.
pub(crate) fn all(switch: &Switch) -> Result<Vec<Rounds>> {
    let family = Client::connect(Options::default())?.family();
    let row = |figure: String| Rounds {
        figure,
        unit: Unit::PerSecond,
        c: Vec::new(),
        rust: Vec::new(),
    };
    let mut queries = CLIENTS.map(|number| row(format!("GET PID, {}", clients(number))));
    let mut reads = CLIENTS.map(|number| row(format!("/proc, {}", clients(number))));
    // The first round is for caches to fill.
    for round in 0..=ROUNDS {
        for (index, number) in CLIENTS.into_iter().enumerate() {
            for implementation in order(round) {
                switch.to(implementation)?;
                let queried = rate(number, || query(family))?;
                let read = rate(number, read)?;
                if round == 0 {
                    continue;
                }
                for (row, rate) in [(&mut queries[index], queried), (&mut reads[index], read)] {
                    match implementation {
                        Implementation::C => row.c.push(rate),
                        Implementation::Rust => row.rust.push(rate),
                    }
                }
            }
        }
    }
    switch.to(Implementation::C)?;
    Ok(queries.into_iter().chain(reads).collect())
}

/// Each goes first as often as the other.
fn order(round: usize) -> [Implementation; 2] {
    match round % 2 {
        0 => [Implementation::C, Implementation::Rust],
        _ => [Implementation::Rust, Implementation::C],
    }
}

fn clients(number: usize) -> String {
    match number {
        1 => "1 client".to_owned(),
        _ => format!("{number} clients"),
    }
}

/// Asks for itself, again and again.
fn query(family: u16) -> Result<impl FnMut() -> Result<()>> {
    let mut wire = Wire::open()?;
    let request = Request::pid(family, gettid().as_raw() as u32).encode();
    Ok(move || {
        let size = wire.round_trip(&request)?;
        ensure!(size == requests::RECORD_ANSWER, "an answer of {size} bytes");
        Ok(())
    })
}

/// Reads its own files, again and again.
fn read() -> Result<impl FnMut() -> Result<()>> {
    let mut files = ProcFiles::of(&gettid().to_string())?;
    Ok(move || files.read())
}

/// How often a second that many clients together do what each of them has prepared.
fn rate<F>(number: usize, prepare: impl Fn() -> Result<F> + Sync) -> Result<f64>
where
    F: FnMut() -> Result<()>,
{
    let ready = Barrier::new(number + 1);
    let over = AtomicBool::new(false);
    let client = || -> Result<u64> {
        let prepared = prepare().and_then(|mut once| {
            let begin = Instant::now();
            while begin.elapsed() < WARM_UP {
                once()?;
            }
            Ok(once)
        });
        ready.wait();
        let mut once = prepared?;
        let mut times = 0;
        while !over.load(Relaxed) {
            once()?;
            times += 1;
        }
        Ok(times)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..number).map(|_| scope.spawn(client)).collect();
        ready.wait();
        let begin = Instant::now();
        thread::sleep(TIME);
        over.store(true, Relaxed);
        let time = begin.elapsed().as_secs_f64();
        let mut times = 0;
        for client in clients {
            times += client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(times as f64 / time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_all_threads_count() {
        let nothing = || {
            Ok(|| -> Result<()> {
                thread::sleep(Duration::from_millis(1));
                Ok(())
            })
        };
        assert!(rate(2, nothing).unwrap() > 0.0);
    }

    #[test]
    fn a_client_that_fails_is_an_error() {
        let broken = || Ok(|| -> Result<()> { Err(anyhow!("broken")) });
        assert!(rate(2, broken).is_err());
        let stillborn = || -> Result<fn() -> Result<()>> { Err(anyhow!("stillborn")) };
        assert!(rate(2, stillborn).is_err());
    }
}
