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
        const HEADER: usize = 16;
        let u16_at = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if u16_at(4)? != NLMSG_ERROR {
            return None;
        }
        let flags = u16_at(6)?;
        let repeated = match flags & NLM_F_CAPPED {
            0 => u32_at(HEADER + 4)? as usize,
            _ => HEADER,
        };
        Some(Self {
            flags,
            code: u32_at(HEADER)? as i32,
            is_explained: flags & NLM_F_ACK_TLVS != 0,
            text_at: HEADER + 4 + repeated.next_multiple_of(4),
        })
    }
}

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
}
