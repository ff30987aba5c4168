// SPDX-License-Identifier: GPL-2.0

//! The comparison with the ratios that are kept.
//!
//! A ratio is Rust's instructions to C's, counted in one boot. Another QEMU and other compilers
//! change the two alike, if not by the same part: so ratios are compared wherever they are counted.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::figures::{Row, Unit};

/// How much more a ratio may be, as a part of the kept one; its spread, if that is larger.
pub(crate) const ALLOWED: f64 = 0.02;

/// A ratio that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    /// Rust's instructions to C's.
    ratio: f64,
    /// How far the rounds of the figure lie apart.
    spread: f64,
}

/// The ratios that are kept, by the names of the figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kept(BTreeMap<String, Ratio>);

impl Kept {
    /// The ratios of these figures: of instructions that both C and Rust take. Nothing is compared
    /// with what the wall clock says.
    pub(crate) fn of(rows: &[Row]) -> Self {
        let ratios = rows
            .iter()
            .filter_map(|row| Some((row.figure.clone(), ratio(row)?)));
        Self(ratios.collect())
    }

    /// Reads a file. It is an error if there is none: then nothing could be compared.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("no ratios are kept in {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())
    }
}

fn ratio(row: &Row) -> Option<Ratio> {
    let ratio = row.ratio.filter(|_| row.unit == Unit::Instructions)?;
    Some(Ratio {
        ratio,
        spread: row.spread.unwrap_or(0.0),
    })
}

/// A ratio that got worse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worse {
    figure: String,
    kept: f64,
    now: f64,
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, kept, now } = self;
        let part = (now / kept - 1.0) * 100.0;
        write!(f, "{figure}: {now:.4} of C's, {kept:.4} kept: {part:+.1} %")
    }
}

/// What a comparison says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    /// How many ratios were compared.
    pub(crate) compared: usize,
    /// Ratios that got worse by more than is allowed.
    pub(crate) worse: Vec<Worse>,
    /// Figures of which no ratio is kept.
    pub(crate) unknown: Vec<String>,
    /// Figures of which a ratio is kept that was not measured.
    pub(crate) missing: Vec<String>,
}

impl Comparison {
    /// Whether each ratio was compared with the kept one and none got worse.
    pub(crate) fn is_good(&self) -> bool {
        let Self {
            compared,
            worse,
            unknown,
            missing,
        } = self;
        *compared > 0 && worse.is_empty() && unknown.is_empty() && missing.is_empty()
    }
}

/// Compares the ratios of these figures with those that are kept.
pub(crate) fn compare(kept: &Kept, now: &[Row]) -> Comparison {
    let mut comparison = Comparison::default();
    let Kept(now) = Kept::of(now);
    for (figure, now) in &now {
        let Some(before) = kept.0.get(figure) else {
            comparison.unknown.push(figure.clone());
            continue;
        };
        comparison.compared += 1;
        let allowed = ALLOWED.max(before.spread).max(now.spread);
        if now.ratio > before.ratio * (1.0 + allowed) {
            comparison.worse.push(Worse {
                figure: figure.clone(),
                kept: before.ratio,
                now: now.ratio,
            });
        }
    }
    let is_missing = |figure: &&String| !now.contains_key(*figure);
    comparison.missing = kept.0.keys().filter(is_missing).cloned().collect();
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: &str, ratio: Option<f64>) -> Row {
        Row {
            figure: figure.into(),
            unit: Unit::Instructions,
            c: ratio.map(|_| 1000),
            rust: Some(1),
            ratio,
            spread: Some(0.001),
        }
    }

    fn worse(kept: &[Row], now: &[Row]) -> Vec<String> {
        let comparison = compare(&Kept::of(kept), now);
        assert_eq!(comparison.is_good(), comparison.worse.is_empty());
        comparison.worse.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_percent_are_allowed_and_no_more() {
        let kept = [row("a", Some(0.9))];
        assert!(worse(&kept, &[row("a", Some(0.918))]).is_empty());
        assert!(worse(&kept, &[row("a", Some(0.1))]).is_empty());
        assert_eq!(
            worse(&kept, &[row("a", Some(0.92))]),
            ["a: 0.9200 of C's, 0.9000 kept: +2.2 %"]
        );
    }

    #[test]
    fn what_spreads_further_is_allowed_more() {
        let spread = |ratio, spread| Row {
            spread: Some(spread),
            ..row("a", Some(ratio))
        };
        assert!(worse(&[spread(1.0, 0.001)], &[spread(1.04, 0.05)]).is_empty());
        assert!(worse(&[spread(1.0, 0.05)], &[spread(1.04, 0.001)]).is_empty());
        assert_eq!(worse(&[spread(1.0, 0.001)], &[spread(1.04, 0.03)]).len(), 1);
    }

    #[test]
    fn figures_that_come_and_go_are_named_and_no_pass() {
        let both = [row("a", Some(1.0)), row("b", Some(1.0))];
        let found = compare(&Kept::of(&both[..1]), &both);
        assert_eq!((found.compared, &found.unknown[..]), (1, &["b".into()][..]));
        assert!(!found.is_good());
        let found = compare(&Kept::of(&both), &both[1..]);
        assert_eq!((found.compared, &found.missing[..]), (1, &["a".into()][..]));
        assert!(!found.is_good());
    }

    #[test]
    fn a_comparison_of_nothing_is_no_pass() {
        assert!(!compare(&Kept::default(), &[]).is_good());
        assert!(Kept::read(Path::new("/none")).is_err());
    }

    #[test]
    fn only_instructions_that_both_take_are_compared() {
        let size = Row {
            unit: Unit::Bytes,
            ..row("text", Some(1.0))
        };
        let rows = [size, row("insmod", None), row("a", Some(1.0))];
        assert_eq!(Kept::of(&rows), Kept::of(&rows[2..]));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let kept = Kept::of(&[row("a", Some(0.9)), row("b", Some(1.1))]);
        kept.write(file.path()).unwrap();
        assert_eq!(Kept::read(file.path()).unwrap(), kept);
        fs::write(file.path(), "[]").unwrap();
        assert!(Kept::read(file.path()).is_err());
    }

    #[test]
    fn the_projects_ratios_can_be_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ratios/lean.json");
        assert!(Kept::read(&file).unwrap().0.contains_key("GET PID"));
    }
}
