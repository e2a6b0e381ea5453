//! Times a session's close over 3,000 members for `breadth`, `leadership` and `concentration`: `cross_section
//! [MEMBERS]`.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use jiff::civil::date;
use rotation_engine::calendar::Calendar;
use rotation_engine::clock::session_bucket;
use rotation_engine::detector::{DetectorState, Kind, Names, Step, Unit};
use rotation_engine::section::{Point, Section};
use serde_json::{Value, json};

/// Numbers without pattern, 0 to below 1, by xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Sessions that are timed, after those that fill the windows.
const TIMED: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let members: usize = std::env::args()
        .nth(1)
        .map_or(Ok(3_000), |count| count.parse())?;
    let symbols: Vec<String> = (0..members).map(|member| format!("M{member}")).collect();
    let rules = [
        ("breadth", json!({"sessions": 200})),
        ("leadership", json!({"benchmark": "INDEX", "watch": ["M0"]})),
        ("concentration", json!({})),
    ];
    let kinds = rules.map(|(name, mut params)| {
        params["members"] = Value::from(symbols.clone());
        let kind = Kind::deserialize(name, params)
            .expect("a kind there is")
            .expect("keys that it has");
        kind.check().expect("values within their bounds");
        kind
    });
    let mut states = kinds.each_ref().map(Kind::detector);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut closes = vec![100.0; members + 1];
    let mut times: Vec<[Duration; 3]> = Vec::new();
    let mut accounts = [Duration::ZERO; 3];
    for session in Calendar::Xnys.sessions(date(2020, 1, 2), date(2024, 12, 31)) {
        let market = noise.next() - 0.5;
        let values = trade(&mut closes, market, &mut noise);
        let mut time = [Duration::ZERO; 3];
        for (at, (kind, state)) in kinds.iter().zip(&mut states).enumerate() {
            let inputs = kind.inputs();
            let section = Section {
                bucket: session_bucket(session, 0),
                values: &values[..inputs.len()],
                said: &[],
            };
            let step;
            (step, time[at]) = timed(kind, state, &section);
            let units = vec![Unit::Price; inputs.len()];
            let names = Names {
                symbols: &inputs,
                units: &units,
            };
            let account = || {
                let begun = Instant::now();
                std::hint::black_box(state.account(kind, names, &step.change));
                begun.elapsed()
            };
            accounts[at] = accounts[at].max(account().min(account()).min(account()));
        }
        times.push(time);
    }
    report(&times[times.len() - TIMED..], accounts)?;
    for (kind, state) in kinds.iter().zip(&states) {
        let begun = Instant::now();
        let copy = std::hint::black_box(state.clone());
        let copied = begun.elapsed();
        let bytes = serde_json::to_vec(&copy)?.len();
        writeln!(
            stdout(),
            "{}: a copy takes {copied:.2?}, as JSON it has {bytes} bytes",
            kind.name()
        )?;
    }
    Ok(())
}

/// The members' values of a session; one in a hundred does not trade.
fn trade(closes: &mut [f64], market: f64, noise: &mut Noise) -> Vec<Option<Point>> {
    let trades = closes.iter_mut().map(|close| {
        *close *= 1.0 + 0.02 * (market + noise.next() - 0.5);
        (noise.next() > 0.01).then(|| Point::flat(*close, true))
    });
    trades.collect()
}

/// Steps a detector, and the best time of three: other programs may take the processor away in between.
fn timed(kind: &Kind, state: &mut DetectorState, section: &Section<'_>) -> (Step, Duration) {
    let mut best = Duration::MAX;
    for mut copy in [state.clone(), state.clone()] {
        let begun = Instant::now();
        std::hint::black_box(copy.step(kind, section));
        best = best.min(begun.elapsed());
    }
    let begun = Instant::now();
    let step = state.step(kind, section);
    (step, best.min(begun.elapsed()))
}

fn report(times: &[[Duration; 3]], accounts: [Duration; 3]) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    let mut line = |name: &str, mut of: Vec<Duration>| {
        of.sort_unstable();
        let (median, worst) = (of[of.len() / 2], of[of.len() - 1]);
        let late = of[of.len() * 99 / 100];
        writeln!(
            out,
            "{name}: median {median:.2?}, 99 of 100 within {late:.2?}, longest {worst:.2?}"
        )
    };
    for (at, name) in ["breadth", "leadership", "concentration"]
        .into_iter()
        .enumerate()
    {
        line(name, times.iter().map(|time| time[at]).collect())?;
    }
    line(
        "together",
        times.iter().map(|time| time.iter().sum()).collect(),
    )?;
    writeln!(out, "longest account of each: {accounts:.2?}")?;
    Ok(())
}
