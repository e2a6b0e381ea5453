//! What goes wrong in a run, from its seed.

use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::world::Weather;

/// A fault at some place of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed so many calls from now, wherever that is.
    Kill {
        /// Which process, by its instance.
        instance: usize,
        /// Calls until then.
        calls: u64,
    },
    /// A process does not run for a while, and goes on as if nothing had been.
    Stop {
        /// Which process, by its instance.
        instance: usize,
        /// For how long.
        time: Duration,
    },
    /// A process is told to stop, and another takes its name later.
    Leave {
        /// Which process, by its instance.
        instance: usize,
        /// How long it stays away.
        away: Duration,
    },
    /// One more process.
    Join,
    /// A second process of the same name.
    Double {
        /// Which name, by its instance.
        instance: usize,
    },
    /// The coordinator of a group forgets under which id it knows a member.
    Forgotten {
        /// Which member, by its instance.
        instance: usize,
        /// Of which stage's group.
        stage: usize,
    },
    /// A process is given its configuration anew while it runs.
    Reload {
        /// Which process, by its instance.
        instance: usize,
    },
    /// No broker answers for a while.
    BrokerLost(Duration),
    /// Brokers answer late for a while.
    BrokerSlow(Duration),
    /// The wall clock is set.
    ClockSet {
        /// By how many milliseconds.
        millis: i64,
    },
}

/// What goes wrong in a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of processes at the beginning.
    pub processes: usize,
    /// Partitions of the ticks topic and of the bars log.
    pub partitions: (u32, usize),
    /// Faults, each before the record of this number is fed.
    pub faults: Vec<(usize, Fault)>,
    /// What happens again and again.
    pub weather: Weather,
}

impl Plan {
    /// Nothing goes wrong, and one process does it all.
    #[must_use]
    pub fn calm(partitions: (u32, usize)) -> Plan {
        Plan {
            processes: 1,
            partitions,
            faults: Vec::new(),
            weather: Weather::default(),
        }
    }

    /// A plan for a feed of so many records.
    pub fn random(generator: &mut ChaCha8Rng, records: usize) -> Plan {
        let processes = generator.random_range(1..=3);
        let partitions = (generator.random_range(1..=4), generator.random_range(1..=3));
        let count = generator.random_range(3..=9);
        let mut faults: Vec<_> = (0..count)
            .map(|_| {
                let at = generator.random_range(0..records.max(1));
                (at, Fault::random(generator, processes))
            })
            .collect();
        faults.sort_by_key(|(at, _)| *at);
        Plan {
            processes,
            partitions,
            faults,
            weather: Weather::random(generator),
        }
    }
}

impl Fault {
    fn random(generator: &mut ChaCha8Rng, processes: usize) -> Fault {
        let instance = generator.random_range(0..processes);
        let time = |generator: &mut ChaCha8Rng, most| {
            Duration::from_millis(generator.random_range(20..most))
        };
        match generator.random_range(0..20) {
            0..=5 => Fault::Kill {
                instance,
                calls: generator.random_range(1..400),
            },
            6 | 7 => Fault::Stop {
                instance,
                time: time(generator, 6_000),
            },
            8 | 9 => Fault::Leave {
                instance,
                away: time(generator, 3_000),
            },
            10 | 11 => Fault::Join,
            12 => Fault::Double { instance },
            16 | 17 => Fault::Forgotten {
                instance,
                stage: generator.random_range(0..2),
            },
            18 | 19 => Fault::Reload { instance },
            13 => Fault::BrokerLost(time(generator, 4_000)),
            14 => Fault::BrokerSlow(time(generator, 5_000)),
            _ => Fault::ClockSet {
                millis: generator.random_range(-7_200_000..7_200_000),
            },
        }
    }
}

impl Weather {
    fn random(generator: &mut ChaCha8Rng) -> Weather {
        let mut rate = |most: u64| match generator.random_range(0..3) {
            0 => 0,
            _ => generator.random_range(0..=most),
        };
        Weather {
            poll_dropped: rate(60),
            poll_repeated: rate(40),
            timed_out_before: rate(30),
            timed_out_after: rate(30),
            indefinite: rate(60),
            ..Weather::default()
        }
    }
}
