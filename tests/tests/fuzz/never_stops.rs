//! No record stops the service: whatever the bytes of key and value, a task goes on, and what cannot be used is a dead
//! letter once, and counted once.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rotation_service::config::Config;
use rotation_service::metrics::Metrics;
use rotation_tests::fuzzing::{self, Mutator, tasks};

const RECORDS: usize = 40_000;

/// A key or a value.
type Bytes = Option<Vec<u8>>;

fn counted(metrics: &Metrics) -> f64 {
    let text = metrics.scrape(0.0);
    let lines = text
        .lines()
        .filter(|line| line.starts_with("rotation_dead_letters_total{"));
    let numbers = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    numbers.sum()
}

#[test]
fn no_record_stops_a_task_and_each_dead_letter_is_counted_once() {
    let second = fuzzing::CONFIG.replace("universe.us", "universe.eu");
    let both = format!(
        "{}{}",
        fuzzing::CONFIG,
        second.replace("lateness", "skew = \"1h\"\nlateness")
    );
    let plans = Config::parse(&both, "rules.toml").unwrap().universes;
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    let good: Vec<Vec<u8>> = ["input_record", "bars_record"]
        .iter()
        .flat_map(|name| super::committed(name))
        .map(|(_, bytes)| bytes)
        .collect();
    let mut strange = Mutator::new(5, &good, "");
    let keys: &[&[u8]] = &[
        b"LEAD",
        b"LAG",
        b"DGS10",
        b"us",
        b"eu",
        b"",
        b"LEAD/LAG",
        b"\xff\xfe",
        b"nobody",
    ];
    let mut record = || {
        let key = match dice.random_range(0..10) {
            0 => None,
            1 => Some(
                (0..dice.random_range(0..40))
                    .map(|_| dice.random())
                    .collect(),
            ),
            _ => keys.choose(&mut dice).map(|key| key.to_vec()),
        };
        let value = match dice.random_range(0..10) {
            0 => None,
            1 | 2 => Some(
                (0..dice.random_range(0..400))
                    .map(|_| dice.random())
                    .collect(),
            ),
            3 => good.choose(&mut dice).cloned(),
            _ => strange.next(),
        };
        (key, value)
    };
    let records: Vec<(Bytes, Bytes)> = (0..RECORDS).map(|_| record()).collect();
    let parts: Vec<_> = records
        .iter()
        .map(|(key, value)| (key.as_deref(), value.as_deref()))
        .collect();
    for through in [tasks::through_sampler, tasks::through_universe] {
        let metrics = Metrics::new();
        let letters = through(&plans, &parts, &metrics);
        assert!(
            letters > RECORDS / 20,
            "{letters} dead letters of {RECORDS} records"
        );
        assert_eq!(counted(&metrics), letters as f64);
        println!("{letters} dead letters of {RECORDS} records");
    }
}
