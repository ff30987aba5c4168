// SPDX-License-Identifier: GPL-2.0

//! The comparison with figures that were kept.

use std::fmt;

use crate::figures::{Row, Unit};

/// How much more a figure may be, as a part of the kept one; its spread, if that is larger.
pub(crate) const ALLOWED: f64 = 0.02;

/// A figure that got worse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worse {
    figure: String,
    implementation: &'static str,
    kept: i64,
    now: i64,
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            figure,
            implementation,
            kept,
            now,
        } = self;
        let part = (now - kept) as f64 / *kept as f64 * 100.0;
        write!(
            f,
            "{figure}, {implementation}: {now} instructions, {kept} kept: {part:+.1} %"
        )
    }
}

/// What a comparison says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    /// Figures that got worse by more than is allowed.
    pub(crate) worse: Vec<Worse>,
    /// Figures that are not kept, so that nothing is known of them.
    pub(crate) unknown: Vec<String>,
    /// Kept figures that were not measured.
    pub(crate) missing: Vec<String>,
}

/// Compares instructions; what is in other units is shown only.
pub(crate) fn compare(kept: &[Row], now: &[Row]) -> Comparison {
    let counted = |row: &&Row| row.unit == Unit::Instructions;
    let find = |rows: &[Row], name: &str| rows.iter().find(|row| row.figure == name).cloned();
    let mut comparison = Comparison::default();
    for row in now.iter().filter(counted) {
        let Some(before) = find(kept, &row.figure) else {
            comparison.unknown.push(row.figure.clone());
            continue;
        };
        let allowed = [Some(ALLOWED), before.spread, row.spread]
            .into_iter()
            .flatten()
            .fold(0.0, f64::max);
        let sides = [("C", before.c, row.c), ("Rust", before.rust, row.rust)];
        for (implementation, kept, now) in sides {
            let (Some(kept), Some(now)) = (kept, now) else {
                continue;
            };
            if (now - kept) as f64 > kept.abs() as f64 * allowed {
                comparison.worse.push(Worse {
                    figure: row.figure.clone(),
                    implementation,
                    kept,
                    now,
                });
            }
        }
    }
    comparison.missing = kept
        .iter()
        .filter(counted)
        .filter(|row| find(now, &row.figure).is_none())
        .map(|row| row.figure.clone())
        .collect();
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: &str, c: Option<i64>, rust: Option<i64>) -> Row {
        Row {
            figure: figure.into(),
            unit: Unit::Instructions,
            c,
            rust,
            ratio: None,
            spread: None,
        }
    }

    fn worse(kept: &[Row], now: &[Row]) -> Vec<String> {
        compare(kept, now)
            .worse
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn two_percent_are_allowed_and_no_more() {
        let kept = [row("a", Some(1000), Some(1000))];
        assert!(worse(&kept, &[row("a", Some(1020), Some(1020))]).is_empty());
        assert!(worse(&kept, &[row("a", Some(1), Some(1))]).is_empty());
        assert_eq!(
            worse(&kept, &[row("a", Some(1020), Some(1021))]),
            ["a, Rust: 1021 instructions, 1000 kept: +2.1 %"]
        );
        assert_eq!(
            worse(&kept, &[row("a", Some(2000), None)]),
            ["a, C: 2000 instructions, 1000 kept: +100.0 %"]
        );
    }

    #[test]
    fn what_spreads_further_is_allowed_more() {
        let spread = |rust, spread| Row {
            spread: Some(spread),
            ..row("a", None, Some(rust))
        };
        let kept = [spread(1000, 0.001)];
        assert!(worse(&kept, &[spread(1040, 0.05)]).is_empty());
        assert!(worse(&[spread(1000, 0.05)], &[spread(1040, 0.001)]).is_empty());
        assert_eq!(worse(&kept, &[spread(1040, 0.03)]).len(), 1);
    }

    #[test]
    fn figures_that_come_and_go_are_named() {
        let found = compare(&[row("a", None, Some(1))], &[row("b", None, Some(1))]);
        assert_eq!(found.unknown, ["b"]);
        assert_eq!(found.missing, ["a"]);
        assert!(found.worse.is_empty());
    }

    #[test]
    fn other_units_are_not_compared() {
        let size = |bytes| Row {
            unit: Unit::Bytes,
            ..row("text", None, Some(bytes))
        };
        assert_eq!(compare(&[size(1)], &[size(100)]), Comparison::default());
        assert_eq!(compare(&[], &[size(100)]), Comparison::default());
    }
}
