// SPDX-License-Identifier: GPL-2.0

//! What was found, as it is written to files.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::statistics::{median, spread};

/// The rounds of one figure, as a guest reports them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rounds {
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    /// Under C, a round each; none where C has no counterpart.
    pub(crate) c: Vec<f64>,
    /// Under Rust.
    pub(crate) rust: Vec<f64>,
}

/// What a figure is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    /// Instructions of the guest.
    Instructions,
    /// Bytes in memory.
    Bytes,
    /// Answers a second, by the wall clock of a busy machine.
    PerSecond,
    /// Percent of another figure, likewise.
    Percent,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) c: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rust: Option<i64>,
    /// Rust's to C's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// The larger one of the two, of the rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<f64>,
}

impl Rounds {
    /// The larger spread of the two.
    pub(crate) fn spread(&self) -> Option<f64> {
        [&self.c, &self.rust]
            .into_iter()
            .filter_map(|rounds| spread(rounds))
            .max_by(f64::total_cmp)
    }

    /// The medians.
    pub(crate) fn row(&self) -> Row {
        let [c, rust] = [&self.c, &self.rust].map(|rounds| median(rounds));
        // Those of one round ran one right after the other: where the machine is busy, their ratio
        // says more than that of the medians.
        let ratios: Vec<_> = self.rust.iter().zip(&self.c).map(|(r, c)| r / c).collect();
        Row {
            figure: self.figure.clone(),
            unit: self.unit,
            c: c.map(|value| value.round() as i64),
            rust: rust.map(|value| value.round() as i64),
            ratio: median(&ratios)
                .map(rounded)
                .filter(|ratio| ratio.is_finite()),
            spread: match self.unit {
                Unit::PerSecond => spread(&ratios),
                Unit::Instructions | Unit::Bytes | Unit::Percent => self.spread(),
            }
            .map(rounded),
        }
    }
}

/// Rounded to what is kept in files and shown.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// What the figures depend on, besides the module: to be read by people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    /// The kernel's release.
    pub(crate) kernel: String,
    /// What `rustc --version` says.
    pub(crate) rustc: String,
    /// What the C compiler calls itself.
    pub(crate) compiler: String,
    /// The version of QEMU, whose CPU the kernel chooses its string functions for.
    pub(crate) emulator: String,
}

/// The figures of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) key: Key,
    pub(crate) rows: Vec<Row>,
}

impl Figures {
    /// Writes a file, and the directory that it is in.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(c: &[f64], rust: &[f64]) -> Rounds {
        Rounds {
            figure: "GET PID".into(),
            unit: Unit::Instructions,
            c: c.to_vec(),
            rust: rust.to_vec(),
        }
    }

    #[test]
    fn a_row_has_the_medians_and_the_larger_spread() {
        let row = rounds(&[100.0, 101.0, 99.0], &[50.0, 50.0, 50.4]).row();
        assert_eq!((row.c, row.rust), (Some(100), Some(50)));
        assert_eq!(row.spread, Some(0.01));
        assert_eq!(row.ratio, Some(0.5));
    }

    #[test]
    fn without_c_there_is_no_ratio() {
        let row = rounds(&[], &[7.0]).row();
        assert_eq!((row.c, row.rust, row.ratio), (None, Some(7), None));
        assert_eq!(row.spread, Some(0.0));
    }

    #[test]
    fn of_throughput_the_ratio_within_a_round_counts() {
        let mut busy = rounds(&[100.0, 10.0, 50.0], &[200.0, 20.0, 100.0]);
        busy.unit = Unit::PerSecond;
        assert_eq!(busy.row().ratio, Some(2.0));
        assert_eq!(busy.row().spread, Some(0.0));
    }
}
