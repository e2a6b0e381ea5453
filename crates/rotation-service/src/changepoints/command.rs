//! The command: flags, and what is printed.

use super::{Scored, dataset, score, simulated, zero};
use anyhow::Context;
use rotation_engine::detector::mean_shift::Params;
use rotation_sim::shifts::{Told, median};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Score the change points of `mean_shift` on annotated series.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
DIR holds annotations.json and NAME.json for each series, as the Turing Change Point Dataset writes them. The rule is
the one that ships, the same for all series; they are fed value by value and not standardised, for its scaling sees
only what has come.

Examples:
  rotation score-changepoints tcpd/
  rotation score-changepoints --delays

Exit codes: 0 done, 2 no such series.")]
pub struct Args {
    /// The folder with the series.
    #[arg(value_name = "DIR", required_unless_present = "delays")]
    pub dir: Option<PathBuf>,
    /// Print how often it alarms on simulated series without a change, and how long it takes to find a shift.
    #[arg(long)]
    pub delays: bool,
    /// So many times the runs of --delays.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub effort: u64,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(dir) = &args.dir {
        print_scores(dir, out)?;
    }
    if args.delays {
        if args.dir.is_some() {
            writeln!(out)?;
        }
        simulated::print_false_alarms(out, args.effort)?;
        simulated::print_delays(out, args.effort)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_scores(dir: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let all = dataset::read(dir).context("cannot score")?;
    let rule = |params: &Params| -> Vec<Scored> {
        all.iter().map(|series| score(params, series)).collect()
    };
    let shipped = rule(&Params::new("series"));
    let nothing: Vec<Scored> = all.iter().map(zero).collect();
    writeln!(
        out,
        "{:<24}{:>7}{:>18}{:>9}{:>9}",
        "", "", "mean_shift", "", "zero detector"
    )?;
    writeln!(
        out,
        "{:<24}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "series", "length", "covering", "F1", "covering", "F1", "changes", "delay"
    )?;
    for ((series, scored), zero) in all.iter().zip(&shipped).zip(&nothing) {
        write!(out, "{:<24}{:>7}", series.name, series.values.len())?;
        print_row(out, scored, zero, &scored.told)?;
    }
    let told: Vec<Told> = shipped
        .iter()
        .flat_map(|scored| scored.told.clone())
        .collect();
    write!(out, "{:<24}{:>7}", "mean", "")?;
    print_row(out, &mean(&shipped), &mean(&nothing), &told)?;
    writeln!(
        out,
        "\nMeans of other ways, at the same rate of false alarms:"
    )?;
    for (way, params) in &simulated::ways()[1..] {
        let mean = mean(&rule(params));
        writeln!(out, "{way:<24}{:>16.3}{:>9.3}", mean.covering, mean.f1)?;
    }
    Ok(())
}

fn print_row(
    out: &mut dyn Write,
    scored: &Scored,
    zero: &Scored,
    told: &[Told],
) -> std::io::Result<()> {
    let mut delays: Vec<usize> = told.iter().map(Told::delay).collect();
    delays.sort_unstable();
    let delay = median(&delays).map_or("-".to_owned(), |delay| delay.to_string());
    writeln!(
        out,
        "{:>9.3}{:>9.3}{:>9.3}{:>9.3}{:>9}{delay:>9}",
        scored.covering,
        scored.f1,
        zero.covering,
        zero.f1,
        told.len()
    )
}

/// The mean scores, with no changes of their own.
pub(super) fn mean(all: &[Scored]) -> Scored {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen series")]
    let count = all.len() as f64;
    Scored {
        told: Vec::new(),
        covering: all.iter().map(|scored| scored.covering).sum::<f64>() / count,
        f1: all.iter().map(|scored| scored.f1).sum::<f64>() / count,
    }
}
