//! What is prescribed: the sessions, and what each series does in them.
//!
//! The market is invented. It is drawn so that the story's figures come out whatever the seed: small companies up 8 %
//! against 1.5 % for large ones, ahead in each of 14 sessions and behind in the 15th, records after a drought, and a
//! 10-year yield that climbs to 4.96 % and touches 5 % once within a session.

use jiff::civil::{Date, date};

/// First session of the story.
pub(super) const FIRST: Date = date(2026, 1, 2);
/// Sessions of the story.
pub(super) const SESSIONS: usize = 16;
/// Sessions before it, of which only closes are told.
pub(super) const HISTORY: usize = 60;

/// Returns of small (RUT) and large (SPX) companies in each session, in percent.
pub(super) const RETURNS: [(f64, f64); SESSIONS] = [
    (0.95, 0.18),
    (1.30, 0.55),
    (1.05, 0.48),
    (-0.20, -0.38),
    (1.02, 0.05),
    (0.72, 0.51),
    (0.40, 0.14),
    (-0.12, -0.22),
    (0.66, -0.45),
    (0.85, 0.24),
    (0.14, -0.08),
    (-0.95, -1.60),
    (1.60, 1.05),
    (0.78, 0.50),
    (-0.96, 0.30),
    (0.50, 0.24),
];

/// Closes of the 10-year yield, in percent.
pub(super) const YIELDS: [f64; SESSIONS] = [
    4.64, 4.66, 4.69, 4.71, 4.74, 4.73, 4.77, 4.80, 4.84, 4.83, 4.87, 4.91, 4.93, 4.95, 4.98, 4.96,
];

/// The session (from 0) within which the yield touches 5 %, and the yield at that moment.
pub(super) const TOUCH: (usize, f64) = (14, 5.002);
/// No other session's yield gets beyond this.
pub(super) const YIELD_MAX: f64 = 4.99;

/// How a series moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Motion {
    /// As prescribed for small companies.
    Small,
    /// As prescribed for large companies.
    Large,
    /// As prescribed for the yield.
    Yield,
    /// So much of the small companies' return and so much of the large ones', plus a drift a session in percent, plus
    /// noise of this standard deviation in percent.
    Mixed {
        small: f64,
        large: f64,
        drift: f64,
        noise: f64,
    },
}

/// A series of the story.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cast {
    /// The symbol.
    pub(super) symbol: &'static str,
    /// Close of the last session before the story.
    pub(super) start: f64,
    /// Standard deviation of a session's path, in percent of the price; of the yield, in percentage points.
    pub(super) intraday: f64,
    /// How it moves.
    pub(super) motion: Motion,
}

const fn cast(symbol: &'static str, start: f64, intraday: f64, motion: Motion) -> Cast {
    Cast {
        symbol,
        start,
        intraday,
        motion,
    }
}

const fn mixed(small: f64, large: f64, drift: f64, noise: f64) -> Motion {
    Motion::Mixed {
        small,
        large,
        drift,
        noise,
    }
}

const SMALL: Motion = mixed(1.0, 0.0, 0.0, 0.8);
const LARGE: Motion = mixed(0.0, 1.0, 0.0, 0.4);
/// Mega caps stall.
const MEGA: Motion = mixed(0.0, 0.8, -0.15, 0.7);
/// The small companies that lead.
const LEADER: Motion = mixed(1.0, 0.0, 1.1, 1.6);

/// Everybody who plays.
pub(super) const CAST: [Cast; 30] = [
    cast("RUT", 2_480.0, 0.45, Motion::Small),
    cast("SPX", 6_850.0, 0.30, Motion::Large),
    cast("DGS10", 4.62, 0.01, Motion::Yield),
    cast("MID", 3_310.0, 0.40, mixed(0.5, 0.5, 0.0, 0.05)),
    cast("KRE", 65.2, 0.7, mixed(0.6, 0.4, 0.25, 0.2)),
    cast("AAPL", 272.0, 0.8, MEGA),
    cast("AMZN", 231.0, 0.8, MEGA),
    cast("GOOGL", 313.0, 0.8, MEGA),
    cast("META", 660.0, 0.9, MEGA),
    cast("MSFT", 484.0, 0.7, MEGA),
    cast("NVDA", 187.0, 1.1, MEGA),
    cast("TSLA", 450.0, 1.4, MEGA),
    cast("BE", 87.0, 2.2, LEADER),
    cast("CRDO", 144.0, 2.0, LEADER),
    cast("GH", 102.0, 1.6, LEADER),
    cast("SMALL1", 24.0, 1.2, SMALL),
    cast("SMALL2", 38.5, 1.2, SMALL),
    cast("SMALL3", 12.8, 1.3, SMALL),
    cast("SMALL4", 61.0, 1.1, SMALL),
    cast("SMALL5", 47.3, 1.2, SMALL),
    cast("SMALL6", 19.9, 1.3, SMALL),
    cast("SMALL7", 83.0, 1.0, SMALL),
    cast("SMALL8", 30.4, 1.2, SMALL),
    cast("LARGE1", 155.0, 0.6, LARGE),
    cast("LARGE2", 88.0, 0.6, LARGE),
    cast("LARGE3", 301.0, 0.6, LARGE),
    cast("LARGE4", 120.5, 0.5, LARGE),
    cast("LARGE5", 67.7, 0.6, LARGE),
    cast("LARGE6", 210.0, 0.5, LARGE),
    cast("LARGE7", 512.0, 0.6, LARGE),
];

/// Sessions between the last record of small companies and the end of the history.
pub(super) const RECORD_BEFORE: usize = 14;
/// That record, as a multiple of the close before the story.
pub(super) const RECORD: f64 = 1.0395;
/// Returns of the last session before the story, in percent: small companies lose it.
pub(super) const LAST_BEFORE: (f64, f64) = (-0.40, -0.20);
