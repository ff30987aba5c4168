// SPDX-License-Identifier: GPL-2.0

//! The fields of a record that move with the clock even though the task stands still.
//!
//! They cannot be equal in two answers. They are not skipped either: each is held against the clock
//! as it was read around the request.

use taskstats::{
    Subject,
    record::{Field, Taskstats},
};

use crate::exchange::{Answer, Moment};

/// A field that moves with the clock.
pub struct Moving {
    /// Its name.
    pub field: &'static str,
    /// Why it moves.
    pub reason: &'static str,
    /// What holds of it all the same.
    bound: Bound,
}

enum Bound {
    /// Microseconds since a start that stays: from one answer to the next it grows by what the
    /// monotonic clock grew by.
    Elapsed,
    /// Microseconds since the starts of all threads of a process, added up: it grows by a whole
    /// multiple of what the monotonic clock grew by. Who knows how many threads live asks
    /// [`wrong_sum`].
    Sum,
    /// Real seconds when asked minus the record's own `ac_etime` in whole seconds, exactly.
    Begin,
}

/// All of them.
pub const MOVING: &[Moving] = &[
    Moving {
        field: "ac_etime",
        reason: "ktime_get_ns() minus the task's start",
        bound: Bound::Elapsed,
    },
    Moving {
        field: "ac_tgetime",
        reason: "ktime_get_ns() minus the thread group leader's start",
        bound: Bound::Elapsed,
    },
    Moving {
        field: "ac_btime",
        reason: "real seconds minus elapsed seconds, both rounded down: it can move by one",
        bound: Bound::Begin,
    },
    Moving {
        field: "ac_btime64",
        reason: "real seconds minus elapsed seconds, both rounded down: it can move by one",
        bound: Bound::Begin,
    },
];

/// All of them in the record of a process, where the others are zero.
const MOVING_OF_PROCESS: &[Moving] = &[Moving {
    field: "ac_etime",
    reason: "for each thread that lives, ktime_get_ns() minus its start",
    bound: Bound::Sum,
}];

/// All that move in a record of that subject.
pub fn moving_of(subject: Subject) -> &'static [Moving] {
    match subject {
        Subject::Pid(_) => MOVING,
        Subject::Tgid(_) => MOVING_OF_PROCESS,
    }
}

/// What is wrong with `ac_etime` in the later of two records of a process of which so many threads
/// live, given the earlier.
pub fn wrong_sum(threads: i64, earlier: Reading<'_>, later: Reading<'_>) -> Option<String> {
    let (least, most) = window(earlier, later);
    let grown = elapsed(later.record) - elapsed(earlier.record);
    if (threads * least..=threads * most).contains(&grown) {
        return None;
    }
    Some(format!(
        "{threads} threads grew by {grown} us while the clock moved by {least} to {most} us"
    ))
}

fn elapsed(record: &Taskstats) -> i64 {
    i64::try_from(record.ac_etime).unwrap_or(i64::MIN / 2)
}

/// By how many microseconds at least and at most a time since a start grows from one to the other.
fn window(earlier: Reading<'_>, later: Reading<'_>) -> (i64, i64) {
    // Rounding down to microseconds moves the difference by less than one.
    let least = micros(earlier.answer.answered, later.answer.asked) - 1;
    let most = micros(earlier.answer.asked, later.answer.answered) + 1;
    (least, most)
}

/// Whether `grown` is between `times * least` and `times * most` for some whole `times`.
fn is_multiple(grown: i64, least: i64, most: i64) -> bool {
    if grown < 0 || most <= 0 {
        return false;
    }
    // The fewest that can have grown by so much.
    let times = grown.div_euclid(most) + i64::from(grown.rem_euclid(most) > 0);
    times * least <= grown
}

/// A record and the answer that it came in.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The record.
    pub record: &'a Taskstats,
    /// The answer.
    pub answer: &'a Answer,
}

impl Moving {
    /// What is wrong with this field in one answer, taken by itself.
    pub fn wrong_in(&self, reading: Reading<'_>) -> Option<String> {
        match self.bound {
            Bound::Elapsed | Bound::Sum => None,
            Bound::Begin => self.wrong_begin(reading),
        }
    }

    /// What is wrong with this field in the later of two answers, given the earlier.
    pub fn wrong_between(&self, earlier: Reading<'_>, later: Reading<'_>) -> Option<String> {
        match self.bound {
            Bound::Elapsed => self.wrong_growth(earlier, later),
            Bound::Sum => wrong_multiple(earlier, later),
            Bound::Begin => None,
        }
    }

    fn value(&self, record: &Taskstats) -> i64 {
        let number = Field::named(self.field).and_then(|field| field.number(record));
        number.map_or(i64::MIN, |number| number as i64)
    }

    fn wrong_begin(&self, reading: Reading<'_>) -> Option<String> {
        let elapsed_s = (reading.record.ac_etime / 1_000_000) as i64;
        let begin = self.value(reading.record);
        let real_s = begin.saturating_add(elapsed_s);
        let (from, to) = (reading.answer.asked.real_s, reading.answer.answered.real_s);
        if (from..=to).contains(&real_s) {
            return None;
        }
        Some(format!(
            "{begin} s + ac_etime {elapsed_s} s is not the time of the request, {from} to {to} s"
        ))
    }

