//! The service in a simulated world: whatever fails, the alerts are those of the calm run, and the invariants hold.

use std::collections::BTreeMap;

use rotation_tests::simulation;

/// Seeds from 0 on; `ROTATION_SEEDS` says how many.
fn seeds() -> u64 {
    let asked = std::env::var("ROTATION_SEEDS").ok();
    asked.and_then(|it| it.parse().ok()).unwrap_or(200)
}

/// Plays seeds in several threads; returns those with violations, and how often each fault struck.
fn play(
    seeds: u64,
    residue: u64,
    of: u64,
) -> (BTreeMap<u64, Vec<String>>, BTreeMap<&'static str, u64>) {
    let mut failed = BTreeMap::new();
    let mut struck = BTreeMap::new();
    for seed in (0..seeds).filter(|seed| seed % of == residue) {
        let report = simulation::run(seed);
        for (what, times) in report.struck {
            *struck.entry(what).or_default() += times;
        }
        if !report.violations.is_empty() {
            failed.insert(seed, report.violations);
        }
    }
    (failed, struck)
}

fn holds(residue: u64) {
    let (failed, struck) = play(seeds(), residue, 2);
    assert!(
        failed.is_empty(),
        "`make simulate SEEDS=1 FIRST=seed` plays one again: {failed:#?}"
    );
    // A simulation in which nothing goes wrong shows nothing.
    for what in [
        "answer lost",
        "broker lost",
        "broker slow",
        "call timed out",
        "clock set",
        "configuration reloaded",
        "fenced and ended",
        "indefinite end",
        "member forgotten",
        "name taken twice",
        "poll dropped",
        "poll repeated",
        "process added",
        "process killed",
        "process left",
        "process stopped",
        "session lost",
    ] {
        assert!(struck.contains_key(what), "no seed had: {what}");
    }
}

#[test]
fn even_seeds_leave_what_the_calm_run_leaves() {
    holds(0);
}

#[test]
fn odd_seeds_leave_what_the_calm_run_leaves() {
    holds(1);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in [0, 15, 64] {
        let (first, second) = (simulation::run(seed), simulation::run(seed));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.struck, second.struck, "seed {seed}");
    }
}
