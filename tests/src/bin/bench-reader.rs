//! Reads ticks from Kafka for the benchmarks, in a process of its own, and prints what that took as JSON.
//!
//! Arguments: `bare`, `stage` or `service`; a configuration; two numbers of records, see `bench::reader`. `RUST_LOG`
//! makes it tell what it does.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what the program is for"
)]

use std::path::PathBuf;

use anyhow::{Context, Result};
use rotation_tests::bench::reader::read;

fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().with_context(|| format!("no {what} given"));
    let reader = next("reader")?.parse()?;
    let config = PathBuf::from(next("configuration")?);
    let marks = [next("first mark")?.parse()?, next("last mark")?.parse()?];
    let cost = read(reader, &config, marks)?;
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}
