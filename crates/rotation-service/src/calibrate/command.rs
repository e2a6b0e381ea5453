//! The command around a calibration.

use super::sensitivity::told;
use super::{Entered, Null, Question, Settings, calibrate, document, page, sensitivity, toml};
use crate::config::Config;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Count how often each rule opens in history and by chance, and say which threshold would be rare enough.
///
/// Chance is a synthetic history: the days of the true one in another order (stationary bootstrap), all series
/// together. See docs/CALIBRATION.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation calibrate config/great-rotation.toml --data daily/
  rotation calibrate rules.toml --data daily/ --block 1 --replicates 50     every day by itself
  rotation calibrate rules.toml --data daily/ --budget 0.5                  thresholds for one false alarm in two years
  rotation calibrate rules.toml --data daily/ --toml >> rates.toml          the base rates, to be pasted

Exit codes: 0 done, 1 done but some rows could not be read, 2 wrong configuration or no data.")]
pub struct Args {
    /// The configuration.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// A folder with SYMBOL.csv or SYMBOL.csv.gz for each series.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// First date read, such as 2000-01-03.
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Last date read.
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Synthetic histories, of each kind.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub replicates: u32,
    /// Mean length of a block, in days; 1 draws every day by itself.
    #[arg(long, value_name = "DAYS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub block: u32,
    /// Mean length of a block of prints, or of moves, of the series drawn by themselves; default the cube root of their
    /// number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub slow_block: Option<u32>,
    /// What chance is taken to be.
    #[arg(long, value_enum, default_value_t)]
    pub null: Null,
    /// The same seed makes the same histories.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Episodes a year by chance that thresholds are wanted for.
    #[arg(long, value_name = "RATE", default_value = "1", value_parser = rate)]
    pub budget: f64,
    /// Threads at work; default as many as there are processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub threads: Option<u16>,
    /// Try regimes with every number of theirs off by up to so many percent, instead of counting.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=99), conflicts_with_all = ["toml", "json"])]
    pub perturb: Option<u32>,
    /// How many such settings are tried.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "perturb", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub settings: u32,
    /// A state that such settings should enter, and between which days: STATE:FROM..TO.
    #[arg(long, value_name = "STATE:FROM..TO", requires = "perturb", value_parser = entered)]
    pub entered: Option<Entered>,
    /// Print the base rates as TOML, to be pasted into the configuration.
    #[arg(long, conflicts_with = "json")]
    pub toml: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A regime that changes its state more often is no regime.
const MOST_CHANGES: f64 = 8.0;

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= 1e4 => Ok(rate),
        _ => Err("expected episodes a year, above 0 and up to 10000".to_owned()),
    }
}

fn entered(text: &str) -> Result<Entered, String> {
    let parts = text
        .split_once(':')
        .and_then(|(state, days)| Some((state, days.split_once("..")?)));
    let dates =
        parts.and_then(|(state, (from, to))| Some((state, from.parse().ok()?, to.parse().ok()?)));
    match dates {
        Some((state, from, to)) => Ok(Entered {
            state: state.to_owned(),
            from,
            to,
        }),
        None => Err(
            "expected a state and two dates such as small_cap_led:2026-01-02..2026-01-22"
                .to_owned(),
        ),
    }
}

impl Args {
    /// What is asked of regimes, if something is.
    fn question(&self) -> Option<Question> {
        Some(Question {
            off: f64::from(self.perturb?) / 100.0,
            settings: self.settings,
            seed: self.seed,
            entered: self.entered.clone(),
            most_changes: MOST_CHANGES,
            since: self.from.unwrap_or(jiff::civil::date(1990, 1, 1)),
        })
    }

    fn settings(&self) -> Settings {
        Settings {
            replicates: self.replicates as usize,
            block: f64::from(self.block),
            slow_block: self.slow_block.map(f64::from),
            null: self.null,
            seed: self.seed,
            budget: self.budget,
            threads: self.threads.map(usize::from),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, or no data.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    if let Some(question) = args.question() {
        let all = sensitivity(&config, &args.data, (args.from, args.to), &question)?;
        write!(out, "{}", told(&all, &question))?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = args.settings();
    let bar = bar();
    let dates = (args.from, args.to);
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let calibration = calibrate(&config, &args.data, dates, &settings, &progress);
    bar.finish_and_clear();
    let calibration = calibration?;
    if args.toml {
        write!(out, "{}", toml(&calibration))?;
    } else if args.json {
        let document = document(&calibration, &settings);
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        write!(out, "{}", page(&calibration, &settings))?;
    }
    for fault in &calibration.faults {
        eprintln!("error: {fault}");
    }
    Ok(if calibration.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// On standard error, by histories; hidden where that is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{pos:>4} of {len} histories {bar:30} {eta} left");
    bar.set_style(style.expect("the template names known keys"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
