//! What a reading is held against so that false alarms come once in so many observations.

use super::{Method, Params, Segments};

pub(super) const ONE_IN_MIN: f64 = 100.0;
pub(super) const ONE_IN_MAX: f64 = 100_000.0;

/// The threshold at which independent normal noise alarms once in `false_alarm_one_in` observations.
pub(super) fn calibrated(params: &Params) -> f64 {
    match (params.method, params.segments()) {
        (Method::Bocpd, Segments::Linear) => 1.5,
        (Method::Bocpd, Segments::Constant) => 2.0,
        (Method::Cusum, _) => 8.0,
    }
}
