//! The laws of [`Detector`](super::Detector) and of [`Change`], held against every kind on seeded random walks.

use super::{Account, Change, DetectorState, Kind, Measure, Names, Step, Unit};
use crate::alert::{Evidence, Fact};
use crate::clock::{Bucket, DAY, SECOND};
use crate::section::{Began, Point, Said, Section};
use crate::time::EventTime;
use jiff::civil::{Date, date};

/// Numbers without pattern from a seed: splitmix64 (Steele, Lea, Flood 2014).
pub(super) struct Dice(pub u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to below 1.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }
}

/// What a rule would read, owned.
#[derive(Clone, Debug)]
pub(super) struct Tape(pub Vec<(Bucket, Vec<Option<Point>>)>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// One section a session.
    Session,
    /// Some six ticks a day.
    Tick,
}

pub(super) fn session_bucket(day: Date) -> Bucket {
    let start = EventTime::from_nanos(crate::clock::date_key(day) * DAY);
    let end = start.saturating_add(DAY);
    Bucket {
        start,
        end,
        as_of: end,
        date: Some(day),
    }
}

pub(super) fn tick_bucket(time: EventTime) -> Bucket {
    Bucket {
        start: time,
        end: time.saturating_add(1),
        as_of: time,
        date: None,
    }
}

impl Tape {
    /// Walks around 100 in steps of about 1 %, with a soft pull back; prices have two decimals, so there are ties.
    pub(super) fn walk(seed: u64, inputs: usize, pace: Pace, sections: usize) -> Self {
        let mut dice = Dice(seed);
        let mut prices = vec![100.0_f64; inputs];
        let first_day = date(2000, 1, 1);
        let mut time = EventTime::from_nanos(crate::clock::date_key(first_day) * DAY);
        let sections = (0..sections).map(|index| {
            let bucket = match pace {
                Pace::Session => {
                    let days = i64::try_from(index).unwrap();
                    session_bucket(first_day.saturating_add(jiff::Span::new().days(days)))
                }
                Pace::Tick => {
                    time = time.saturating_add((1 + dice.below(8 * 3600)) as i64 * SECOND);
                    tick_bucket(time)
                }
            };
            let values = prices.iter_mut().map(|price| {
                let step = (dice.fraction() - 0.5) * 2.0 + (100.0 - *price) * 0.01;
                let open = *price;
                *price = ((*price + step) * 100.0).round() / 100.0;
                Some(Point {
                    open,
                    high: open.max(*price) + dice.fraction(),
                    low: open.min(*price) - dice.fraction(),
                    size: 1_000.0 * (1.0 + dice.fraction()),
                    ..Point::flat(*price, true)
                })
            });
            (bucket, values.collect())
        });
        Tape(sections.collect())
    }

    /// The same, but each value is missing one time in five, and at least one of a section is there.
    fn holed(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut tape = self.clone();
        for (_, values) in &mut tape.0 {
            let stays = dice.below(values.len());
            for (index, value) in values.iter_mut().enumerate() {
                if index != stays && dice.below(5) == 0 {
                    *value = None;
                }
            }
        }
        tape
    }

    /// The same prices times `factor`, of one input, from a section on.
    fn scaled(&self, input: usize, from: usize, factor: f64) -> Self {
        let mut tape = self.clone();
        for (_, values) in &mut tape.0[from..] {
            for (index, value) in values.iter_mut().enumerate() {
                if input == index {
                    *value = value.map(|point| point.scaled(factor));
                }
            }
        }
        tape
    }
}

