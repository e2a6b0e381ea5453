//! What is fed: a random market as records of the ticks topic, and the configuration that reads it.

use std::fmt::Write as _;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rotation_engine::time::EventTime;
use rotation_service::config::Config;
use rotation_sim::broker::Record;
use rotation_sim::event::Event;
use rotation_sim::market::{Market, Shape};

/// Number of universes; they spread over the partitions of the bars log.
const UNIVERSES: usize = 3;

/// A record of the ticks topic, and its partition.
pub(super) struct Fed {
    pub(super) partition: i32,
    pub(super) record: Record,
}

/// The market of a seed.
pub(super) fn market(seed: u64, partitions: u32) -> Market {
    let shape = Shape {
        series: 6,
        partitions,
        sessions: 6,
        ticks_per_session: 14,
        ..Shape::default()
    };
    Market::random(seed, &shape)
}

/// The records of a market in the order in which they are appended, with some among them that nobody can read.
pub(super) fn records(market: &Market, generator: &mut ChaCha8Rng) -> Vec<Fed> {
    let mut rests: Vec<_> = (0_i32..)
        .zip(market.partitions().iter().map(|it| it.iter().peekable()))
        .collect();
    let mut fed = Vec::new();
    // In order of time, but for whole partitions that run ahead a little.
    while !rests.is_empty() {
        let ahead: Vec<_> = rests
            .iter_mut()
            .map(|(_, rest)| rest.peek().map(|event| event.time()))
            .collect();
        let at = if generator.random_range(0..10) < 7 {
            (0..ahead.len())
                .min_by_key(|&at| ahead[at])
                .unwrap_or_default()
        } else {
            generator.random_range(0..rests.len())
        };
        let (partition, rest) = &mut rests[at];
        let Some(event) = rest.next() else {
            drop(rests.remove(at));
            continue;
        };
        let mut value = Vec::new();
        event.encode(&mut value);
        let partition = *partition;
        let key = event.symbol().map(|symbol| symbol.as_bytes().to_vec());
        if generator.random_range(0..100) == 0 {
            fed.push(unreadable(partition, key.clone()));
        }
        let record = Record {
            key,
            value: Some(value),
            ..Record::default()
        };
        fed.push(Fed { partition, record });
    }
    // Long after all of it: what is decided does not depend on when the run is looked at.
    let end = fed_until(market).saturating_add(2 * 86_400 * rotation_engine::clock::SECOND);
    for partition in (0..).take(market.partitions().len()) {
        let mut value = Vec::new();
        Event::Heartbeat { time: end }.encode(&mut value);
        let record = Record {
            value: Some(value),
            ..Record::default()
        };
        fed.push(Fed { partition, record });
    }
    fed
}

fn fed_until(market: &Market) -> EventTime {
    let events = market.partitions().iter().flatten();
    events.map(Event::time).max().unwrap_or(EventTime::MIN)
}

fn unreadable(partition: i32, key: Option<Vec<u8>>) -> Fed {
    let record = Record {
        key,
        value: Some(b"{\"price\":".to_vec()),
        ..Record::default()
    };
    Fed { partition, record }
}

/// The configuration: some universes over the same series, with rules of every clock that fire often.
pub(super) fn config(market: &Market) -> Config {
    let symbols = market.symbols();
    let mut text = String::from("[kafka]\nbrokers = [\"localhost:9092\"]\ngroup = \"simulated\"\n");
    for universe in 0..UNIVERSES {
        let at = |index: usize| &symbols[(index + universe) % symbols.len()];
        let name = format!("universe.u{universe}");
        let _ = write!(
            text,
            "\n[{name}]\ncalendar = \"XNYS\"\nlateness = \"30s\"\nstall_after = \"12h\"\n\n[{name}.series]\n"
        );
        for symbol in symbols {
            let _ = writeln!(text, "{symbol} = {{}}");
        }
        let mut rule = |rule: &str, clock: &str, parameters: &str| {
            let _ = write!(
                text,
                "\n[{name}.rules.{rule}]\nclock = \"{clock}\"\n{parameters}\n"
            );
        };
        let streak = |leader: &str, laggard: &str| {
            format!(
                "kind = \"relative_streak\"\nleader = \"{leader}\"\nlaggard = \"{laggard}\"\nopen_at = 2\n\
                 escalate_at = [3]\nescalate_since_years = []"
            )
        };
        let record = |series: &str| {
            format!(
                "kind = \"record_high\"\nseries = \"{series}\"\ndrought_sessions = 1\nquiet_sessions = 1"
            )
        };
        let level = |series: &str| {
            format!(
                "kind = \"level_approach\"\nseries = \"{series}\"\nlevel = 100.5\nnear = 0.4\nrearm = 0.8\n\
                 velocity_sessions = 2\nmin_velocity = 0.0"
            )
        };
        rule("streak", "session", &streak(at(0), at(1)));
        rule("streak-in-minutes", "5m", &streak(at(2), at(3)));
        rule("record", "session", &record(at(4)));
        rule("record-by-ticks", "tick", &record(at(5)));
        rule("level", "5m", &level(at(0)));
        rule("level-by-ticks", "tick", &level(at(1)));
    }
    Config::parse(&text, "simulated.toml").expect("the simulation's configuration is valid")
}