    fn wrong_growth(&self, earlier: Reading<'_>, later: Reading<'_>) -> Option<String> {
        let (least, most) = window(earlier, later);
        let grown = self
            .value(later.record)
            .saturating_sub(self.value(earlier.record));
        if (least..=most).contains(&grown) {
            return None;
        }
        Some(format!(
            "grew by {grown} us while the clock moved by {least} to {most} us"
        ))
    }
}

fn wrong_multiple(earlier: Reading<'_>, later: Reading<'_>) -> Option<String> {
    let (least, most) = window(earlier, later);
    let grown = elapsed(later.record) - elapsed(earlier.record);
    if is_multiple(grown, least, most) {
        return None;
    }
    Some(format!(
        "grew by {grown} us, no multiple of the {least} to {most} us that the clock moved by"
    ))
}

fn micros(from: Moment, to: Moment) -> i64 {
    (to.monotonic_ns - from.monotonic_ns) / 1_000
}

#[cfg(test)]
mod tests {
    use taskstats::record::RECORD_SIZE;

    use super::*;

    fn answer(asked_us: i64, answered_us: i64) -> Answer {
        let moment = |us: i64| Moment {
            monotonic_ns: us * 1_000,
            real_s: 1_000 + us / 1_000_000,
        };
        Answer {
            label: String::new(),
            asked: moment(asked_us),
            answered: moment(answered_us),
            socket_errno: None,
            datagrams: Vec::new(),
        }
    }

    /// The record of a task that began at 500 s real time, 0 s monotonic, taken at `us`.
    fn record(us: u64) -> Taskstats {
        let mut record = Taskstats::from_payload(&[0; RECORD_SIZE]).unwrap();
        record.ac_etime = us;
        record.ac_tgetime = us;
        record.ac_btime64 = 1_000;
        record.ac_btime = 1_000;
        record
    }

    fn wrong(name: &str, earlier: &Taskstats, later: &Taskstats) -> bool {
        let field = Field::named(name).unwrap();
        let mut moving = MOVING.iter();
        let moving = moving.find(|moving| moving.field == field.name).unwrap();
        let (first, second) = (answer(1_000_000, 1_000_100), answer(1_500_000, 1_500_100));
        let earlier = Reading {
            record: earlier,
            answer: &first,
        };
        let later = Reading {
            record: later,
            answer: &second,
        };
        moving.wrong_between(earlier, later).is_some() || moving.wrong_in(later).is_some()
    }

    #[test]
    fn every_moving_field_exists() {
        for moving in MOVING {
            assert!(Field::named(moving.field).is_some(), "{}", moving.field);
        }
    }

    #[test]
    fn elapsed_time_follows_the_clock() {
        let earlier = record(1_000_050);
        for name in ["ac_etime", "ac_tgetime"] {
            assert!(!wrong(name, &earlier, &record(1_500_050)), "{name}");
            assert!(wrong(name, &earlier, &record(1_499_900)), "{name}");
            assert!(wrong(name, &earlier, &record(1_500_200)), "{name}");
            assert!(wrong(name, &earlier, &record(1_500_050_000)), "{name}");
            assert!(wrong(name, &earlier, &record(1_500)), "{name}");
            assert!(wrong(name, &earlier, &record(1_000_050)), "{name}");
        }
    }

    #[test]
    fn a_sum_grows_by_whole_multiples() {
        for (grown, is) in [(0, true), (1_000, true), (2_010, true), (64_000, true)] {
            assert_eq!(is_multiple(grown, 999, 1_010), is, "{grown}");
        }
        for grown in [-1, 1, 500, 998, 1_011, 1_500, 2_021, 2_996] {
            assert!(!is_multiple(grown, 999, 1_010), "{grown}");
        }
    }

    #[test]
    fn a_sum_grows_by_its_threads() {
        let (first, second) = (answer(1_000_000, 1_000_100), answer(1_500_000, 1_500_100));
        let (earlier, later) = (record(7_000), record(7_000 + 3 * 500_000));
        let reading = |record, answer| Reading { record, answer };
        let wrong = |threads| {
            wrong_sum(threads, reading(&earlier, &first), reading(&later, &second)).is_some()
        };
        assert!(!wrong(3));
        for threads in [0, 1, 2, 4, 64] {
            assert!(wrong(threads), "{threads}");
        }
    }

    #[test]
    fn begin_is_exact() {
        let earlier = record(1_000_050);
        for (name, off) in [("ac_btime", 1), ("ac_btime64", -1)] {
            let mut later = record(1_500_050);
            assert!(!wrong(name, &earlier, &later), "{name}");
            later.ac_btime = later.ac_btime.wrapping_add_signed(off);
            later.ac_btime64 = later.ac_btime64.wrapping_add_signed(off.into());
            assert!(wrong(name, &earlier, &later), "{name}");
        }
    }
}
