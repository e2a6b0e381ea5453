//! The service on three brokers while processes, brokers and connections break: the alert topic is that of a calm run.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_tests::{chaos, skipped};

/// The seed of the run: `ROTATION_TEST_SEED`, or one that is always the same.
fn seed() -> u64 {
    let given = std::env::var("ROTATION_TEST_SEED");
    given.ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[test]
fn a_little_of_everything_that_breaks_loses_nothing_and_repeats_nothing() {
    let plan = chaos::short(seed());
    let Some(report) = chaos::run(&plan, |line| println!("{line}")).unwrap() else {
        skipped::skip("no Apache Kafka, or no market data beside the repository");
        return;
    };
    println!("{report}");
    for end in &report.ended {
        println!("{} ended: {}", end.instance, end.log);
    }
    assert!(
        report.differences.is_empty(),
        "{} events differ from a backtest, the first: {:?}",
        report.differences.len(),
        report.differences[0]
    );
    assert_eq!(report.violations, Vec::<String>::new());
    for &(kind, times) in &plan.counts {
        let tried = report.no_disks.is_none() || kind != chaos::Kind::FillDisk;
        assert!(!tried || report.times(kind) >= times, "{kind:?}");
    }
}
