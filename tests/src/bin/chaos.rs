//! Breaks everything that breaks in the field, and holds the alert topic against a backtest of the same files.
//!
//! Arguments: `long` or `short`, and a seed (1 unless given). Fails where an event is lost, repeated or invented, or a
//! process ended that nobody had ended.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rotation_tests::chaos;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let length = arguments.next().unwrap_or_else(|| "long".to_owned());
    let seed = arguments.next().unwrap_or_else(|| "1".to_owned());
    let seed = seed.parse().context("the seed is a whole number")?;
    let plan = match length.as_str() {
        "long" => chaos::long(seed),
        "short" => chaos::short(seed),
        other => bail!("expected long or short, found {other}"),
    };
    let begun = Instant::now();
    let tell = |line: &str| {
        // The report is what counts.
        let _ = writeln!(stderr(), "{:7.1} s  {line}", begun.elapsed().as_secs_f64());
    };
    let Some(report) = chaos::run(&plan, tell)? else {
        bail!("neither Apache Kafka nor the market data may be missing");
    };
    writeln!(stdout(), "{report}")?;
    for end in &report.ended {
        writeln!(stdout(), "{} ended: {}\n", end.instance, end.log)?;
    }
    for difference in &report.differences {
        writeln!(stdout(), "{:?}: {}", difference.wrong, difference.event)?;
    }
    let fine = report.differences.is_empty() && report.unexplained().is_empty();
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
