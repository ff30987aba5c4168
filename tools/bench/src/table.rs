// SPDX-License-Identifier: GPL-2.0

//! Figures as tables, for people.

use anyhow::{Context, Result};
use kbuild::Config;
use tabled::{
    Table,
    builder::Builder,
    settings::{
        Alignment, Style,
        object::{Columns, Rows},
    },
};

use crate::figures::Row;

/// What a table is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A terminal.
    Text,
    /// A page of Documentation/.
    Rest,
}

const HEAD: [&str; 5] = ["Figure", "C", "Rust", "Rust / C", "Spread"];
const NONE: &str = "-";

/// Draws a table.
pub(crate) fn table(rows: &[Row], format: Format) -> String {
    let mut builder = Builder::default();
    builder.push_record(HEAD);
    for row in rows {
        let number = |value: Option<i64>| value.map_or(NONE.into(), |value| value.to_string());
        let ratio = row.ratio.map(|ratio| format!("{ratio:.3}"));
        let spread = row.spread.map(|part| format!("{:.2} %", part * 100.0));
        builder.push_record([
            row.figure.clone(),
            number(row.c),
            number(row.rust),
            ratio.unwrap_or(NONE.into()),
            spread.unwrap_or(NONE.into()),
        ]);
    }
    let mut table = builder.build();
    match format {
        Format::Text => table.with(Style::psql()),
        Format::Rest => table.with(Style::re_structured_text()),
    };
    table.modify(Columns::new(1..), Alignment::right());
    table.modify(Rows::first(), Alignment::left());
    trimmed(&table)
}

/// The table's text. Blanks at the end of a line are nothing to keep in a repository.
pub(crate) fn trimmed(table: &Table) -> String {
    let text = table.to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The marks between which a kernel's figures stand.
fn marks(kernel: Config) -> [String; 2] {
    let command = format!("make bench KERNEL={kernel} DOC=1");
    [
        format!(".. What follows is written by {command}."),
        format!(".. What was written by {command} ends here."),
    ]
}

/// A page with another text between a kernel's two marks in it.
pub(crate) fn replace(page: &str, kernel: Config, text: &str) -> Result<String> {
    let [begin, end] = marks(kernel);
    let no_mark = || format!("the page has no mark `{begin}`");
    let (before, rest) = page.split_once(&begin).with_context(no_mark)?;
    let (_, after) = rest
        .split_once(&end)
        .with_context(|| format!("the page has no mark `{end}`"))?;
    Ok(format!("{before}{begin}\n\n{text}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Unit;

    fn rows() -> Vec<Row> {
        vec![
            Row {
                figure: "GET PID".into(),
                unit: Unit::Instructions,
                c: Some(6335),
                rust: Some(6343),
                ratio: Some(1.0013),
                spread: Some(0.0012),
            },
            Row {
                figure: "load".into(),
                unit: Unit::Instructions,
                c: None,
                rust: Some(1),
                ratio: None,
                spread: None,
            },
        ]
    }

    #[test]
    fn a_terminal_gets_columns() {
        assert_eq!(
            table(&rows(), Format::Text),
            " Figure  | C    | Rust | Rust / C | Spread
---------+------+------+----------+--------
 GET PID | 6335 | 6343 |    1.001 | 0.12 %
 load    |    - |    1 |        - |      -"
        );
    }

    #[test]
    fn a_page_gets_a_simple_table() {
        assert_eq!(
            table(&rows(), Format::Rest),
            "========= ====== ====== ========== ========
 Figure    C      Rust   Rust / C   Spread
========= ====== ====== ========== ========
 GET PID   6335   6343      1.001   0.12 %
 load         -      1          -        -
========= ====== ====== ========== ========"
        );
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let [begin, end] = marks(Config::Debian);
        let page = format!("before\n\n{begin}\n\nold\n\n{end}\n\nafter\n");
        let new = replace(&page, Config::Debian, "new").unwrap();
        assert_eq!(new, page.replace("old", "new"));
        assert!(replace(&page, Config::Lean, "new").is_err());
        assert!(replace("no mark", Config::Debian, "new").is_err());
        assert!(replace(&begin, Config::Debian, "new").is_err());
    }
}
