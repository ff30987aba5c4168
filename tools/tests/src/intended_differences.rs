// SPDX-License-Identifier: GPL-2.0

//! Where Rust is meant to answer differently from C: all of it, each with its reason.

/// A difference that is meant.
pub struct Intended {
    /// The case, by the whole name of its test.
    pub case: &'static str,
    /// What was asked: the answer's label.
    pub label: &'static str,
    /// Where the answers differ, as the comparison names it.
    pub place: &'static str,
    /// Why Rust answers differently.
    pub reason: &'static str,
}

/// Every intended difference of an answer. An entry that does not show when its case runs fails
/// that case.
pub const INTENDED: &[Intended] = &[];

/// An intended difference of who hears of exits.
pub struct OfListeners {
    /// What it is about.
    pub case: &'static str,
    /// Why Rust behaves differently.
    pub reason: &'static str,
}

/// Every intended difference of who hears of exits. The tests of `cases/sockets.rs` demand both
/// what C does and what Rust does.
pub const OF_LISTENERS: &[OfListeners] = &[
    OfListeners {
        case: "port id",
        reason: "a closed listener's port id can be bound by anybody, who is not to get its records",
    },
    OfListeners {
        case: "network namespace",
        reason: "the records of a listener in another network namespace are its own, and not those \
                 of whoever has its port id in the initial one",
    },
];

/// The error datagram `rust` without the text of the extended acknowledgement and the offset of the
/// attribute, where C's has neither; everything else as it is. C explains none of its own refusals.
///
/// With `NETLINK_EXT_ACK`, an error that is explained has more attributes, a longer length in its
/// header, and a flag there. `cases/extack.rs` demands the text.
pub fn without_text(c: &[u8], rust: &[u8]) -> Vec<u8> {
    let mut bytes = rust.to_vec();
    let (Some(of_c), Some(of_rust)) = (Extended::of(c), Extended::of(rust)) else {
        return bytes;
    };
    let same_errno = of_c.code != 0 && of_c.code == of_rust.code;
    if same_errno && !of_c.is_explained && of_rust.is_explained {
        bytes.truncate(of_rust.text_at);
        bytes[..4].copy_from_slice(&(of_rust.text_at as u32).to_ne_bytes());
        bytes[6..8].copy_from_slice(&(of_rust.flags & !NLM_F_ACK_TLVS).to_ne_bytes());
    }
    bytes
}

/// An error datagram, as far as its extended acknowledgement goes.
struct Extended {
    flags: u16,
    code: i32,
    is_explained: bool,
    text_at: usize,
}

impl Extended {
    /// `None` if it is no error.
    fn of(bytes: &[u8]) -> Option<Self> {
        if short(bytes, 4)? != NLMSG_ERROR {
            return None;
        }
        let flags = short(bytes, 6)?;
        let repeated = match flags & NLM_F_CAPPED {
            0 => number(bytes, NLMSG_HDRLEN + 4)? as usize,
            _ => NLMSG_HDRLEN,
        };
        Some(Self {
            flags,
            code: number(bytes, NLMSG_HDRLEN)? as i32,
            is_explained: flags & NLM_F_ACK_TLVS != 0,
            text_at: NLMSG_HDRLEN + 4 + repeated.next_multiple_of(NLMSG_ALIGNTO),
        })
    }
}

/// Whether a message of the datagram goes to a generic-netlink family other than TASKSTATS, or asks
/// the controller about one, or about all of them: `family` is the id of TASKSTATS.
///
/// The module brings a family that C does not have, `taskacct`, so the answer to such a message is
/// not the same while it is loaded. Its id is another one after each load: all ids but that of
/// TASKSTATS count as its. What TASKSTATS answers is not concerned.
pub fn asks_about_other_families(datagram: &[u8], family: u16) -> bool {
    let mut rest = datagram;
    // As `netlink_rcv_skb()` goes from message to message.
    while let Some(length) = number(rest, 0).map(|it| it as usize) {
        let Some(message) = rest.get(..length).filter(|_| length >= NLMSG_HDRLEN) else {
            return false;
        };
        let other = match short(message, 4) {
            Some(GENL_ID_CTRL) => asks_controller_about_others(message, family),
            Some(id) => id > GENL_ID_CTRL && id != family,
            None => false,
        };
        if other {
            return true;
        }
        rest = rest
            .get(length.next_multiple_of(NLMSG_ALIGNTO)..)
            .unwrap_or_default();
    }
    false
}

