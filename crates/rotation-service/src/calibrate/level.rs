//! The threshold that would give a wanted number of episodes a year by chance.
//!
//! It is asked of the readings alone, whatever the kind: an episode is an upcrossing of the level in the direction in
//! which the rule fires, and the next one waits until the reading is back where the rule's own episodes ended. Where
//! that does not count the rule's own openings at its own threshold, the kind opens by more than its reading, and no
//! level is given.

use super::tally::Tally;
use serde::Serialize;

/// Why no threshold is given for a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoLevel {
    /// The rule opened nothing, neither in history nor by chance.
    NeverOpens,
    /// Its openings were held against different thresholds.
    ThresholdMoves,
    /// Crossings of its threshold by its reading are not its openings.
    OpensOtherwise,
    /// Chance has no reading so extreme that it comes so rarely.
    TooOften,
    /// Chance crosses no level so often.
    TooRare,
}

impl NoLevel {
    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            NoLevel::NeverOpens => "it opened nothing, neither in history nor by chance",
            NoLevel::ThresholdMoves => "its threshold moves",
            NoLevel::OpensOtherwise => "it opens by more than its reading",
            NoLevel::TooOften => "chance crosses every level more often",
            NoLevel::TooRare => "chance crosses no level so often",
        }
    }
}

/// A threshold for a budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Level {
    /// The threshold that the rule has.
    pub now: f64,
    /// The threshold that it would take.
    pub wanted: f64,
    /// Episodes a year by chance at that threshold; at most the budget.
    pub per_year: f64,
}

/// So large a share of the openings has to be held against one threshold.
const SHARE_SAME: f64 = 0.9;
/// Crossings and openings may differ by so large a share, or by so many.
const DIFFER_SHARE: f64 = 0.15;
const DIFFER_COUNT: f64 = 2.0;
/// Digits of a threshold that is no whole number.
const DIGITS: i32 = 4;
/// Each level looked at leaves so much fewer readings beyond it than the one before.
const STEP: f64 = 0.7;

/// The threshold that would open at most `budget` episodes a year over the `null` histories.
pub(super) fn level(history: &Tally, null: &[Tally], budget: f64) -> Result<Level, NoLevel> {
    let all = || std::iter::once(history).chain(null);
    let now = threshold(all())?;
    let mut values: Vec<f64> = null.iter().flat_map(|tally| tally.values.clone()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let Some(middle) = values.get(values.len() / 2).copied() else {
        return Err(NoLevel::OpensOtherwise);
    };
    // A rule rarely fires, so most of its readings lie on the side that it comes from.
    let sign = if middle <= now { 1.0 } else { -1.0 };
    if sign < 0.0 {
        values.reverse();
    }
    let crossings = Crossings {
        null,
        sign,
        end: end(all().flat_map(|tally| &tally.ends).map(|end| sign * end)),
    };
    let openings: f64 = null.iter().map(|tally| f64::from(tally.openings)).sum();
    let counted = crossings.of(now);
    if (counted - openings).abs() > (DIFFER_SHARE * openings).max(DIFFER_COUNT) {
        return Err(NoLevel::OpensOtherwise);
    }
    let years: f64 = null.iter().map(Tally::years).sum();
    let wanted = search(&values, &crossings, budget * years)?;
    let is_whole = values.iter().all(|value| value.fract() == 0.0);
    let wanted = rounded(wanted, sign, is_whole);
    Ok(Level {
        now,
        wanted,
        per_year: crossings.of(wanted) / years,
    })
}

/// What nearly all openings were held against.
fn threshold<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Result<f64, NoLevel> {
    let mut counts = std::collections::BTreeMap::<u64, u32>::new();
    for (bits, count) in tallies.flat_map(|tally| &tally.thresholds) {
        *counts.entry(*bits).or_default() += count;
    }
    let total: u32 = counts.values().sum();
    let most = counts.iter().max_by_key(|(_, count)| **count);
    let (bits, count) = most.ok_or(NoLevel::NeverOpens)?;
    if f64::from(*count) < SHARE_SAME * f64::from(total) {
        return Err(NoLevel::ThresholdMoves);
    }
    Ok(f64::from_bits(*bits))
}

/// Where episodes end. Most end a little past the place that ends them: the nearest tenth is left out, as some end for
/// another reason.
fn end(ends: impl Iterator<Item = f64>) -> f64 {
    let mut ends: Vec<f64> = ends.collect();
    ends.sort_unstable_by(f64::total_cmp);
    let at = ends.len() * 9 / 10;
    ends.get(at).copied().unwrap_or(f64::INFINITY)
}

struct Crossings<'a> {
    null: &'a [Tally],
    sign: f64,
    /// How far back a reading has to be, in the direction of `sign`, for the next crossing to count.
    end: f64,
}

impl Crossings<'_> {
    /// How often the readings cross a level, over all histories.
    fn of(&self, level: f64) -> f64 {
        let level = self.sign * level;
        let mut count = 0_u32;
        for tally in self.null {
            let mut values = tally.values.iter().map(|value| self.sign * value);
            let mut is_armed = values.next().is_some_and(|value| value < level);
            for value in values {
                if is_armed && value >= level {
                    count += 1;
                    is_armed = false;
                } else if !is_armed && value < level && value <= self.end {
                    is_armed = true;
                }
            }
        }
        f64::from(count)
    }
}

