//! Markets with holes, and what every kind over members owes on them.

use super::conformance::{Bench, Dice, session_bucket};
use super::{Change, Kind, Unit};
use crate::clock::Bucket;
use crate::section::Point;
use jiff::Span;
use jiff::civil::{Date, date};
use serde_json::Value;

/// Closes, a row a session.
#[derive(Clone, Debug)]
pub(super) struct Ragged(pub Vec<Vec<Option<f64>>>);

/// What a rule said at a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub value: Option<f64>,
    pub change: Change,
    pub evidence: Value,
    pub headline: String,
}

/// The day of a session; sessions are a day apart.
pub(super) fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

impl Ragged {
    /// Walks in steps of about 1 % with two decimals, so that there are ties. The first member always trades; others
    /// are listed later, miss single sessions, halt for a while or cease for good.
    pub(super) fn walk(seed: u64, members: usize, sessions: usize) -> Self {
        let mut dice = Dice(seed);
        let mut rows = vec![vec![None; members]; sessions];
        for member in 0..members {
            let is_whole = member == 0 || dice.below(4) == 0;
            let listed = if is_whole { 0 } else { dice.below(sessions) };
            let ceases = if is_whole || dice.below(3) > 0 {
                sessions
            } else {
                dice.below(sessions)
            };
            let mut price = 50.0 + 100.0 * dice.fraction();
            let mut halted = 0;
            for (session, row) in rows.iter_mut().enumerate() {
                let step = (dice.fraction() - 0.5) * 0.03 * price + (100.0 - price) * 0.01;
                price = ((price + step) * 20.0).round() / 20.0;
                if halted > 0 {
                    halted -= 1;
                } else if !is_whole && dice.below(40) == 0 {
                    halted = 1 + dice.below(6);
                }
                let trades = listed <= session && session < ceases && halted == 0;
                row[member] = trades.then_some(price);
            }
        }
        Ragged(rows)
    }

    pub(super) fn section(&self, session: usize) -> (Bucket, Vec<Option<Point>>) {
        let point = |close: &Option<f64>| close.map(|close| Point::flat(close, true));
        (
            session_bucket(day(session)),
            self.0[session].iter().map(point).collect(),
        )
    }
}

/// What a rule says of each session.
pub(super) fn run(kind: &Kind, market: &Ragged) -> Vec<Told> {
    run_changed(kind, market, |_, _| {})
}

/// The same, where `between` may change the detector before each session.
pub(super) fn run_changed(
    kind: &Kind,
    market: &Ragged,
    mut between: impl FnMut(usize, &mut Bench<'_>),
) -> Vec<Told> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sessions = (0..market.0.len()).map(|session| {
        between(session, &mut bench);
        let (step, account) = bench.step(&market.section(session));
        Told {
            value: step.reading.map(|reading| reading.value),
            change: step.change,
            evidence: serde_json::to_value(account.evidence).unwrap(),
            headline: account.headline,
        }
    });
    sessions.collect()
}

/// Stored and restored before random sessions it says what it would have said.
pub(super) fn a_restored_copy_goes_on(kind: &Kind, seed: u64, market: &Ragged) {
    let mut dice = Dice(seed);
    let restored = run_changed(kind, market, |_, bench| {
        if dice.below(15) == 0 {
            let text = serde_json::to_string(&bench.state).unwrap();
            bench.state = serde_json::from_str(&text).unwrap();
        }
    });
    assert_eq!(restored, run(kind, market));
}

/// A split of one member moves no reading.
pub(super) fn splits_move_no_reading(kind: &Kind, seed: u64, market: &Ragged) {
    let mut dice = Dice(seed);
    let factor = [0.5, 0.1, 1.0 / 3.0, 1.5, 20.0][dice.below(5)];
    let member = dice.below(kind.inputs().len());
    let at = dice.below(market.0.len());
    let mut split = market.clone();
    for row in &mut split.0[at..] {
        row[member] = row[member].map(|close| close * factor);
    }
    let told = run_changed(kind, &split, |session, bench| {
        if session == at {
            bench.state.rescale(member, factor);
        }
    });
    for (session, (split, whole)) in told.iter().zip(run(kind, market)).enumerate() {
        assert_eq!(split.change, whole.change, "session {session}");
        assert_close(split.value, whole.value, 1e-9, session);
    }
}

/// Both absent, or the same to within a relative tolerance, of one where they are smaller.
pub(super) fn assert_close(left: Option<f64>, right: Option<f64>, tolerance: f64, session: usize) {
    let is_close = match (left, right) {
        (Some(left), Some(right)) => (left - right).abs() <= tolerance * right.abs().max(1.0),
        (left, right) => left == right,
    };
    assert!(is_close, "session {session}: {left:?} against {right:?}");
}
