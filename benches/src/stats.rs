//! Medians and percentiles.

/// The middle one; of none, not a number.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What `share` of the sorted values do not exceed (nearest rank); of none, not a number.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().map_or(f64::NAN, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([3.0, f64::NAN, 2.0, 1.0]), 2.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_percentile_is_by_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).collect();
        for (share, value) in
            [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (0.999, 100.0), (1.0, 100.0)]
        {
            assert_eq!(percentile(&hundred, share), value, "{share}");
        }
        assert_eq!(percentile(&[7], 0.999), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
