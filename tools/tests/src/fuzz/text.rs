// SPDX-License-Identifier: GPL-2.0

//! Cases as lines of text that mean the same in every boot: bytes in hexadecimal, with names where
//! they are a number that another boot has another value for.
//!
//! ```text
//! # a comment
//! 1c000000 <family>0100 00000000 00000000 01010000 08000100 <worked>
//! registered-for-none: 1c000000 ...
//! ```

use anyhow::{Context, bail, ensure};

use super::{
    case::{Before, Case},
    world::Names,
};

const FAMILY: &str = "family";
const ALL: &str = "registered-for-all";
const NONE: &str = "registered-for-none";

const NLMSG_HDRLEN: usize = 16;
const NLMSG_TYPE: usize = 4;

/// The cases of a file.
pub fn read(names: &Names, file: &str) -> anyhow::Result<Vec<Case>> {
    let lines = file.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| parse(names, line).with_context(|| format!("line {}", index + 1)))
        .collect()
}

fn parse(names: &Names, line: &str) -> anyhow::Result<Case> {
    let (effect, hex) = match line.split_once(':') {
        None => (None, line),
        Some((ALL, hex)) => (Some(Before::All), hex),
        Some((NONE, hex)) => (Some(Before::None), hex),
        Some((what, _)) => bail!("{what:?} is neither {ALL:?} nor {NONE:?}"),
    };
    let mut bytes = Vec::new();
    for word in hex.split_whitespace() {
        let mut rest = word;
        while let Some(name) = rest.strip_prefix('<') {
            let (name, after) = name.split_once('>').context("no >")?;
            rest = after;
            if name == FAMILY {
                bytes.extend(names.family.to_ne_bytes());
                continue;
            }
            let found = names.all().find(|(other, _)| other == name);
            let (_, number) = found.with_context(|| format!("nothing is called {name:?}"))?;
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(hex::decode(rest).with_context(|| format!("{rest:?}"))?);
    }
    Ok(Case {
        effect,
        ..Case::raw(bytes)
    })
}

/// A case as a line that [`read`] makes the same bytes of.
pub fn write(names: &Names, case: &Case) -> anyhow::Result<String> {
    let bytes = case.encode();
    let starts = messages(&bytes);
    let mut line = String::new();
    match case.effect {
        None => {}
        Some(Before::All) => line.push_str(&format!("{ALL}: ")),
        Some(Before::None) => line.push_str(&format!("{NONE}: ")),
    }
    for (index, word) in bytes.chunks(4).enumerate() {
        if index > 0 {
            line.push(' ');
        }
        let at = index * 4;
        let of_message = starts.iter().rev().find(|&&start| start <= at);
        line.push_str(&match of_message.map(|start| at - start) {
            Some(NLMSG_TYPE) if word[..2] == names.family.to_ne_bytes() => {
                format!("<{FAMILY}>{}", hex::encode(&word[2..]))
            }
            Some(NLMSG_HDRLEN..) => match names.all().find(|(_, it)| it.to_ne_bytes() == word) {
                Some((name, _)) => format!("<{name}>"),
                None => hex::encode(word),
            },
            _ => hex::encode(word),
        });
    }
    let again = parse(names, &line)?;
    ensure!(again.encode() == bytes, "{line} is not {bytes:02x?}");
    Ok(line)
}

/// Where the messages of a datagram start that are long enough to have a type.
fn messages(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + NLMSG_HDRLEN) {
        starts.push(at);
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length < NLMSG_HDRLEN || length > bytes.len() - at {
            break;
        }
        at += length.next_multiple_of(4);
    }
    starts
}

#[cfg(test)]
mod tests {
    use crate::request::Request;

    use super::*;

    fn names(family: u16, worked: u32) -> Names {
        Names {
            family,
            tasks: vec![("worked".into(), worked)],
            files: vec![("group".into(), 9)],
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_case_means_the_same_in_another_boot() {
        let case = |family, worked| Case {
            requests: vec![
                Request::pid(family, worked),
                Request::cgroup(family, 9).sequence(worked),
            ],
            trailer: vec![1],
            ..Case::default()
        };
        let line = write(&names(20, 200), &case(20, 200)).unwrap();
        assert_eq!(
            line,
            "1c000000 <family>0100 00000000 00000000 01010000 08000100 <worked> \
             1c000000 <family>0100 c8000000 00000000 04010000 08000100 <group> 01"
        );
        let other = read(&names(30, 300), &line).unwrap();
        let expected = Case {
            requests: vec![Request::pid(30, 300), Request::cgroup(30, 9).sequence(200)],
            ..case(30, 300)
        };
        assert_eq!(other[0].encode(), expected.encode());
    }

    #[test]
    fn the_effect_is_kept_and_comments_are_not() {
        let file = "# nothing\n\nregistered-for-all: 0102\nregistered-for-none: 03\n04\n";
        let names = names(20, 200);
        let cases = read(&names, file).unwrap();
        let effects: Vec<_> = cases.iter().map(|case| case.effect).collect();
        assert_eq!(effects, [Some(Before::All), Some(Before::None), None]);
        for case in &cases {
            let again = read(&names, &write(&names, case).unwrap()).unwrap();
            assert_eq!(&again[0], case);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["0", "xy", "<nobody>", "<family", "later: 00"] {
            assert!(read(&names(20, 200), line).is_err(), "{line}");
        }
    }
}
