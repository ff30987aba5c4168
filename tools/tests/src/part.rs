// SPDX-License-Identifier: GPL-2.0

//! A part of the tests, so that several guests can share them.

use std::str::FromStr;

use anyhow::{Context, ensure};

/// One of several parts, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    which: usize,
    parts: usize,
}

impl Part {
    /// Every so many of them: tests that do much alike stand side by side, and go to different
    /// parts.
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter()
            .skip(self.which - 1)
            .step_by(self.parts)
            .collect()
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (which, parts) = text.split_once('/').context("no `/`")?;
        let (which, parts) = (which.parse()?, parts.parse()?);
        ensure!((1..=parts).contains(&which), "no part {which} of {parts}");
        Ok(Self { which, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let all: Vec<usize> = (0..7).collect();
        let mut together: Vec<usize> = ["1/3", "2/3", "3/3"]
            .iter()
            .flat_map(|part| part.parse::<Part>().unwrap().of(all.clone()))
            .collect();
        together.sort_unstable();
        assert_eq!(together, all);
        assert_eq!("2/3".parse::<Part>().unwrap().of(all), [1, 4]);
    }

    #[test]
    fn a_part_that_is_none_is_refused() {
        for text in ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}
