//! Measures the engine and the service against their floors, prints the figures and writes them to `BENCHMARKS.md`.
//!
//! `make bench` does all of it. `cargo bench -p rotation-tests --bench bench -- engine decode shift kafka` does the parts
//! that are named, and writes nothing; `--short` measures little, to see that it works.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what the program is for"
)]

use std::path::Path;

use anyhow::{Context, Result};
use rotation_tests::bench::page::{Machine, page, text};
use rotation_tests::bench::{Row, Scale, decode, end_to_end, engine, shift};
use rotation_tests::workspace;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let short = arguments.iter().any(|argument| argument == "--short");
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|name| *name == part);
    let scale = if short { Scale::smoke() } else { Scale::full() };
    let machine = Machine::look();
    println!("{}", machine.line());
    let mut rows = Vec::new();
    if is_wanted("engine") {
        rows.extend(show(engine::run(&scale)?));
    }
    if is_wanted("decode") {
        rows.extend(show(decode::run(&scale)?));
    }
    if is_wanted("shift") {
        rows.extend(show(shift::run(&scale)?));
    }
    if is_wanted("kafka") {
        let reader = Path::new(env!("CARGO_BIN_EXE_bench-reader"));
        let read = end_to_end::run(&scale, reader)?
            .context("no Kafka broker: nothing was measured end to end")?;
        rows.extend(show(read));
    }
    if wanted.is_empty() && !short {
        let path = workspace::root().join("BENCHMARKS.md");
        std::fs::write(&path, page(&machine, &scale, &rows))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to BENCHMARKS.md");
    }
    Ok(())
}

fn show(rows: Vec<Row>) -> Vec<Row> {
    print!("{}", text(&rows));
    rows
}
