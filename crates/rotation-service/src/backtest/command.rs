//! The command around a backtest: flags, files, what is printed.

use super::gather::Gather;
use super::{Outcome, Request, drive, page};
use crate::config::Config;
use crate::{report, tail};
use anyhow::Context;
use jiff::civil::Date;
use rotation_wire::alerts::AlertEvent;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Run the rules over files: no Kafka, the same engine, the same alerts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation backtest --config config/great-rotation.toml --data daily/
  rotation backtest --config rules.toml --data daily/ --from 2025-09-01 --to 2026-02-27 --report report.html
  rotation backtest --config rules.toml --data daily/ --alerts alerts.ndjson --readings readings.ndjson

Exit codes: 0 done, 1 done but some rows could not be read, 2 wrong configuration or no data.")]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A folder with SYMBOL.csv or SYMBOL.csv.gz for each series, or a panel that has it as a column.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// First date read, such as 2025-09-01.
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Last date read.
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Write the alert events here, one JSON document a line, as they stand on the alert topic.
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// Write every rule's reading at every section here, one JSON document a line.
    #[arg(long, value_name = "FILE")]
    pub readings: Option<PathBuf>,
    /// Write a page with the episodes over the price charts here.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print only the summary, not each event.
    #[arg(long)]
    pub quiet: bool,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, no data, or a file that cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let mut gather = Gather::new(&config, args.report.is_some(), args.readings.is_some());
    let request = Request {
        config: &config,
        data: &args.data,
        from: args.from,
        to: args.to,
        detail: gather.detail(),
    };
    let start = Instant::now();
    let files = drive(&request, &mut gather)?;
    gather.outcome.finish(files, start);
    let outcome = &gather.outcome;
    if let Some(path) = &args.alerts {
        write_lines(
            path,
            outcome
                .alerts
                .iter()
                .map(|alert| AlertEvent::from(alert.clone()).encode()),
        )?;
    }
    if let Some(path) = &args.readings {
        let lines = outcome
            .readings
            .iter()
            .map(|reading| serde_json::to_vec(reading).unwrap_or_default());
        write_lines(path, lines)?;
    }
    if let Some(path) = &args.report {
        let title = format!("Backtest of {}", args.config.display());
        let page = report::render(&page::input(&config, &gather, title))?;
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(args, outcome, out)?;
    Ok(if outcome.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_lines(path: &Path, lines: impl Iterator<Item = Vec<u8>>) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for line in lines {
            file.write_all(&line)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn print(args: &Args, outcome: &Outcome, out: &mut dyn Write) -> std::io::Result<()> {
    if !args.quiet {
        for alert in &outcome.alerts {
            writeln!(out, "{}", tail::line(alert))?;
        }
    }
    for note in &outcome.notes {
        writeln!(out, "note: {note}")?;
    }
    for fault in outcome.faults.iter().take(20) {
        writeln!(out, "error: {fault}")?;
    }
    let more = outcome.faults.len().saturating_sub(20);
    if more > 0 {
        writeln!(out, "error: and {more} more")?;
    }
    for (code, count) in &outcome.dropped {
        writeln!(out, "dropped: {count} {code}")?;
    }
    let seconds = outcome.took.as_secs_f64();
    writeln!(
        out,
        "{} ticks, {} alert events in {seconds:.3} s",
        outcome.ticks,
        outcome.alerts.len()
    )
}
