// SPDX-License-Identifier: GPL-2.0

//! The fields of a record that move with the clock even though the task stands still.
//!
//! They cannot be equal in two answers. They are not skipped either: each is held against the clock
//! as it was read around the request.

use taskstats_client::record::{Field, Taskstats};

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

/// The entry for that field, if it moves.
pub fn moving(field: &Field) -> Option<&'static Moving> {
    MOVING.iter().find(|moving| moving.field == field.name)
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
            Bound::Elapsed => None,
            Bound::Begin => self.wrong_begin(reading),
        }
    }

    /// What is wrong with this field in the later of two answers, given the earlier.
    pub fn wrong_between(&self, earlier: Reading<'_>, later: Reading<'_>) -> Option<String> {
        match self.bound {
            Bound::Elapsed => self.wrong_growth(earlier, later),
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
        // Rounding down to microseconds moves the difference by less than one.
        let least = micros(earlier.answer.answered, later.answer.asked) - 1;
        let most = micros(earlier.answer.asked, later.answer.answered) + 1;
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

fn micros(from: Moment, to: Moment) -> i64 {
    (to.monotonic_ns - from.monotonic_ns) / 1_000
}

#[cfg(test)]
mod tests {
    use taskstats_client::record::RECORD_SIZE;

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
        let moving = moving(field).unwrap();
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