/// The level nearest to the middle of the readings such that neither it nor any beyond it is crossed more than `most`
/// times. `values` come from the side where the rule is quiet.
fn search(values: &[f64], crossings: &Crossings<'_>, most: f64) -> Result<f64, NoLevel> {
    let is_kept = |level: f64| crossings.of(level) <= most;
    let mut beyond = 1;
    let last = values.last().copied().filter(|last| is_kept(*last));
    let mut good = last.ok_or(NoLevel::TooOften)?;
    loop {
        // Fewer readings beyond a level, fewer crossings: from the last reading back towards the middle.
        beyond = ((beyond as f64 / STEP) as usize).max(beyond + 1);
        if beyond > values.len() / 2 {
            return Err(NoLevel::TooRare);
        }
        let next = values[values.len() - beyond];
        if is_kept(next) {
            good = next;
            continue;
        }
        let mut bad = next;
        for _ in 0..40 {
            let middle = f64::midpoint(good, bad);
            if is_kept(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        return Ok(good);
    }
}

/// Rounds away from the side where the rule is quiet. A level a hair beyond a whole number asks for the next one.
fn rounded(level: f64, sign: f64, is_whole: bool) -> f64 {
    if is_whole {
        return sign * (sign * level).ceil();
    }
    let digits = DIGITS - 1 - level.abs().max(1e-9).log10().floor() as i32;
    let scale = 10_f64.powi(digits);
    let steps = sign * level * scale;
    let near = steps.round();
    let is_near = (steps - near).abs() < 1e-6;
    sign * if is_near { near } else { steps.ceil() } / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history of daily readings that opens where it reaches `threshold` and ends at zero.
    fn tally(values: &[f64], threshold: f64) -> Tally {
        let mut tally = Tally::default();
        tally.values = values.to_vec();
        let mut is_open = false;
        for value in values {
            if !is_open && *value >= threshold {
                is_open = true;
                tally.openings += 1;
                *tally.thresholds.entry(threshold.to_bits()).or_default() += 1;
            } else if is_open && *value == 0.0 {
                is_open = false;
                tally.ends.push(*value);
            }
        }
        tally.over_years(10.0);
        tally
    }

    /// Runs up to each of these lengths, with a zero between.
    fn runs(lengths: &[u32]) -> Vec<f64> {
        let run = |length: &u32| (0..=*length).map(f64::from);
        lengths.iter().flat_map(run).collect()
    }

    #[test]
    fn a_level_keeps_the_budget_and_the_one_below_does_not() {
        // Ten years with 20 runs of five, 10 of seven, 4 of nine.
        let lengths = [vec![5; 20], vec![7; 10], vec![9; 4]].concat();
        let null = [tally(&runs(&lengths), 5.0)];
        let asked = |budget| level(&null[0], &null, budget).unwrap();
        assert_eq!(
            asked(1.5),
            Level {
                now: 5.0,
                wanted: 6.0,
                per_year: 1.4
            }
        );
        assert_eq!((asked(1.0).wanted, asked(1.0).per_year), (8.0, 0.4));
        assert_eq!(level(&null[0], &null, 3.4), Err(NoLevel::TooRare));
        assert_eq!(level(&null[0], &null, 0.1), Err(NoLevel::TooOften));
    }

    #[test]
    fn a_rule_that_fires_downward_is_read_so() {
        let up = runs(&[vec![5; 20], vec![7; 10]].concat());
        let mut null = tally(&up, 5.0);
        null.values.iter_mut().for_each(|value| *value = -*value);
        null.thresholds = [((-5.0_f64).to_bits(), 30)].into();
        let level = level(&null, std::slice::from_ref(&null), 1.0).unwrap();
        assert_eq!((level.now, level.wanted, level.per_year), (-5.0, -6.0, 1.0));
    }

    #[test]
    fn an_episode_is_over_when_the_reading_is_where_the_rules_own_end() {
        let crossings = |end| {
            let mut wavering = Tally::default();
            wavering.values = vec![0.0, 3.1, 2.9, 3.1, 2.0, 3.1, 0.9, 3.1];
            Crossings {
                null: &[wavering],
                sign: 1.0,
                end,
            }
            .of(3.0)
        };
        assert_eq!([3.0, 2.0, 1.0, 0.5].map(crossings), [4.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn rules_without_such_a_threshold_say_so() {
        let mut never = tally(&runs(&[3; 9]), 5.0);
        assert_eq!(
            level(&never, &[never.clone()], 1.0),
            Err(NoLevel::NeverOpens)
        );
        never.thresholds = [(1, 5), (2, 5)].into();
        assert_eq!(
            level(&never, &[never.clone()], 1.0),
            Err(NoLevel::ThresholdMoves)
        );
        // It crosses its threshold 30 times and opens ten times.
        let mut choosy = tally(&runs(&[6; 30]), 5.0);
        choosy.openings = 10;
        assert_eq!(
            level(&choosy, &[choosy.clone()], 1.0),
            Err(NoLevel::OpensOtherwise)
        );
    }

    #[test]
    fn levels_are_rounded_to_the_safe_side() {
        for (level, sign, is_whole, expected) in [
            (6.0, 1.0, true, 6.0),
            (6.000_000_001, 1.0, true, 7.0),
            (-6.2, -1.0, true, -7.0),
            (3.217_41, 1.0, false, 3.218),
            (0.012_341, 1.0, false, 0.012_35),
            (-3.217_41, -1.0, false, -3.218),
            (39.871, -1.0, false, 39.87),
        ] {
            assert_eq!(rounded(level, sign, is_whole), expected, "{level}");
        }
    }
}
