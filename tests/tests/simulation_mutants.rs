//! Whether the simulation finds what it is for: planted faults, each to be found within 200 seeds.

#![cfg(feature = "mutants")]
#![allow(clippy::print_stdout, reason = "it says how soon each fault was found")]

use rotation_service::mutants::Mutant;
use rotation_tests::simulation;

const SEEDS: u64 = 200;

#[test]
fn planted_faults_are_found() {
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        Mutant::plant(Some(mutant));
        let found = (0..SEEDS).find_map(|seed| {
            let report = simulation::run(seed);
            Some((seed, report.violations.into_iter().next()?))
        });
        Mutant::plant(None);
        match found {
            Some((seed, violation)) => {
                let line = violation.lines().next().unwrap_or_default();
                println!("{mutant:?}: found by seed {seed}: {line}");
            }
            None => missed.push(mutant),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
    let report = simulation::run(0);
    assert!(
        report.violations.is_empty(),
        "without any: {:?}",
        report.violations
    );
}
