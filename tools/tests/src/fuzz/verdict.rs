// SPDX-License-Identifier: GPL-2.0

//! What must be equal in two replies to the same case: all that this run compares is decided here.

use taskstats::record::RECORD_SIZE;

use super::ask::Reply;
use crate::compare::{Difference, compare};

/// All differences between two replies to the same case, C's or the earlier one first; without
/// those that [`crate::intended_differences`] says are meant.
pub fn differences(earlier: &Reply, later: &Reply) -> Vec<Difference> {
    if settled(earlier, later) {
        return Vec::new();
    }
    let mut found = compare(
        std::slice::from_ref(&earlier.answer),
        std::slice::from_ref(&later.answer),
    );
    if earlier.heard != later.heard {
        found.push(Difference {
            label: String::new(),
            place: "CPUs whose exits are heard of".into(),
            what: format!("{:?} versus {:?}", earlier.heard, later.heard),
        });
    }
    found
}

/// Whether they are equal at a glance: all bytes are, and no record is among them, whose clocks
/// must have moved.
fn settled(earlier: &Reply, later: &Reply) -> bool {
    let (a, b) = (&earlier.answer, &later.answer);
    a.datagrams == b.datagrams
        && a.socket_errno == b.socket_errno
        && earlier.heard == later.heard
        && a.datagrams.iter().all(|it| it.len() < RECORD_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Answer, Moment};

    fn reply(datagrams: &[&[u8]]) -> Reply {
        let moment = Moment {
            monotonic_ns: 0,
            real_s: 0,
        };
        Reply {
            answer: Answer {
                label: String::new(),
                asked: moment,
                answered: moment,
                socket_errno: None,
                datagrams: datagrams.iter().map(|it| it.to_vec()).collect(),
            },
            heard: None,
        }
    }

    #[test]
    fn everything_counts() {
        let one = reply(&[&[1; 36]]);
        assert!(differences(&one, &one).is_empty());
        let mut others = vec![reply(&[]), reply(&[&[2; 36]]), reply(&[&[1; 36], &[1; 36]])];
        others.push(Reply {
            heard: Some(vec![0]),
            ..one.clone()
        });
        let mut refused = one.clone();
        refused.answer.socket_errno = Some(105);
        others.push(refused);
        for other in others {
            assert_eq!(differences(&one, &other).len(), 1, "{other:?}");
        }
    }
}
