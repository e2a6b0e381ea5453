//! How the order of the members has changed.

/// Positions by value, the highest first; of equal ones the earlier.
pub(super) fn order(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|left, right| {
        let by_value = values[*right].total_cmp(&values[*left]);
        by_value.then(left.cmp(right))
    });
    order
}

/// Spearman's rank correlation of two lists of values, each with its [`order`], equal values sharing the mean of their
/// ranks; none below three values, or where all of one side are equal.
pub(super) fn correlation(left: (&[f64], &[usize]), right: (&[f64], &[usize])) -> Option<f64> {
    if left.0.len() < 3 {
        return None;
    }
    let (left, right) = (ranks(left.0, left.1), ranks(right.0, right.1));
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    let mean = (left.len() as f64 + 1.0) / 2.0;
    let product = |one: &[f64], other: &[f64]| -> f64 {
        one.iter()
            .zip(other)
            .map(|(one, other)| (one - mean) * (other - mean))
            .sum()
    };
    let spread = libm::sqrt(product(&left, &left) * product(&right, &right));
    (spread > 0.0).then(|| product(&left, &right) / spread)
}

/// From 1 for the highest.
fn ranks(values: &[f64], order: &[usize]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut rank = 1.0;
    for equal in order.chunk_by(|left, right| values[*left] == values[*right]) {
        #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
        let count = equal.len() as f64;
        for at in equal {
            ranks[*at] = rank + (count - 1.0) / 2.0;
        }
        rank += count;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(left: &[f64], right: &[f64]) -> Option<f64> {
        correlation((left, &order(left)), (right, &order(right)))
    }

    #[test]
    fn equal_values_share_their_ranks() {
        let values = [3.0, 5.0, 3.0, 1.0];
        assert_eq!(order(&values), [1, 0, 2, 3]);
        assert_eq!(ranks(&values, &order(&values)), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn the_correlation_is_spearmans() {
        // By scipy.stats.spearmanr.
        let (left, right) = ([3.0, 5.0, 3.0, 1.0, 9.0], [2.0, 7.0, 1.0, 1.5, 6.0]);
        let read = of(&left, &right).unwrap();
        assert!((read - 0.718_184_846_459_607_9).abs() < 1e-12, "{read}");
        assert_eq!(of(&left[..2], &right[..2]), None);
        assert_eq!(of(&[1.0; 4], &right[..4]), None);
        assert_eq!(of(&right, &right), Some(1.0));
    }
}