/// A detector, what it reads, and the law of its changes.
pub(super) struct Bench<'a> {
    kind: &'a Kind,
    symbols: Vec<String>,
    units: Vec<Unit>,
    pub(super) state: DetectorState,
    is_open: bool,
    /// Whether each rule that the kind reads has an episode.
    read: Vec<bool>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(kind: &'a Kind, unit: Unit) -> Self {
        kind.check().unwrap();
        let symbols = kind.inputs();
        Bench {
            kind,
            units: vec![unit; symbols.len()],
            symbols,
            state: kind.detector(),
            is_open: false,
            read: vec![false; kind.reads().len()],
        }
    }

    pub(super) fn step(&mut self, section: &(Bucket, Vec<Option<Point>>)) -> (Step, Account) {
        let step = self.advance(section);
        self.obeys_the_law_of_changes(&step.change);
        if let Some(Measure {
            value,
            threshold,
            distance,
        }) = step.reading
        {
            assert!(value.is_finite() && threshold.is_finite() && distance.is_finite());
            assert!(distance >= 0.0, "a distance to firing of {distance}");
        }
        let names = Names {
            symbols: &self.symbols,
            units: &self.units,
        };
        let account = self.state.account(self.kind, names, &step.change);
        assert!(!account.headline.is_empty() && !account.headline.ends_with('.'));
        assert!(!account.reverses.is_empty() && !account.reverses.ends_with('.'));
        assert!(is_finite(&account.evidence), "{:?}", account.evidence);
        (step, account)
    }

    /// The columns of a tape after the inputs stand for rules: their readings are distances from 100, with episodes
    /// above 1 that end below 0.
    fn advance(&mut self, section: &(Bucket, Vec<Option<Point>>)) -> Step {
        let (values, rules) = section.1.split_at(self.symbols.len());
        let said = rules.iter().zip(&mut self.read).map(|(point, is_open)| {
            let value = (*point)?.close - 100.0;
            let was_open = std::mem::replace(is_open, value > if *is_open { 0.0 } else { 1.0 });
            let finite = value.is_finite().then_some(value);
            Some(Said {
                reading: finite.map(|value| Measure {
                    value,
                    threshold: 1.0,
                    distance: (1.0 - value).max(0.0),
                }),
                is_open: *is_open,
                began: match (was_open, *is_open) {
                    (false, true) => Some(Began::Opened),
                    (true, false) => Some(Began::Ended),
                    _ => None,
                },
                age: 0,
            })
        });
        let said: Vec<Option<Said>> = said.collect();
        let section = Section {
            bucket: section.0,
            values,
            said: &said,
        };
        self.state.step(self.kind, &section)
    }

    fn obeys_the_law_of_changes(&mut self, change: &Change) {
        match change {
            Change::Quiet => assert!(!self.is_open, "quiet while an episode is open"),
            Change::Open(_) => assert!(!self.is_open, "opened what was open"),
            Change::Escalate(_) | Change::Ease(_) | Change::Hold | Change::Resolve(_) => {
                assert!(self.is_open, "{change:?} without an episode");
            }
        }
        if let Change::Open(rung) | Change::Escalate(rung) | Change::Ease(rung) = change {
            assert!(
                self.kind.rungs().contains(rung),
                "{rung} is not among the kind's rungs"
            );
        }
        self.is_open = match change {
            Change::Open(_) => true,
            Change::Resolve(_) => false,
            _ => self.is_open,
        };
    }

    fn run(&mut self, tape: &Tape) -> Vec<Step> {
        tape.0.iter().map(|section| self.step(section).0).collect()
    }
}

fn is_finite(evidence: &Evidence) -> bool {
    evidence.values().all(fact_is_finite)
}

fn fact_is_finite(fact: &Fact) -> bool {
    match fact {
        Fact::Number(number) => number.is_finite(),
        Fact::Group(group) => is_finite(group),
        Fact::List(list) => list.iter().all(fact_is_finite),
        Fact::Flag(_) | Fact::Count(_) | Fact::Text(_) => true,
    }
}

fn changes(steps: &[Step]) -> Vec<&Change> {
    steps.iter().map(|step| &step.change).collect()
}

fn paces(kind: &Kind) -> &'static [Pace] {
    if kind.reads_ticks() {
        &[Pace::Session, Pace::Tick]
    } else {
        &[Pace::Session]
    }
}

/// Inputs and rules that a kind reads.
fn columns(kind: &Kind) -> usize {
    kind.inputs().len() + kind.reads().len()
}

