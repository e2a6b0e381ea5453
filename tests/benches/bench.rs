//! Measures the engine and the service against their floors, prints the figures and writes them to `BENCHMARKS.md`.
//!
//! `make bench`, or `cargo bench -p rotation-tests`. With `--short` little is measured and nothing written.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what the program is for"
)]

use std::path::Path;

use anyhow::{Context, Result};
use rotation_tests::bench::page::{Machine, page, text};
use rotation_tests::bench::{Scale, decode, end_to_end, engine};
use rotation_tests::workspace;

fn main() -> Result<()> {
    let short = std::env::args().any(|argument| argument == "--short");
    let scale = if short { Scale::smoke() } else { Scale::full() };
    let machine = Machine::look();
    println!("{}", machine.line());
    let mut rows = engine::run(&scale)?;
    print!("{}", text(&rows));
    let decoded = decode::run(&scale)?;
    print!("{}", text(&decoded));
    rows.extend(decoded);
    let reader = Path::new(env!("CARGO_BIN_EXE_bench-reader"));
    let read = end_to_end::run(&scale, reader)?
        .context("no Kafka broker: nothing was measured end to end")?;
    print!("{}", text(&read));
    rows.extend(read);
    if !short {
        let path = workspace::root().join("BENCHMARKS.md");
        std::fs::write(&path, page(&machine, &scale, &rows))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to BENCHMARKS.md");
    }
    Ok(())
}
