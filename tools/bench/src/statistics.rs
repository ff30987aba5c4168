// SPDX-License-Identifier: GPL-2.0

//! What many measurements of one thing come to.

/// The middle one. Medians hide the few blocks that the clock's interrupt fell into.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// How far the middle half of the values lies apart, as a part of their median.
///
/// Unlike the distance between the extremes, it does not grow with the number of values.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let median = median(values)?;
    let distance = quantile(values, 0.75)? - quantile(values, 0.25)?;
    if distance == 0.0 {
        return Some(0.0);
    }
    (median != 0.0).then(|| (distance / median).abs())
}

/// The value below which that part of the values lies, interpolated between neighbours.
pub(crate) fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn one_outlier_is_no_spread() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5.0]), Some(0.0));
        assert_eq!(spread(&[100.0, 100.0, 100.0, 100.0, 900.0]), Some(0.0));
        assert_eq!(spread(&[98.0, 99.0, 100.0, 101.0, 102.0]), Some(0.02));
        assert_eq!(spread(&[-98.0, -99.0, -100.0, -101.0, -102.0]), Some(0.02));
        assert_eq!(spread(&[-1.0, 0.0, 1.0]), None);
    }
}
