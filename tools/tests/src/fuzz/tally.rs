// SPDX-License-Identifier: GPL-2.0

//! What came back, in numbers: whether the messages reached anything.

use std::{collections::BTreeMap, fmt};

use nix::errno::Errno;
use taskstats::{
    Subject,
    answer::{Body, Datagram},
    uapi::CGROUPSTATS_CMD_NEW,
};

use super::ask::Reply;
use crate::compare::records;

const GENL_ID_CTRL: u16 = 16;

/// Counts of replies, by C, and of what is in them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that were answered with a record, of whatever kind.
    pub with_record: u64,
    kinds: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a reply.
    pub fn count(&mut self, reply: &Reply) {
        self.sent += 1;
        let mut record = false;
        for datagram in reply.answer.datagrams() {
            record |= self.datagram(&datagram);
        }
        self.with_record += u64::from(record);
        if let Some(errno) = reply.answer.socket_errno {
            self.one(&format!("the socket says {}", name(errno)));
        } else if reply.answer.datagrams.is_empty() {
            self.one("no answer");
        }
        if let Some(heard) = &reply.heard {
            self.one(&format!("exits heard of from CPUs {heard:?}"));
        }
    }

    /// Counts a datagram; tells whether it holds a record.
    fn datagram(&mut self, datagram: &Datagram) -> bool {
        let stats = records(datagram);
        for stats in &stats {
            self.one(match stats.subject {
                Subject::Pid(_) => "record of a task",
                Subject::Tgid(_) => "record of a process",
            });
        }
        let mut record = !stats.is_empty();
        let Ok(messages) = datagram.messages() else {
            self.one("malformed");
            return record;
        };
        for message in messages {
            match message.body {
                Body::Error(report) if report.code == 0 => self.one("acknowledgement"),
                Body::Error(report) => self.one(&name(-report.code)),
                Body::Done(_) => self.one("end of a dump"),
                Body::Generic { header, .. } => {
                    if message.header.message_type == GENL_ID_CTRL {
                        self.one("of the controller");
                    } else if header.cmd == CGROUPSTATS_CMD_NEW {
                        self.one("record of a control group");
                        record = true;
                    }
                }
                Body::Control => self.one("control message"),
            }
        }
        record
    }

    fn one(&mut self, kind: &str) {
        match self.kinds.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                self.kinds.insert(kind.to_owned(), 1);
            }
        }
    }
}

fn name(errno: i32) -> String {
    format!("{:?}", Errno::from_raw(errno))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (kind, count) in kinds {
            writeln!(f, "{count:>10}  {kind}")?;
        }
        let percent = self.with_record as f64 * 100.0 / self.sent.max(1) as f64;
        write!(
            f,
            "{percent:.1} % of the messages were answered with a record"
        )
    }
}