/// Runs a law on walks of a seed, at each pace that the kind reads.
fn on_walks(kind: &Kind, seed: u64, sections: usize, law: impl Fn(&Tape)) {
    for pace in paces(kind) {
        law(&Tape::walk(seed, columns(kind), *pace, sections));
    }
}

/// Without a reading there is no change, and the first section never has one that fires.
pub(super) fn quiet_until_warm(kind: &Kind, seed: u64) {
    on_walks(kind, seed, 300, |tape| {
        let steps = Bench::new(kind, Unit::Price).run(tape);
        let cold = steps.iter().take_while(|step| step.reading.is_none());
        assert!(cold.clone().all(|step| step.change == Change::Quiet));
        assert!(
            steps
                .iter()
                .skip(cold.count())
                .all(|step| step.reading.is_some())
        );
        assert_eq!(steps[0].change, Change::Quiet);
    });
}

/// Every sample opens and resolves on some walk, and between them they reach every rung: the other laws speak about
/// something. One that takes part of its inputs may do so where some are missing.
pub(super) fn fires_on_some_walk(kinds: &[Kind]) {
    let mut reached: Vec<&'static str> = Vec::new();
    for kind in kinds {
        let (mut opened, mut resolved) = (0, 0);
        for seed in 0..20 {
            let mut tape = Tape::walk(seed, columns(kind), Pace::Session, 1_500);
            if !kind.needs_all_inputs() && seed % 2 == 1 {
                tape = tape.holed(seed);
            }
            for step in Bench::new(kind, Unit::Price).run(&tape) {
                match step.change {
                    Change::Open(rung) => {
                        opened += 1;
                        reached.push(rung);
                    }
                    Change::Escalate(rung) | Change::Ease(rung) => reached.push(rung),
                    Change::Resolve(_) => resolved += 1,
                    Change::Quiet | Change::Hold => {}
                }
            }
        }
        assert!(opened > 0 && resolved > 0, "{kind:?} never fires");
    }
    for rung in kinds.iter().flat_map(|kind| kind.rungs()) {
        assert!(reached.contains(rung), "no sample reaches the rung {rung}");
    }
}

pub(super) fn quiet_on_a_constant_market(kind: &Kind, seed: u64) {
    let price = 50.0 + Dice(seed).fraction() * 100.0;
    on_walks(kind, seed, 400, |tape| {
        let mut bench = Bench::new(kind, Unit::Price);
        for (bucket, values) in &tape.0 {
            let inputs = kind.inputs().len();
            let value = |at| if at < inputs { price } else { 100.0 };
            let values = (0..values.len())
                .map(|at| Some(Point::flat(value(at), true)))
                .collect();
            assert_eq!(bench.step(&(*bucket, values)).0.change, Change::Quiet);
        }
    });
}

pub(super) fn same_changes_when_prices_double(kind: &Kind, seed: u64) {
    if !kind.is_scale_free() {
        return;
    }
    on_walks(kind, seed, 600, |tape| {
        let mut doubled = tape.clone();
        for input in 0..kind.inputs().len() {
            doubled = doubled.scaled(input, 0, 2.0);
        }
        let once = Bench::new(kind, Unit::Price).run(tape);
        let twice = Bench::new(kind, Unit::Price).run(&doubled);
        assert_eq!(once, twice);
    });
}

pub(super) fn same_changes_across_a_split(kind: &Kind, seed: u64) {
    if !kind.is_scale_free() {
        return;
    }
    if kind.inputs().is_empty() {
        return;
    }
    let mut dice = Dice(seed);
    let factor = [0.5, 0.1, 1.0 / 3.0, 1.5, 20.0][dice.below(5)];
    let input = dice.below(kind.inputs().len());
    let at = dice.below(600);
    on_walks(kind, seed, 600, |tape| {
        let whole = Bench::new(kind, Unit::Price).run(tape);
        let mut bench = Bench::new(kind, Unit::Price);
        let split = tape.scaled(input, at, factor);
        let mut steps = bench.run(&Tape(split.0[..at].to_vec()));
        bench.state.rescale(input, factor);
        steps.extend(bench.run(&Tape(split.0[at..].to_vec())));
        assert_eq!(
            changes(&steps),
            changes(&whole),
            "split by {factor} at section {at}"
        );
    });
}

