// SPDX-License-Identifier: GPL-2.0

//! One datagram to send, in parts that can be dropped one by one, and what is done around it.

use std::fmt;

use crate::request::Request;

/// A datagram, and whether its effect on the listeners is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The messages in it.
    pub requests: Vec<Request>,
    /// Bytes after them.
    pub trailer: Vec<u8>,
    /// What is done to the bytes then.
    pub edits: Vec<Edit>,
    /// Lets a task exit on each CPU afterwards, to see for which CPUs the socket is registered.
    pub effect: Option<Before>,
}

/// For which CPUs the socket is registered before a message whose effect is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// For all.
    All,
    /// For none.
    None,
}

/// Something done to the bytes. A position counts modulo the length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Writes a byte.
    Set {
        /// Where.
        at: usize,
        /// What.
        byte: u8,
    },
    /// Inserts bytes.
    Insert {
        /// Where.
        at: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// Removes bytes.
    Remove {
        /// Where.
        at: usize,
        /// How many.
        length: usize,
    },
}

impl Edit {
    fn apply(&self, datagram: &mut Vec<u8>) {
        if datagram.is_empty() {
            return;
        }
        match self {
            Self::Set { at, byte } => {
                let at = at % datagram.len();
                datagram[at] = *byte;
            }
            Self::Insert { at, bytes } => {
                let at = at % datagram.len();
                datagram.splice(at..at, bytes.iter().copied());
            }
            Self::Remove { at, length } => {
                let at = at % datagram.len();
                datagram.drain(at..datagram.len().min(at + length));
            }
        }
    }
}

impl Case {
    /// A datagram of just these bytes.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self {
            trailer: bytes,
            ..Self::default()
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(64);
        for request in &self.requests {
            datagram.extend(request.encode());
        }
        datagram.extend_from_slice(&self.trailer);
        for edit in &self.edits {
            edit.apply(&mut datagram);
        }
        datagram
    }
}

/// The parts, for people to read; the bytes are [`super::text`]'s to show.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.effect {
            let before = match before {
                Before::All => "all CPUs",
                Before::None => "no CPU",
            };
            writeln!(f, "registered for {before}, and tasks exit afterwards")?;
        }
        for request in &self.requests {
            let header = &request.header;
            write!(
                f,
                "message type {} flags {:#06x} seq {} pid {}",
                header.message_type, header.flags, header.sequence_number, header.port_number
            )?;
            if let Some(length) = request.length {
                write!(f, " claims {length} bytes")?;
            }
            writeln!(
                f,
                ", command {} version {} reserved {}",
                request.command, request.version, request.reserved
            )?;
            for attribute in &request.attributes {
                write!(f, "  attribute {:#06x}", attribute.kind)?;
                if let Some(length) = attribute.length {
                    write!(f, " claims {length} bytes")?;
                }
                writeln!(f, ": {}", Bytes(&attribute.value))?;
            }
            if !request.trailer.is_empty() {
                writeln!(f, "  then {}", Bytes(&request.trailer))?;
            }
        }
        if !self.trailer.is_empty() {
            writeln!(f, "then {}", Bytes(&self.trailer))?;
        }
        for edit in &self.edits {
            writeln!(f, "edited: {edit:?}")?;
        }
        Ok(())
    }
}

/// Bytes as text and, where there are four, as a number.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(f, "{} bytes \"{}\"", self.0.len(), shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            f.write_str("...")?;
        }
        match <[u8; 4]>::try_from(self.0) {
            Ok(number) => write!(f, " ({})", u32::from_ne_bytes(number)),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_applied_in_their_order() {
        let mut case = Case::raw(vec![1, 2, 3, 4]);
        case.edits = vec![
            Edit::Insert {
                at: 5,
                bytes: vec![9, 9],
            },
            Edit::Remove { at: 0, length: 1 },
            Edit::Set { at: 0, byte: 7 },
            Edit::Remove { at: 4, length: 99 },
        ];
        assert_eq!(case.encode(), [7, 9, 2, 3]);
    }

    #[test]
    fn an_empty_datagram_stays_empty() {
        let mut case = Case::raw(Vec::new());
        case.edits = vec![Edit::Set { at: 3, byte: 7 }];
        assert!(case.encode().is_empty());
    }
}
