//! Shrinking a covariance toward one of equal variances without correlations.
//!
//! Olivier Ledoit and Michael Wolf, *A well-conditioned estimator for large-dimensional covariance matrices*, Journal
//! of Multivariate Analysis 88 (2004).

/// How far to go, 0 to 1: the estimated error of the covariance over its distance from the target, both squared. The
/// rows are those that the covariance of the counted members was taken from, with their number in the denominator.
pub(super) fn ledoit_wolf<'a>(
    rows: impl Iterator<Item = &'a [f64]>,
    counted: &[usize],
    means: &[f64],
    covariance: &[f64],
) -> f64 {
    let size = counted.len();
    let mean_variance = trace(covariance, size) / as_f64(size);
    let squares: f64 = covariance.iter().map(|value| value * value).sum();
    let from_target = squares - as_f64(size) * mean_variance * mean_variance;
    let (mut fourths, mut count) = (0.0, 0);
    for row in rows {
        let square = |(place, mean): (&usize, &f64)| (row[*place] - mean) * (row[*place] - mean);
        let length: f64 = counted.iter().zip(means).map(square).sum();
        fourths += length * length;
        count += 1;
    }
    let error = (fourths / as_f64(count) - squares) / as_f64(count);
    // Where all variances are equal and nothing is correlated there is nothing to shrink.
    if from_target <= squares * 1e-15 {
        return 1.0;
    }
    (error / from_target).clamp(0.0, 1.0)
}

/// Takes a covariance so much of the way to its mean variance on the diagonal.
pub(super) fn toward_identity(covariance: &mut [f64], size: usize, shrinkage: f64) {
    let mean_variance = trace(covariance, size) / as_f64(size);
    for value in covariance.iter_mut() {
        *value *= 1.0 - shrinkage;
    }
    for at in 0..size {
        covariance[at * size + at] += shrinkage * mean_variance;
    }
}

fn trace(matrix: &[f64], size: usize) -> f64 {
    (0..size).map(|at| matrix[at * size + at]).sum()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "windows and members are far fewer than 2^53"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}
