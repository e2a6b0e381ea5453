//! How fast a replay goes: event time against the wall clock.

use rotation_engine::time::EventTime;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A wait longer than this is cut.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
/// What is left of a wait that is cut: nights and weekends last no longer.
pub const WAIT_CUT: Duration = Duration::from_secs(1);

/// The speed of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    Max,
    /// So many seconds of event time a second.
    Factor(f64),
}

/// Why a text is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected \"max\" or a number above zero such as 60 (a minute a second), found {found:?}")]
pub struct SpeedError {
    found: String,
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let factor = text.parse().ok();
        let factor = factor.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
        factor.map(Self::Factor).ok_or_else(|| SpeedError {
            found: text.to_owned(),
        })
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Factor(factor) => factor.fmt(f),
        }
    }
}

/// Says when each record of a replay is to be sent. It reads no clock.
#[derive(Clone, Debug)]
pub struct Pacer {
    speed: Speed,
    newest: Option<EventTime>,
    elapsed: Duration,
}

impl Pacer {
    /// A replay that has not begun.
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        Self {
            speed,
            newest: None,
            elapsed: Duration::ZERO,
        }
    }

    /// How long after the first record one of this event time is sent. Late records are sent at once; waits longer
    /// than [`WAIT_MAX`] are cut to [`WAIT_CUT`]; a replay that has fallen behind catches up.
    pub fn due(&mut self, time: EventTime) -> Duration {
        let Speed::Factor(factor) = self.speed else {
            return Duration::ZERO;
        };
        let newest = *self.newest.get_or_insert(time);
        if time > newest {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a wait need not be right to the nanosecond"
            )]
            let seconds = time.saturating_since(newest) as f64 / 1e9 / factor;
            let is_long = seconds > WAIT_MAX.as_secs_f64();
            self.elapsed += if is_long {
                WAIT_CUT
            } else {
                Duration::from_secs_f64(seconds)
            };
            self.newest = Some(time);
        }
        self.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_speeds() {
        for (text, expected) in [
            ("max", Some(Speed::Max)),
            ("60", Some(Speed::Factor(60.0))),
            ("0.5", Some(Speed::Factor(0.5))),
            ("1e3", Some(Speed::Factor(1000.0))),
            ("0", None),
            ("-1", None),
            ("inf", None),
            ("nan", None),
            ("", None),
            ("fast", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    /// Event times in seconds and when each is sent, in milliseconds of the replay.
    fn check(speed: Speed, cases: &[(i64, u64)]) {
        let mut pacer = Pacer::new(speed);
        for (at, &(seconds, millis)) in cases.iter().enumerate() {
            let due = pacer.due(EventTime::from_nanos(seconds * 1_000_000_000));
            assert_eq!(due, Duration::from_millis(millis), "record {at} at {speed}");
        }
    }

    #[test]
    fn a_minute_a_second() {
        check(
            Speed::Factor(60.0),
            &[(1_000, 0), (1_060, 1_000), (1_063, 1_050), (1_063, 1_050)],
        );
    }

    #[test]
    fn waits_up_to_five_seconds_are_kept_and_longer_ones_cut_to_one() {
        check(
            Speed::Factor(1.0),
            &[
                (0, 0),
                (5, 5_000),
                (11, 6_000),
                (100_000, 7_000),
                (100_002, 9_000),
            ],
        );
    }

    #[test]
    fn late_records_are_sent_at_once_and_do_not_move_the_clock_back() {
        check(
            Speed::Factor(1.0),
            &[(10, 0), (12, 2_000), (11, 2_000), (13, 3_000)],
        );
    }

    #[test]
    fn slower_than_life() {
        check(
            Speed::Factor(0.5),
            &[(0, 0), (1, 2_000), (3, 6_000), (6, 7_000)],
        );
    }

    #[test]
    fn max_never_waits() {
        check(Speed::Max, &[(0, 0), (1, 0), (1_000_000, 0)]);
    }

    #[test]
    fn the_widest_jump_does_not_overflow() {
        let mut pacer = Pacer::new(Speed::Factor(1e-300));
        assert_eq!(pacer.due(EventTime::MIN), Duration::ZERO);
        assert_eq!(pacer.due(EventTime::MAX), WAIT_CUT);
    }
}
