// SPDX-License-Identifier: GPL-2.0

//! Requests: well-formed ones by default, any others by setting fields that a client would not.
//!
//! The crate taskstats has requests that are right; what a test sends may be wrong in any way.

use netlink_packet_core::{
    Emitable, NLA_HEADER_SIZE, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, emit_u16, emit_u32,
};
use netlink_packet_generic::constants::{
    CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, CTRL_CMD_GETPOLICY,
    GENL_HDRLEN, GENL_ID_CTRL,
};

use taskstats::uapi::{
    CGROUPSTATS_CMD_ATTR_FD, CGROUPSTATS_CMD_GET, NLMSG_HDRLEN, TASKSTATS_CMD_ATTR_PID,
    TASKSTATS_CMD_ATTR_TGID, TASKSTATS_CMD_GET, TASKSTATS_GENL_VERSION,
};

/// An attribute to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAttribute {
    /// Its type, `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER` included.
    pub kind: u16,
    /// What `nla_len` says, if not the truth.
    pub length: Option<u16>,
    /// Its value.
    pub value: Vec<u8>,
}

impl RawAttribute {
    /// An attribute that says its own length.
    pub fn new(kind: u16, value: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            length: None,
            value: value.into(),
        }
    }

    /// An attribute with a number.
    pub fn number(kind: u16, value: u32) -> Self {
        Self::new(kind, value.to_ne_bytes())
    }

    /// An attribute with a text and the NUL that ends it.
    pub fn text(kind: u16, value: &str) -> Self {
        let mut value = value.as_bytes().to_vec();
        value.push(0);
        Self::new(kind, value)
    }

    /// Claims `length` as `nla_len`.
    #[must_use]
    pub fn claiming(mut self, length: u16) -> Self {
        self.length = Some(length);
        self
    }

    // netlink-packet-core's own emitter drops a flag where both are set, and knows only true
    // lengths.
    fn emit(&self, message: &mut Vec<u8>) {
        let true_length = NLA_HEADER_SIZE + self.value.len();
        let mut header = [0; NLA_HEADER_SIZE];
        let length = self.length.unwrap_or(true_length as u16);
        emit_u16(&mut header[..2], length).expect("two bytes are there");
        emit_u16(&mut header[2..], self.kind).expect("two bytes are there");
        message.extend_from_slice(&header);
        message.extend_from_slice(&self.value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
}

/// A generic-netlink request.
///
/// Every field that goes over the wire can be set. [`Request::encode`] fills in the length, unless
/// [`Request::length`] claims another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The netlink header; its length is filled in when encoding.
    pub header: NetlinkHeader,
    /// What `nlmsg_len` says, if not the truth.
    pub length: Option<u32>,
    /// The generic-netlink header's command.
    pub command: u8,
    /// The generic-netlink header's version.
    pub version: u8,
    /// The generic-netlink header's reserved field.
    pub reserved: u16,
    /// The attributes in their order.
    pub attributes: Vec<RawAttribute>,
    /// Bytes after the last attribute.
    pub trailer: Vec<u8>,
}

impl Request {
    /// A request without attributes.
    pub fn new(family: u16, command: u8) -> Self {
        let mut header = NetlinkHeader::default();
        header.message_type = family;
        header.flags = NLM_F_REQUEST;
        Self {
            header,
            length: None,
            command,
            version: TASKSTATS_GENL_VERSION,
            reserved: 0,
            attributes: Vec::new(),
            trailer: Vec::new(),
        }
    }

    /// `TASKSTATS_CMD_GET` without attributes.
    pub fn get(family: u16) -> Self {
        Self::new(family, TASKSTATS_CMD_GET)
    }

    /// Asks for a task's record.
    pub fn pid(family: u16, pid: u32) -> Self {
        Self::get(family).with(RawAttribute::number(TASKSTATS_CMD_ATTR_PID, pid))
    }

    /// Asks for a process's record.
    pub fn tgid(family: u16, tgid: u32) -> Self {
        Self::get(family).with(RawAttribute::number(TASKSTATS_CMD_ATTR_TGID, tgid))
    }

    /// Asks for the task counts of the cgroup that `fd` is the directory of.
    pub fn cgroup(family: u16, fd: u32) -> Self {
        Self::new(family, CGROUPSTATS_CMD_GET)
            .with(RawAttribute::number(CGROUPSTATS_CMD_ATTR_FD, fd))
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, attribute: RawAttribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Adds flags to `NLM_F_REQUEST`.
    #[must_use]
    pub fn flags(mut self, flags: u16) -> Self {
        self.header.flags |= flags;
        self
    }

    /// Sets the sequence number.
    #[must_use]
    pub fn sequence(mut self, sequence: u32) -> Self {
        self.header.sequence_number = sequence;
        self
    }

    /// The request's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = vec![0; NLMSG_HDRLEN];
        self.header.emit(&mut message);
        message.extend_from_slice(&[self.command, self.version]);
        message.extend_from_slice(&self.reserved.to_ne_bytes());
        debug_assert_eq!(message.len(), NLMSG_HDRLEN + GENL_HDRLEN);
        for attribute in &self.attributes {
            attribute.emit(&mut message);
        }
        message.extend_from_slice(&self.trailer);
        let length = self.length.unwrap_or(message.len() as u32);
        emit_u32(&mut message[..4], length).expect("the header is there");
        message
    }
}

/// Asks what the family of that name is.
pub fn family_request(name: &str) -> Request {
    Request::new(GENL_ID_CTRL, CTRL_CMD_GETFAMILY)
        .with(RawAttribute::text(CTRL_ATTR_FAMILY_NAME, name))
}

/// Asks which attributes the family with that id takes: a dump.
pub fn policy_request(family: u16) -> Request {
    Request::new(GENL_ID_CTRL, CTRL_CMD_GETPOLICY)
        .flags(NLM_F_DUMP)
        .with(RawAttribute::new(CTRL_ATTR_FAMILY_ID, family.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLA_F_NESTED, NLA_F_NET_BYTEORDER};

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
    fn claims_go_over_the_wire() {
        let mut request = Request::get(9)
            .with(RawAttribute::new(1 | NLA_F_NESTED | NLA_F_NET_BYTEORDER, [7; 5]).claiming(99));
        request.length = Some(1234);
        request.reserved = 0x0505;
        request.trailer = vec![8; 3];
        let bytes = request.encode();
        assert_eq!(bytes.len(), 16 + 4 + 4 + 8 + 3);
        assert_eq!(bytes[..4], 1234u32.to_ne_bytes());
        assert_eq!(bytes[18..20], [5, 5]);
        assert_eq!(bytes[20..22], 99u16.to_ne_bytes());
        assert_eq!(bytes[22..24], 0xc001u16.to_ne_bytes());
        assert_eq!(bytes[24..], [7, 7, 7, 7, 7, 0, 0, 0, 8, 8, 8]);
    }
}
