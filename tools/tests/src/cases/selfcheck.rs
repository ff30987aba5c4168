// SPDX-License-Identifier: GPL-2.0

//! That the comparison sees what it is there to see, on real answers.

use std::{slice, sync::Arc};

use anyhow::ensure;
use libtest_mimic::Trial;
use taskstats::{
    Client, Options,
    record::{Field, RECORD_SIZE},
};

use crate::{
    compare::{compare, holds_record},
    context::Context,
    exchange::{Answer, Ask},
    moving::MOVING,
    requests,
    workload::{Kind, Task},
};

/// Where the record starts in an answer to a pid request.
const RECORD: usize = 36;

pub(super) fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        context.trial("selfcheck::two_answers_of_c_are_equal", |_, _| {
            let (first, second) = two_answers()?;
            let found = compare(slice::from_ref(&first), slice::from_ref(&second));
            ensure!(found.is_empty(), "{found:#?}");
            Ok(())
        }),
        context.trial("selfcheck::every_altered_byte_is_seen", |_, _| {
            altered_bytes()
        }),
        context.trial("selfcheck::a_clock_that_is_off_is_seen", |_, _| {
            wrong_clock()
        }),
        context.trial("selfcheck::a_lost_answer_is_seen", |_, _| lost_answer()),
    ]
}

fn two_answers() -> anyhow::Result<(Answer, Answer)> {
    let task = Task::spawn(Kind::Worked)?;
    let mut client = Client::connect(Options::default())?;
    let (label, request) = requests::record(client.family(), task.pid());
    let first = client.ask(&label, &request)?;
    let second = client.ask(&label, &request)?;
    let datagrams: Vec<_> = second.datagrams().collect();
    ensure!(
        matches!(&datagrams[..], [only] if holds_record(only) && only.0.len() == RECORD + RECORD_SIZE),
        "{second:?}"
    );
    Ok((first, second))
}

fn altered_bytes() -> anyhow::Result<()> {
    let (first, second) = two_answers()?;
    // Between the first question and the last answer, less what was certainly between the two.
    let took_us = (second.answered.monotonic_ns - first.asked.monotonic_ns) / 1_000 + 2;
    ensure!(took_us < 1 << 31, "two requests took {took_us} us");
    for at in 0..RECORD + RECORD_SIZE {
        let mut altered = second.clone();
        altered.datagrams[0][at] ^= 0x80;
        let found = compare(slice::from_ref(&first), slice::from_ref(&altered));
        let field = at.checked_sub(RECORD).and_then(Field::at);
        let name = field.map_or("", |field| field.name);
        // So many microseconds more or less can be within the time that the two requests took.
        let altered_by = |field: &Field| 0x80_i64 << (8 * (at - RECORD - field.offset)).min(40);
        if name.ends_with("etime") && field.is_some_and(|field| altered_by(field) <= took_us) {
            continue;
        }
        ensure!(
            found.iter().any(|found| found.place.contains(name)),
            "byte {at} {name}: {found:#?}"
        );
    }
    Ok(())
}

fn wrong_clock() -> anyhow::Result<()> {
    let (first, second) = two_answers()?;
    for moving in MOVING {
        let field = Field::named(moving.field).expect("it is a field");
        let bytes = RECORD + field.offset..RECORD + field.offset + field.size;
        // Zero, a unit that is off by a thousand, and the hour.
        let off: [fn(u64) -> u64; 4] = [|_| 0, |n| n / 1_000, |n| n * 1_000, |n| n + 3_600_000_000];
        for (index, off) in off.into_iter().enumerate() {
            let mut altered = second.clone();
            let value = &mut altered.datagrams[0][bytes.clone()];
            let mut number = [0; 8];
            number[..value.len()].copy_from_slice(value);
            let wrong = off(u64::from_ne_bytes(number)).to_ne_bytes();
            value.copy_from_slice(&wrong[..field.size]);
            let found = compare(slice::from_ref(&first), slice::from_ref(&altered));
            ensure!(
                found
                    .iter()
                    .any(|found| found.place.ends_with(moving.field)),
                "{} altered in way {index}: {found:#?}",
                moving.field
            );
        }
    }
    Ok(())
}

fn lost_answer() -> anyhow::Result<()> {
    let (first, second) = two_answers()?;
    let mut lost = second.clone();
    lost.datagrams.clear();
    for answers in [&[][..], &[lost], &[second.clone(), second]] {
        let found = compare(slice::from_ref(&first), answers);
        ensure!(!found.is_empty(), "{answers:?}");
    }
    Ok(())
}
