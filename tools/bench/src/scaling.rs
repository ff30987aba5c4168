// SPDX-License-Identifier: GPL-2.0

//! What clients that ask at once get together, by what one of them gets alone: whether they wait
//! for each other.

use crate::figures::{Rounds, Unit};

/// The end of the name of a figure for one client.
const ALONE: &str = ", 1 client";

/// Those of the figures that are for several clients, in percent of the one for one client: each
/// round in itself.
pub(crate) fn scaling(rounds: &[Rounds]) -> Vec<Rounds> {
    let mut alone = None;
    let mut scaling = Vec::new();
    for row in rounds {
        if row.figure.ends_with(ALONE) {
            alone = Some(row);
        } else if let Some(alone) = alone {
            scaling.push(Rounds {
                figure: format!("{}, %", row.figure),
                unit: Unit::Percent,
                c: percent(&row.c, &alone.c),
                rust: percent(&row.rust, &alone.rust),
            });
        }
    }
    scaling
}

fn percent(together: &[f64], alone: &[f64]) -> Vec<f64> {
    let pairs = together.iter().zip(alone);
    pairs.map(|(all, one)| all / one * 100.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(figure: &str, c: &[f64], rust: &[f64]) -> Rounds {
        Rounds {
            figure: figure.to_owned(),
            unit: Unit::PerSecond,
            c: c.to_vec(),
            rust: rust.to_vec(),
        }
    }

    #[test]
    fn each_is_compared_with_one_client_of_its_kind() {
        let all = [
            rounds("GET PID, 1 client", &[10.0, 20.0], &[10.0, 5.0]),
            rounds("GET PID, 2 clients", &[10.0, 10.0], &[19.0, 10.0]),
            rounds("/proc, 1 client", &[4.0], &[4.0]),
            rounds("/proc, 2 clients", &[8.0], &[6.0]),
        ];
        let scaling = scaling(&all);
        assert_eq!(scaling.len(), 2);
        assert_eq!(scaling[0].figure, "GET PID, 2 clients, %");
        assert_eq!(scaling[0].c, [100.0, 50.0]);
        assert_eq!(scaling[0].rust, [190.0, 200.0]);
        assert_eq!(
            (&scaling[1].c[..], &scaling[1].rust[..]),
            (&[200.0][..], &[150.0][..])
        );
        assert_eq!(scaling[1].unit, Unit::Percent);
    }
}