fn asks_controller_about_others(message: &[u8], family: u16) -> bool {
    let flags = short(message, 6).unwrap_or_default();
    let command = message.get(NLMSG_HDRLEN).copied();
    if flags & NLM_F_DUMP == NLM_F_DUMP && command == Some(CTRL_CMD_GETFAMILY) {
        return true;
    }
    let mut rest = message
        .get(NLMSG_HDRLEN + GENL_HDRLEN..)
        .unwrap_or_default();
    while let (Some(length), Some(kind)) = (short(rest, 0), short(rest, 2)) {
        let names_other = short(rest, NLA_HDRLEN).is_some_and(|id| id != family);
        if kind & NLA_TYPE_MASK == CTRL_ATTR_FAMILY_ID && names_other {
            return true;
        }
        let length = usize::from(length).max(NLA_HDRLEN);
        rest = rest
            .get(length.next_multiple_of(NLA_ALIGNTO)..)
            .unwrap_or_default();
    }
    false
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

const NLMSG_HDRLEN: usize = 16;
const NLMSG_ALIGNTO: usize = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLA_HDRLEN: usize = 4;
const NLA_ALIGNTO: usize = 4;
const NLA_TYPE_MASK: u16 = 0x3fff;
const GENL_HDRLEN: usize = 4;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;

const NLMSG_ERROR: u16 = 2;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with a request of 28 bytes.
    fn error(code: i32, flags: u16, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[..4].copy_from_slice(&(48 + attributes.len() as u32).to_ne_bytes());
        bytes[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes[16..20].copy_from_slice(&code.to_ne_bytes());
        bytes[20..24].copy_from_slice(&28_u32.to_ne_bytes());
        bytes.extend_from_slice(attributes);
        bytes
    }

    #[test]
    fn a_text_of_rust_alone_is_left_out() {
        let c = error(-3, 0, b"");
        let rust = error(-3, NLM_F_ACK_TLVS, b"text in attributes..");
        assert_eq!(without_text(&c, &rust), c);
    }

    #[test]
    fn nothing_else_is_left_out() {
        let text = error(-3, NLM_F_ACK_TLVS, b"that of the core.");
        let other = error(-3, NLM_F_ACK_TLVS, b"others");
        assert_eq!(without_text(&text, &other), other);
        let errno = error(-22, NLM_F_ACK_TLVS, b"text");
        assert_eq!(without_text(&error(-3, 0, b""), &errno), errno);
        let success = error(0, NLM_F_ACK_TLVS, b"a cookie");
        assert_eq!(without_text(&error(0, 0, b""), &success), success);
        assert_eq!(without_text(b"short", &text), text);
    }
    const TASKSTATS: u16 = 30;

    fn request(kind: u16, flags: u16, command: u8, attribute: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; NLMSG_HDRLEN + GENL_HDRLEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes[NLMSG_HDRLEN] = command;
        bytes.extend_from_slice(attribute);
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn about(id: u16) -> [u8; 8] {
        let [low, high] = id.to_ne_bytes();
        [6, 0, 1, 0x80, low, high, 0, 0]
    }

    #[test]
    fn other_families_are_known_wherever_they_are_asked_about() {
        let list = request(GENL_ID_CTRL, 0x301, CTRL_CMD_GETFAMILY, b"");
        let of_another = request(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY, &about(31));
        let to_another = request(31, 1, 1, b"");
        let own = request(TASKSTATS, 1, 1, b"");
        for other in [&list, &of_another, &to_another] {
            assert!(asks_about_other_families(other, TASKSTATS), "{other:?}");
            let second = [own.as_slice(), other].concat();
            assert!(asks_about_other_families(&second, TASKSTATS), "{other:?}");
        }
    }

    #[test]
    fn taskstats_is_no_other_family() {
        let none = [
            request(TASKSTATS, 0x301, 1, b""),
            request(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY, &about(TASKSTATS)),
            request(GENL_ID_CTRL, 0x301, 10, &about(TASKSTATS)),
            request(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY, b"\x06\0\x01"),
            b"short".to_vec(),
            Vec::new(),
        ];
        for none in none {
            assert!(!asks_about_other_families(&none, TASKSTATS), "{none:?}");
        }
        // The length is wrong: nobody reads what follows.
        let mut cut = request(31, 1, 1, b"");
        cut[0] += 1;
        assert!(!asks_about_other_families(&cut, TASKSTATS));
    }
}
