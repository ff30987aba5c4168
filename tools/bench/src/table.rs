// SPDX-License-Identifier: GPL-2.0

//! Figures as tables, for people.

use anyhow::{Context, Result};
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

const BEGIN: &str = ".. What follows is written by make bench DOC=1.";
const END: &str = ".. What was written by make bench DOC=1 ends here.";

/// A page with another text between the two marks in it.
pub(crate) fn replace(page: &str, text: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no mark")?;
    let (_, after) = rest
        .split_once(END)
        .context("the page has no second mark")?;
    Ok(format!("{before}{BEGIN}\n\n{text}\n\n{END}{after}"))
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
        let page = format!("before\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n");
        let new = replace(&page, "new").unwrap();
        assert_eq!(new, page.replace("old", "new"));
        assert!(replace("no mark", "new").is_err());
        assert!(replace(BEGIN, "new").is_err());
    }
}
