//! Least squares of one value on another, with errors that withstand heteroscedasticity and autocorrelation.

/// The line `second = a + slope · first` through pairs by ordinary least squares.
///
/// The standard error of the slope is Newey and West's (1987) with the Bartlett kernel, weights 1 − l / (lags + 1), and
/// without a correction for small samples: that of statsmodels' `OLS(y, add_constant(x)).fit(cov_type="HAC",
/// cov_kwds={"maxlags": lags, "use_correction": False})`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regression {
    /// Change of the second value for one of the first.
    pub slope: f64,
    /// Newey–West standard error of the slope; above zero.
    pub standard_error: f64,
}

/// Residuals below this share of what they are left of are rounding: the line fits exactly.
const EXACT: f64 = 1e-10;

impl Regression {
    /// Fits the line, O(pairs · lags); none below three pairs, where the first values do not vary, or where the line
    /// leaves no residuals.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    pub fn fit(pairs: impl Iterator<Item = [f64; 2]> + Clone, lags: usize) -> Option<Regression> {
        let count = pairs.clone().count() as f64;
        if count < 3.0 {
            return None;
        }
        let mean = |axis: usize| pairs.clone().map(|pair| pair[axis]).sum::<f64>() / count;
        let (middle, level) = (mean(0), mean(1));
        let centred = pairs.map(|pair| [pair[0] - middle, pair[1] - level]);
        let (mut spread, mut joint, mut height) = (0.0, 0.0, 0.0);
        for [first, second] in centred.clone() {
            spread += first * first;
            joint += first * second;
            height += second * second;
        }
        if spread <= EXACT * EXACT * middle * middle * count {
            return None;
        }
        let slope = joint / spread;
        let mut residuals = 0.0;
        let scores: Vec<f64> = centred
            .map(|[first, second]| {
                let residual = second - slope * first;
                residuals += residual * residual;
                first * residual
            })
            .collect();
        if residuals <= EXACT * EXACT * (height + level * level * count) {
            return None;
        }
        let covariance = |lag: usize| -> f64 {
            let later = scores.iter().skip(lag);
            later.zip(&scores).map(|(now, then)| now * then).sum()
        };
        let lags = lags.min(scores.len() - 1);
        let lagged =
            (1..=lags).map(|lag| 2.0 * (1.0 - lag as f64 / (lags as f64 + 1.0)) * covariance(lag));
        let variance = covariance(0) + lagged.sum::<f64>();
        let standard_error = libm::sqrt(variance.max(0.0)) / spread;
        (standard_error > 0.0).then_some(Regression {
            slope,
            standard_error,
        })
    }

    /// The slope in standard errors.
    pub fn t(&self) -> f64 {
        self.slope / self.standard_error
    }

    /// The usual number of lags for so many pairs: ⌊4 (n / 100)^(2/9)⌋, Newey and West (1994).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some tens at most"
    )]
    pub fn usual_lags(pairs: usize) -> usize {
        libm::floor(4.0 * libm::pow(pairs as f64 / 100.0, 2.0 / 9.0)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The sandwich with matrices, as textbooks write it: (X'X)⁻¹ S (X'X)⁻¹.
    fn naive(pairs: &[[f64; 2]], lags: usize) -> (f64, f64) {
        let rows: Vec<[f64; 2]> = pairs.iter().map(|pair| [1.0, pair[0]]).collect();
        let mut gram = [[0.0; 2]; 2];
        let mut moments = [0.0; 2];
        for (row, pair) in rows.iter().zip(pairs) {
            for i in 0..2 {
                moments[i] += row[i] * pair[1];
                for j in 0..2 {
                    gram[i][j] += row[i] * row[j];
                }
            }
        }
        let determinant = gram[0][0] * gram[1][1] - gram[0][1] * gram[1][0];
        let inverse = [
            [gram[1][1] / determinant, -gram[0][1] / determinant],
            [-gram[1][0] / determinant, gram[0][0] / determinant],
        ];
        let beta = [0, 1].map(|i| inverse[i][0] * moments[0] + inverse[i][1] * moments[1]);
        let residuals: Vec<f64> = rows
            .iter()
            .zip(pairs)
            .map(|(row, pair)| pair[1] - beta[0] * row[0] - beta[1] * row[1])
            .collect();
        let mut meat = [[0.0; 2]; 2];
        for now in 0..rows.len() {
            for then in now.saturating_sub(lags)..=(now + lags).min(rows.len() - 1) {
                let weight = 1.0 - now.abs_diff(then) as f64 / (lags as f64 + 1.0);
                for (i, line) in meat.iter_mut().enumerate() {
                    for (j, cell) in line.iter_mut().enumerate() {
                        *cell += weight
                            * residuals[now]
                            * residuals[then]
                            * rows[now][i]
                            * rows[then][j];
                    }
                }
            }
        }
        let left = [0, 1].map(|j| inverse[1][0] * meat[0][j] + inverse[1][1] * meat[1][j]);
        let variance = left[0] * inverse[0][1] + left[1] * inverse[1][1];
        (beta[1], variance.sqrt())
    }

    proptest! {
        #[test]
        fn is_the_sandwich_of_textbooks(
            pairs in prop::collection::vec((-10.0..10.0_f64, -5.0..5.0_f64), 10..60),
            slope in -3.0..3.0_f64,
            lags in 0_usize..8,
        ) {
            let pairs: Vec<[f64; 2]> = pairs.iter().map(|(x, noise)| [*x, 1.0 + slope * x + noise]).collect();
            let fit = Regression::fit(pairs.iter().copied(), lags).unwrap();
            let (beta, error) = naive(&pairs, lags);
            prop_assert!((fit.slope - beta).abs() < 1e-9 * (1.0 + beta.abs()));
            prop_assert!((fit.standard_error - error).abs() < 1e-9 * (1.0 + error));
            prop_assert_eq!(fit.t(), fit.slope / fit.standard_error);
        }
    }

    #[test]
    fn lines_without_errors_have_no_standard_error() {
        let line = (0..20).map(|x| [f64::from(x), 2.0 * f64::from(x) - 3.0]);
        assert_eq!(Regression::fit(line, 3), None);
        let steady = (0..20).map(|x| [0.1, f64::from(x)]);
        assert_eq!(Regression::fit(steady, 3), None);
        let level = (0..20).map(|x| [f64::from(x), 0.7]);
        assert_eq!(Regression::fit(level, 3), None);
        assert_eq!(Regression::fit(std::iter::empty(), 3), None);
    }

    #[test]
    fn lags_grow_slowly() {
        let lags = [20, 60, 100, 120, 252, 1_000].map(Regression::usual_lags);
        assert_eq!(lags, [2, 3, 4, 4, 4, 6]);
    }
}