/// The stored size stays after a warm-up that fills every window, but for the digits of numbers and a few runs of
/// history. Sizes breathe, so the largest of each half counts.
pub(super) fn memory_is_bounded(kind: &Kind, seed: u64) {
    const HALF: usize = 18_000;
    on_walks(kind, seed, 2 * HALF, |tape| {
        let mut bench = Bench::new(kind, Unit::Price);
        let mut run = |sections: &[(Bucket, Vec<Option<Point>>)]| {
            let sizes = sections.chunks(500).map(|chunk| {
                for section in chunk {
                    bench.advance(section);
                }
                serde_json::to_vec(&bench.state).unwrap().len()
            });
            sizes.max().unwrap()
        };
        let (warm, late) = (run(&tape.0[..HALF]), run(&tape.0[HALF..]));
        assert!(
            late <= warm + warm / 20 + 256,
            "{warm} bytes grew to {late}"
        );
    });
}

/// Stored and restored at random sections, in JSON and in CBOR, it goes on as the original.
pub(super) fn a_restored_copy_goes_on(kind: &Kind, seed: u64) {
    on_walks(kind, seed, 500, |tape| {
        let tape = if kind.needs_all_inputs() {
            tape.clone()
        } else {
            tape.holed(seed)
        };
        let mut dice = Dice(seed);
        let mut original = Bench::new(kind, Unit::Price);
        let mut restored = Bench::new(kind, Unit::Price);
        for section in &tape.0 {
            if dice.below(20) == 0 {
                let text = serde_json::to_string(&restored.state).unwrap();
                restored.state = serde_json::from_str(&text).unwrap();
                let mut bytes = Vec::new();
                ciborium::into_writer(&restored.state, &mut bytes).unwrap();
                restored.state = ciborium::from_reader(bytes.as_slice()).unwrap();
                assert_eq!(restored.state, original.state);
            }
            assert_eq!(restored.step(section), original.step(section));
        }
    });
}

/// Absent members and values that no return can be taken from neither panic nor reach a reading.
pub(super) fn odd_values_never_panic(kind: &Kind, seed: u64) {
    const ODD: [f64; 8] = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        -3.0,
        f64::MIN_POSITIVE,
        f64::MAX,
    ];
    on_walks(kind, seed, 500, |tape| {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(kind, Unit::Price);
        for (bucket, values) in &tape.0 {
            let mut values = values.clone();
            for value in &mut values {
                match dice.below(8) {
                    0 => *value = None,
                    1 => *value = Some(Point::flat(ODD[dice.below(ODD.len())], true)),
                    _ => {}
                }
            }
            bench.step(&(*bucket, values));
        }
    });
}

/// Without a member the section changes nothing but what it is asked.
pub(super) fn missing_members_are_passed_over(kind: &Kind, seed: u64) {
    if !kind.needs_all_inputs() || kind.inputs().is_empty() {
        return;
    }
    on_walks(kind, seed, 400, |tape| {
        let mut dice = Dice(seed);
        let inputs = kind.inputs().len();
        let mut whole = Bench::new(kind, Unit::Price);
        let mut holed = Bench::new(kind, Unit::Price);
        for (bucket, values) in &tape.0 {
            if dice.below(5) == 0 {
                let mut values = values.clone();
                values[dice.below(inputs)] = None;
                let state = holed.state.clone();
                let (step, _) = holed.step(&(*bucket, values));
                assert_eq!(step.reading, None);
                assert!(matches!(step.change, Change::Quiet | Change::Hold));
                assert_eq!(holed.state, state);
            } else {
                let section = (*bucket, values.clone());
                assert_eq!(holed.step(&section), whole.step(&section));
            }
        }
    });
}
