// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause

//! Answers: datagrams as they came, and what is in them.

use std::fmt;

use netlink_packet_core::{
    DecodeError, ErrorContext, NLA_HEADER_SIZE, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader, NlaBuffer, Parseable,
    parse_i32, parse_string, parse_u32,
};
use netlink_packet_generic::{GenlHeader, constants::GENL_HDRLEN};

use crate::uapi::{NLMSG_HDRLEN, NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS};

/// One datagram, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Datagram(pub Vec<u8>);

impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Datagram({:02x?})", self.0)
    }
}

/// One message of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The netlink header.
    pub header: NetlinkHeader,
    /// Where the message starts in its datagram.
    pub offset: usize,
    /// What follows the header.
    pub body: Body<'a>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// `NLMSG_ERROR`: an acknowledgement or an error.
    Error(ErrorReport),
    /// `NLMSG_DONE`: the end of a dump, with its errno (0 or negative).
    Done(i32),
    /// A generic-netlink message.
    Generic {
        /// The generic-netlink header.
        header: GenlHeader,
        /// Its attributes.
        attributes: Vec<Attribute<'a>>,
    },
    /// `NLMSG_NOOP` or `NLMSG_OVERRUN`.
    Control,
}

/// An acknowledgement or an error, with its extended acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorReport {
    /// 0, or the errno, negative.
    pub code: i32,
    /// What the kernel repeats of the request: its header at least.
    pub request: Vec<u8>,
    /// The error as a text.
    pub text: Option<String>,
    /// Offset of the offending attribute in the request.
    pub at: Option<u32>,
}

/// An attribute that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type without flags.
    pub kind: u16,
    /// Whether it is marked as nested.
    pub nested: bool,
    /// Where its value starts in the datagram.
    pub offset: usize,
    /// Its value.
    pub value: &'a [u8],
}

impl Datagram {
    /// Takes the datagram apart.
    pub fn messages(&self) -> Result<Vec<Message<'_>>, DecodeError> {
        let mut messages = Vec::new();
        let mut offset = 0;
        while offset < self.0.len() {
            let rest = &self.0[offset..];
            let buffer = NetlinkBuffer::new_checked(rest).context("message header")?;
            let header = NetlinkHeader::parse(&buffer)?;
            let length = header.length as usize;
            if length < NLMSG_HDRLEN {
                return Err(format!("message of {length} bytes").into());
            }
            let body = Body::parse(&header, &rest[NLMSG_HDRLEN..length], offset + NLMSG_HDRLEN)
                .with_context(|| format!("message at {offset}"))?;
            messages.push(Message {
                header,
                offset,
                body,
            });
            offset += length.next_multiple_of(4);
        }
        Ok(messages)
    }
}

impl<'a> Body<'a> {
    fn parse(
        header: &NetlinkHeader,
        payload: &'a [u8],
        offset: usize,
    ) -> Result<Self, DecodeError> {
        match header.message_type {
            NLMSG_ERROR => ErrorReport::parse(header.flags, payload).map(Self::Error),
            NLMSG_DONE => {
                let code = payload.get(..4).map(parse_i32).transpose()?;
                Ok(Self::Done(code.unwrap_or(0)))
            }
            NLMSG_NOOP | NLMSG_OVERRUN => Ok(Self::Control),
            _ => Ok(Self::Generic {
                header: GenlHeader::parse(payload)?,
                attributes: attributes(&payload[GENL_HDRLEN..], offset + GENL_HDRLEN)?,
            }),
        }
    }
}

