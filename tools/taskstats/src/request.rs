// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Requests, put together attribute by attribute.

use netlink_packet_core::{
    Emitable, NLA_HEADER_SIZE, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, emit_u16,
};
use netlink_packet_generic::constants::GENL_HDRLEN;

use crate::uapi::{
    CGROUPSTATS_CMD_ATTR_FD, CGROUPSTATS_CMD_GET, NLA_F_NESTED, NLMSG_HDRLEN,
    TASKSTATS_CMD_ATTR_PID, TASKSTATS_CMD_ATTR_TGID, TASKSTATS_CMD_GET, TASKSTATS_GENL_VERSION,
};

/// The most bytes that an attribute can have.
pub const ATTRIBUTE_MAX: usize = u16::MAX as usize - NLA_HEADER_SIZE;

/// Attributes in a row: of a request, or of a nest in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute. What is longer than [`ATTRIBUTE_MAX`] is cut off there.
    #[must_use]
    pub fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let value = &value[..value.len().min(ATTRIBUTE_MAX)];
        let length = (NLA_HEADER_SIZE + value.len()) as u16;
        let mut header = [0; NLA_HEADER_SIZE];
        emit_u16(&mut header[..2], length).expect("two bytes are there");
        emit_u16(&mut header[2..], kind).expect("two bytes are there");
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a number of 32 bits.
    #[must_use]
    pub fn u32(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number of 64 bits.
    #[must_use]
    pub fn u64(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a text and the NUL that ends it.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Adds an attribute that says what it says by being there.
    #[must_use]
    pub fn flag(self, kind: u16) -> Self {
        self.bytes(kind, &[])
    }

    /// Adds attributes in an attribute.
    #[must_use]
    pub fn nest(self, kind: u16, inner: &Attributes) -> Self {
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A generic-netlink request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    family: u16,
    flags: u16,
    sequence: u32,
    command: u8,
    version: u8,
    attributes: Attributes,
}

impl Request {
    /// A request without attributes.
    pub fn new(family: u16, command: u8) -> Self {
        Self {
            family,
            flags: NLM_F_REQUEST,
            sequence: 0,
            command,
            version: TASKSTATS_GENL_VERSION,
            attributes: Attributes::new(),
        }
    }

    /// `TASKSTATS_CMD_GET` without attributes.
    pub fn get(family: u16) -> Self {
        Self::new(family, TASKSTATS_CMD_GET)
    }

    /// Asks TASKSTATS for a task's record.
    pub fn pid(family: u16, pid: u32) -> Self {
        Self::get(family).with(|it| it.u32(TASKSTATS_CMD_ATTR_PID, pid))
    }

    /// Asks TASKSTATS for a process's record.
    pub fn tgid(family: u16, tgid: u32) -> Self {
        Self::get(family).with(|it| it.u32(TASKSTATS_CMD_ATTR_TGID, tgid))
    }

    /// Asks TASKSTATS for the task counts of the cgroup that `fd` is the directory of.
    pub fn cgroup(family: u16, fd: u32) -> Self {
        Self::new(family, CGROUPSTATS_CMD_GET).with(|it| it.u32(CGROUPSTATS_CMD_ATTR_FD, fd))
    }

    /// Adds attributes.
    #[must_use]
    pub fn with(mut self, add: impl FnOnce(Attributes) -> Attributes) -> Self {
        self.attributes = add(self.attributes);
        self
    }

    /// Adds flags to `NLM_F_REQUEST`.
    #[must_use]
    pub fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// Asks for all that there are.
    #[must_use]
    pub fn dump(self) -> Self {
        self.flags(NLM_F_DUMP)
    }

    /// Sets the sequence number, by which the answer is recognised.
    #[must_use]
    pub fn sequence(mut self, sequence: u32) -> Self {
        self.sequence = sequence;
        self
    }

    /// The request's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut datagram = Vec::new();
        self.append_to(&mut datagram);
        datagram
    }

    /// Appends the request to others that go in one datagram.
    pub fn append_to(&self, datagram: &mut Vec<u8>) {
        let start = datagram.len();
        let length = NLMSG_HDRLEN + GENL_HDRLEN + self.attributes.0.len();
        let mut header = NetlinkHeader::default();
        header.length = length as u32;
        header.message_type = self.family;
        header.flags = self.flags;
        header.sequence_number = self.sequence;
        datagram.resize(start + NLMSG_HDRLEN, 0);
        header.emit(&mut datagram[start..]);
        datagram.extend_from_slice(&[self.command, self.version, 0, 0]);
        datagram.extend_from_slice(&self.attributes.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_pid_request_has_the_bytes_that_getdelays_sends() {
        let request = Request::pid(0x1c, 0x01020304).sequence(5).encode();
        assert_eq!(
            request,
            [
                28, 0, 0, 0, 0x1c, 0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
                1, 1, 0, 0, // genlmsghdr
                8, 0, 1, 0, 4, 3, 2, 1, // PID
            ]
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn nests_texts_and_flags() {
        let inner = Attributes::new().u64(2, 1).flag(3);
        let request = Request::new(9, 7)
            .dump()
            .with(|it| it.text(1, "abc").nest(4, &inner))
            .encode();
        assert_eq!(request[..8], [48, 0, 0, 0, 9, 0, 1, 3]);
        assert_eq!(
            request[20..],
            [
                8, 0, 1, 0, b'a', b'b', b'c', 0, // a text with its NUL
                20, 0, 4, 0x80, 12, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 0,
            ]
        );
    }

    #[test]
    fn what_is_too_long_is_cut_off_and_no_lie() {
        let request = Request::get(1).with(|it| it.bytes(3, &[7; 70_000]));
        assert_eq!(request.encode().len(), 20 + 65_536);
        assert_eq!(request.encode()[20..22], [0xff, 0xff]);
    }

    #[test]
    fn requests_in_one_datagram_follow_each_other() {
        let mut datagram = Request::pid(20, 1).sequence(1).encode();
        Request::tgid(20, 2).sequence(2).append_to(&mut datagram);
        assert_eq!(datagram[..28], Request::pid(20, 1).sequence(1).encode());
        assert_eq!(datagram[28..], Request::tgid(20, 2).sequence(2).encode());
    }
}
