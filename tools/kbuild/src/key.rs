// SPDX-License-Identifier: GPL-2.0
//! Keys of the cache: hashes over everything that went in.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// How many hexadecimal digits of the hash name a directory.
const DIGITS: usize = 12;

/// What goes into a build, a line each. The text is kept beside the result, for people who ask why
/// there are two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs(String);

impl Inputs {
    pub(crate) fn add(&mut self, what: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{what}: {value}");
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(&self) -> String {
        let mut key = of_bytes(self.0.as_bytes());
        key.truncate(DIGITS);
        key
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes).as_slice())
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok(hexadecimal(hash.finalize().as_slice()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(lines: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        lines
            .iter()
            .for_each(|(what, value)| inputs.add(what, value));
        inputs
    }

    #[test]
    fn a_key_is_the_same_on_every_machine() {
        assert_eq!(
            inputs(&[("rustc", "1.95.0"), ("patch", "a")]).key(),
            "dd3b83119504"
        );
    }

    #[test]
    fn a_key_changes_with_each_input_and_their_order() {
        let key = inputs(&[("a", "1"), ("b", "2")]).key();
        for other in [
            &[("a", "1"), ("b", "3")][..],
            &[("b", "2"), ("a", "1")],
            &[("a", "1")],
            &[("a", "1"), ("c", "2")],
        ] {
            assert_ne!(inputs(other).key(), key, "{other:?}");
        }
    }

    #[test]
    fn a_file_hashes_as_its_bytes() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        std::fs::write(&path, b"abc").unwrap();
        // The test vector of the standard.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(&path).unwrap(), expected);
        assert_eq!(of_bytes(b"abc"), expected);
    }
}