impl ErrorReport {
    // netlink-packet-core leaves everything after the errno as bytes.
    fn parse(flags: u16, payload: &[u8]) -> Result<Self, DecodeError> {
        let (code, rest) = payload
            .split_at_checked(4)
            .ok_or("an error without its errno")?;
        let repeated = NetlinkBuffer::new(rest);
        if rest.len() < NLMSG_HDRLEN {
            return Err("an error without the request's header".into());
        }
        let length = if flags & NLM_F_CAPPED != 0 {
            NLMSG_HDRLEN
        } else {
            (repeated.length() as usize).clamp(NLMSG_HDRLEN, rest.len())
        };
        let mut report = Self {
            code: parse_i32(code)?,
            request: rest[..length].to_vec(),
            ..Self::default()
        };
        if flags & NLM_F_ACK_TLVS != 0 {
            let start = length.next_multiple_of(4).min(rest.len());
            for attribute in attributes(&rest[start..], 0)? {
                match attribute.kind {
                    NLMSGERR_ATTR_MSG => report.text = Some(parse_string(attribute.value)?),
                    NLMSGERR_ATTR_OFFS => report.at = Some(parse_u32(attribute.value)?),
                    _ => {}
                }
            }
        }
        Ok(report)
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == 0 {
            return f.write_str("acknowledged");
        }
        let error = std::io::Error::from_raw_os_error(self.code.saturating_neg());
        write!(f, "{error}")?;
        if let Some(text) = &self.text {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

impl<'a> Attribute<'a> {
    /// The attributes inside this one.
    pub fn nest(&self) -> Result<Vec<Attribute<'a>>, DecodeError> {
        attributes(self.value, self.offset)
    }
}

/// Parses attributes that start at `offset` of a datagram; bytes that are none are an error.
fn attributes(bytes: &[u8], mut offset: usize) -> Result<Vec<Attribute<'_>>, DecodeError> {
    let mut attributes = Vec::new();
    let mut rest = bytes;
    // The iterator of netlink-packet-core does not say where an attribute was.
    while !rest.is_empty() {
        let buffer = NlaBuffer::new_checked(rest)?;
        let length = usize::from(buffer.length());
        attributes.push(Attribute {
            kind: buffer.kind(),
            nested: buffer.nested_flag(),
            offset: offset + NLA_HEADER_SIZE,
            value: &rest[NLA_HEADER_SIZE..length],
        });
        let step = length.next_multiple_of(4).min(rest.len());
        rest = &rest[step..];
        offset += step;
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;

    fn error(flags: u16, code: i32, request: &[u8], tlvs: &[u8]) -> Datagram {
        let mut bytes = Vec::new();
        let length = (16 + 4 + request.len() + tlvs.len()) as u32;
        bytes.extend(length.to_ne_bytes());
        bytes.extend(NLMSG_ERROR.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(code.to_ne_bytes());
        bytes.extend(request);
        bytes.extend(tlvs);
        Datagram(bytes)
    }

    fn report(datagram: &Datagram) -> ErrorReport {
        match &datagram.messages().unwrap()[..] {
            [
                Message {
                    body: Body::Error(report),
                    ..
                },
            ] => report.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_repeats_the_request_and_has_its_text() {
        let request = Request::pid(20, 1).encode();
        let mut tlvs = vec![7, 0, 1, 0, b'h', b'i', 0, 0];
        tlvs.extend([8, 0, 2, 0]);
        tlvs.extend(20u32.to_ne_bytes());
        let report = report(&error(NLM_F_ACK_TLVS, -22, &request, &tlvs));
        assert_eq!(report.code, -22);
        assert_eq!(report.request, request);
        assert_eq!(report.text.as_deref(), Some("hi"));
        assert_eq!(report.at, Some(20));
    }

    #[test]
    fn a_capped_error_has_its_text_right_after_the_header() {
        let request = Request::pid(20, 1).encode();
        let tlvs = [7, 0, 1, 0, b'h', b'i', 0, 0];
        let datagram = error(NLM_F_CAPPED | NLM_F_ACK_TLVS, -1, &request[..16], &tlvs);
        let report = report(&datagram);
        assert_eq!(report.request, request[..16]);
        assert_eq!(report.text.as_deref(), Some("hi"));
    }

    #[test]
    fn nested_attributes_know_where_they_are() {
        let inner = [6, 0, 1, 0, 0xaa, 0xbb, 0, 0, 8, 0, 3, 0, 1, 2, 3, 4];
        let datagram = Datagram(Request::new(20, 2).with(|it| it.bytes(4, &inner)).encode());
        let messages = datagram.messages().unwrap();
        let Body::Generic { header, attributes } = &messages[0].body else {
            panic!("{messages:?}");
        };
        assert_eq!(header.cmd, 2);
        let nest = attributes[0].nest().unwrap();
        assert_eq!((nest[0].kind, nest[0].value), (1, &[0xaa, 0xbb][..]));
        assert_eq!((nest[1].kind, nest[1].value), (3, &[1, 2, 3, 4][..]));
        assert_eq!(datagram.0[nest[1].offset..][..4], [1, 2, 3, 4]);
    }

    #[test]
    fn cut_or_lying_messages_are_errors() {
        let whole = Request::pid(20, 1).encode();
        for length in 1..whole.len() {
            assert!(
                Datagram(whole[..length].to_vec()).messages().is_err(),
                "{length}"
            );
        }
        for claim in [0, 3, 9, u16::MAX] {
            let mut request = whole.clone();
            request[20..22].copy_from_slice(&u16::to_ne_bytes(claim));
            assert!(Datagram(request).messages().is_err(), "{claim}");
        }
        let mut short = whole.clone();
        short[..4].copy_from_slice(&15u32.to_ne_bytes());
        assert!(Datagram(short).messages().is_err());
    }

    #[test]
    fn several_messages_in_one_datagram() {
        let mut bytes = Request::pid(20, 1).encode();
        bytes.extend(Request::pid(20, 2).encode());
        let datagram = Datagram(bytes);
        let offsets: Vec<_> = datagram
            .messages()
            .unwrap()
            .iter()
            .map(|m| m.offset)
            .collect();
        assert_eq!(offsets, [0, 28]);
    }
}
