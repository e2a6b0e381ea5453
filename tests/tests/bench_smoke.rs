//! The benchmarks work: a little of each is run, and what they say is whole. How fast things are is not tested.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;

use rotation_tests::bench::page::{Machine, page, text};
use rotation_tests::bench::{Row, Scale, decode, end_to_end, engine, shift};

fn expect_figures(rows: &[Row]) {
    assert!(!rows.is_empty());
    for row in rows {
        assert!(row.ratio.is_finite() && row.ratio > 0.0, "{row:?}");
        assert!(
            row.measured.contains(|c: char| c.is_ascii_digit()),
            "{row:?}"
        );
        assert!(row.floor.contains(|c: char| c.is_ascii_digit()), "{row:?}");
    }
    let page = page(&Machine::look(), &Scale::smoke(), rows);
    for row in rows {
        assert!(
            page.contains(&format!("| {} | {} |", row.what, row.measured)),
            "{page}"
        );
        assert!(text(rows).contains(&row.what));
    }
}

#[test]
fn the_engine_is_measured() {
    expect_figures(&engine::run(&Scale::smoke()).unwrap());
}

#[test]
fn decoding_is_measured() {
    expect_figures(&decode::run(&Scale::smoke()).unwrap());
}

#[test]
fn the_rule_that_does_the_most_is_measured() {
    expect_figures(&shift::run(&Scale::smoke()).unwrap());
}

#[test]
fn the_stage_is_measured_from_kafka() {
    let reader = Path::new(env!("CARGO_BIN_EXE_bench-reader"));
    if let Some(rows) = end_to_end::run(&Scale::smoke(), reader).unwrap() {
        expect_figures(&rows);
    }
}
