//! The command around the question "why not?".

use super::{document, page, why};
use crate::config::Config;
use jiff::civil::Date;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say of every rule how far it was from firing on a day.
///
/// Each rule stands with its reading at its latest section up to that day, what the reading is held against, how much
/// was missing until the next event, how old the section is, and whether an episode was open.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation why config/great-rotation.toml --data daily/ --at 2026-01-15
  rotation why rules.toml --data daily/ --at 2026-01-15 --json | jq '.rules[] | select(.distance < 1)'

Exit codes: 0 done, 1 done but some rows could not be read, 2 wrong configuration or no data.")]
pub struct Args {
    /// The configuration.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// A folder with SYMBOL.csv or SYMBOL.csv.gz for each series.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The day, such as 2026-01-15: nothing after it is read.
    #[arg(long, value_name = "DATE")]
    pub at: Date,
    /// Print JSON, with the evidence.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, or no data.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let standings = why(&config, &args.data, args.at)?;
    if args.json {
        writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&document(&standings))?
        )?;
    } else {
        writeln!(out, "{} on {}\n", args.config.display(), standings.at)?;
        write!(out, "{}", page(&standings))?;
    }
    for fault in &standings.faults {
        eprintln!("error: {fault}");
    }
    Ok(if standings.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
