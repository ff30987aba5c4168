// SPDX-License-Identifier: GPL-2.0

//! One of several shares of the tests, so that several guests can run them.

use std::str::FromStr;

use anyhow::{Context, ensure};

/// One of several shards, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    number: usize,
}

impl Shard {
    /// Every so many of them: tests that are alike stand side by side, and go to different shards.
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter()
            .skip(self.index - 1)
            .step_by(self.number)
            .collect()
    }
}

impl FromStr for Shard {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (index, number) = text.split_once('/').context("no `/`")?;
        let (index, number) = (index.parse()?, number.parse()?);
        ensure!(
            (1..=number).contains(&index),
            "no shard {index} of {number}"
        );
        Ok(Self { index, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_are_the_whole() {
        let all: Vec<usize> = (0..7).collect();
        let mut together: Vec<usize> = ["1/3", "2/3", "3/3"]
            .iter()
            .flat_map(|shard| shard.parse::<Shard>().unwrap().of(all.clone()))
            .collect();
        together.sort_unstable();
        assert_eq!(together, all);
        assert_eq!("2/3".parse::<Shard>().unwrap().of(all), [1, 4]);
    }

    #[test]
    fn a_shard_that_does_not_exist_is_refused() {
        for text in ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
