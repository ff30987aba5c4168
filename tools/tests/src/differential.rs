// SPDX-License-Identifier: GPL-2.0

//! The same questions to C and to Rust, and to C again where they are answered differently.
//!
//! Who is in charge is asked first, and the other one then. If their answers are equal, that is all.
//! Otherwise C, Rust and C again are asked: C's second answers tell whether what was asked for stood
//! still meanwhile. Only if C agrees with itself does its answer say what Rust's has to be. So init
//! and kernel threads, which nobody can stop, are compared like stopped tasks, with as many further
//! rounds as it takes.

use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::{
    compare::{Difference, compare, compare_rust_first},
    context::Context,
    exchange::Answer,
    implementation::Implementation,
    intended_differences::{INTENDED, Intended},
    peer::limit,
};

/// Runs a case: `ask` puts its questions to whoever is in charge. Who was not in charge at first is
/// in the end, unless they differed.
///
/// Returns C's answers, for a case that has more to say of them.
pub fn differential(
    context: &Context,
    case: &str,
    mut ask: impl FnMut() -> anyhow::Result<Vec<Answer>>,
) -> anyhow::Result<Vec<Answer>> {
    let mut under = |implementation| {
        context.switch.to(implementation)?;
        let answers = ask().with_context(|| format!("asking {implementation:?}"))?;
        ensure!(!answers.is_empty(), "a case without questions");
        anyhow::Ok(answers)
    };
    let started = Instant::now();
    let (c, found) = match Implementation::in_charge()? {
        Implementation::C => {
            let c = under(Implementation::C)?;
            let rust = under(Implementation::Rust)?;
            let found = compare(&c, &rust);
            (c, found)
        }
        Implementation::Rust => {
            let rust = under(Implementation::Rust)?;
            let c = under(Implementation::C)?;
            let found = compare_rust_first(&rust, &c);
            (c, found)
        }
    };
    if judge(case, found, INTENDED).is_ok() {
        return Ok(c);
    }
    loop {
        let before = under(Implementation::C)?;
        let rust = under(Implementation::Rust)?;
        let after = under(Implementation::C)?;
        let moved = compare(&before, &after);
        if moved.is_empty() {
            judge(case, compare(&before, &rust), INTENDED)?;
            return Ok(before);
        }
        ensure!(
            started.elapsed() < limit(),
            "C differs from C, so there is nothing to compare with:\n{}",
            list(&moved)
        );
    }
}

/// Fails on a difference that is not intended, and on an intended one that does not show.
fn judge(case: &str, found: Vec<Difference>, intended: &[Intended]) -> anyhow::Result<()> {
    let here: Vec<_> = intended.iter().filter(|entry| entry.case == case).collect();
    let is = |entry: &Intended, difference: &Difference| {
        entry.label == difference.label && entry.place == difference.place
    };
    for entry in &here {
        ensure!(
            found.iter().any(|difference| is(entry, difference)),
            "an intended difference does not show: {}: {} ({})",
            entry.label,
            entry.place,
            entry.reason
        );
    }
    let unintended: Vec<_> = found
        .into_iter()
        .filter(|difference| !here.iter().any(|entry| is(entry, difference)))
        .collect();
    ensure!(
        unintended.is_empty(),
        "Rust differs from C (C's value first):\n{}",
        list(&unintended)
    );
    Ok(())
}

fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 40;
    let mut lines: Vec<_> = differences
        .iter()
        .take(SHOWN)
        .map(|difference| format!("  {difference}"))
        .collect();
    if differences.len() > SHOWN {
        lines.push(format!("  and {} more", differences.len() - SHOWN));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(place: &str) -> Difference {
        Difference {
            label: "pid".into(),
            place: place.into(),
            what: "1 versus 2".into(),
        }
    }

    const ENTRY: Intended = Intended {
        case: "case",
        label: "pid",
        place: "datagram 0 errno",
        reason: "a test",
    };

    #[test]
    fn a_difference_fails_unless_it_is_intended() {
        let found = || vec![difference("datagram 0 errno")];
        assert!(judge("case", found(), &[]).is_err());
        assert!(judge("case", found(), &[ENTRY]).is_ok());
        assert!(judge("other", found(), &[ENTRY]).is_err());
        let more = vec![difference("datagram 0 errno"), difference("elsewhere")];
        assert!(judge("case", more, &[ENTRY]).is_err());
    }

    #[test]
    fn an_intended_difference_that_does_not_show_fails() {
        assert!(judge("case", Vec::new(), &[ENTRY]).is_err());
        assert!(judge("other", Vec::new(), &[ENTRY]).is_ok());
    }
}
