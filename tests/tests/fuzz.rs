//! Foreign bytes: every reader answers, and what always holds does. The corpus and the counterexamples found so far as
//! they are, then a seeded million of mutations of them, over the functions that `make fuzz` gives to libFuzzer.
//!
//! `ROTATION_FUZZ_INPUTS` says how many inputs there are in all, `ROTATION_FUZZ_SEED` which.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "it says how many inputs were tried")]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rotation_tests::fuzzing::{self, Mutator, TARGETS, seeds};
use rotation_tests::workspace;

#[path = "fuzz/bounds.rs"]
mod bounds;
#[path = "fuzz/never_stops.rs"]
mod never_stops;

/// Inputs of all targets together.
const INPUTS: u64 = 1_000_000;
/// Fewer would be none at all.
const INPUTS_MIN: u64 = 5_000;
/// Of corpus and regressions.
const COMMITTED_BYTES_MAX: u64 = 300_000;

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: expected a number, found {text}"))
    })
}

/// The inputs in a folder, in the order of their names.
fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn committed(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    ["corpus", "regressions"]
        .iter()
        .flat_map(|kind| inputs(&fuzzing::folder().join(kind).join(name)))
        .collect()
}

/// Keeps the input that a target stumbled over, and says where.
fn stumbled(name: &str, bytes: &[u8], which: &str) -> ! {
    let folder = workspace::root().join("target/fuzz").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(which);
    std::fs::write(&file, bytes).unwrap();
    panic!("{name}, {which}: kept as {}", file.display());
}

fn fuzz(name: &str) {
    let target = fuzzing::find(name);
    let good = committed(name);
    assert!(!good.is_empty(), "{name} has no corpus");
    for (path, bytes) in &good {
        let held = catch_unwind(|| (target.check)(bytes));
        assert!(held.is_ok(), "{name}: {}", path.display());
    }
    let corpus: Vec<Vec<u8>> = good.into_iter().map(|(_, bytes)| bytes).collect();
    let dictionary = fuzzing::folder().join(format!("dictionaries/{name}.dict"));
    let dictionary = std::fs::read_to_string(dictionary).unwrap_or_default();
    let seed = setting("ROTATION_FUZZ_SEED", 4);
    let all = setting("ROTATION_FUZZ_INPUTS", INPUTS);
    let count = (all * u64::from(target.share) / 1_000).max(INPUTS_MIN);
    let begun = Instant::now();
    for (at, bytes) in (0..count).zip(Mutator::new(seed, &corpus, &dictionary)) {
        if catch_unwind(|| (target.check)(&bytes)).is_err() {
            stumbled(name, &bytes, &format!("seed-{seed}-input-{at}"));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{name}: {count} inputs in {seconds:.1} s, {:.0} a second",
        count as f64 / seconds
    );
}

/// A test a target.
macro_rules! targets {
    ($($test:ident => $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            fuzz($name);
        })*

        const NAMES: &[&str] = &[$($name),*];
    };
}

targets! {
    fuzz_input_record => "input_record",
    fuzz_bars_record => "bars_record",
    fuzz_alert => "alert",
    fuzz_reading => "reading",
    fuzz_snapshot => "snapshot",
    fuzz_sampler_state => "sampler_state",
    fuzz_universe_state => "universe_state",
    fuzz_config => "config",
    fuzz_csv => "csv",
    fuzz_ndjson => "ndjson",
    fuzz_gzip => "gzip",
    fuzz_condition => "condition",
    fuzz_tasks => "tasks",
}

#[test]
fn every_target_is_fuzzed_here_and_by_libfuzzer() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, NAMES);
    assert_eq!(
        TARGETS.iter().map(|target| target.share).sum::<u32>(),
        1_000
    );
    let manifest = std::fs::read_to_string(fuzzing::folder().join("Cargo.toml")).unwrap();
    for name in names {
        let body = fuzzing::folder().join(format!("fuzz_targets/{name}.rs"));
        let body = std::fs::read_to_string(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(body.contains(&format!("find(\"{name}\")")), "{body}");
        assert!(
            manifest.contains(&format!("name = \"{name}\"\n")),
            "{name} is not in the manifest"
        );
    }
}

/// What an older version wrote stays in the corpus, under its name; what this one writes is there too.
#[test]
fn the_corpus_is_small_and_has_what_this_version_writes() {
    let mut sizes = 0;
    for target in TARGETS {
        sizes += committed(target.name)
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum::<u64>();
    }
    assert!(
        sizes < COMMITTED_BYTES_MAX,
        "{sizes} bytes of corpus, at most {COMMITTED_BYTES_MAX}"
    );
    for (target, name, bytes) in seeds::seeds() {
        let folder = fuzzing::folder().join("corpus").join(target);
        let file = folder.join(&name);
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &bytes).unwrap();
        }
        let found = std::fs::read(&file).unwrap_or_default();
        assert!(
            found == bytes,
            "{target}/{name} is of another version: run with UPDATE_CORPUS=1"
        );
    }
}
