//! Runs the service in a simulated world, seed after seed: `simulate SEEDS [FIRST]`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rotation_tests::simulation;

#[allow(clippy::print_stdout, reason = "it is a command of this repository")]
fn main() -> ExitCode {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .without_time()
            .init();
    }
    let mut args = std::env::args().skip(1);
    let mut number = |otherwise| match args.next().map(|it| it.parse::<u64>()) {
        None => Ok(otherwise),
        Some(read) => read,
    };
    let (Ok(seeds), Ok(first)) = (number(100), number(0)) else {
        println!("usage: simulate SEEDS [FIRST]");
        return ExitCode::from(2);
    };
    let next = AtomicU64::new(first);
    let totals: Mutex<(u64, u64, BTreeMap<&str, u64>)> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first + seeds {
                return;
            }
            let report = simulation::run(seed);
            let mut totals = totals.lock().expect("no thread panics with it");
            for violation in &report.violations {
                println!("seed {seed}: {violation}");
            }
            totals.0 += u64::from(!report.violations.is_empty());
            totals.1 += u64::try_from(report.alerts).unwrap_or_default();
            for (what, times) in report.struck {
                *totals.2.entry(what).or_default() += times;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (failed, alerts, struck) = totals.into_inner().expect("no thread panics with it");
    println!("{seeds} seeds, {alerts} alerts expected and held; faults that struck:");
    for (what, times) in struck {
        println!("  {times:>7}  {what}");
    }
    println!("{failed} of {seeds} seeds failed; one alone: simulate 1 SEED");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
