//! The command line.

use crate::{
    audit, backtest, calibrate, changepoints, config, demo, explain, notify, redrive, replay, run,
    secrets, tail, view, why,
};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Says when the market changes regime: ticks from Kafka in, alerts and metrics out.
#[derive(Debug, Parser)]
#[command(
    name = "rotation",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  rotation demo                                          the whole path on an embedded broker, under a minute
  rotation check config/great-rotation.toml              what a configuration comes to
  rotation backtest --config rules.toml --data daily/    files to alerts, no Kafka
  rotation why rules.toml --data daily/ --at 2026-01-15  how far each rule was from firing
  rotation calibrate rules.toml --data daily/            how often each rule opens, and how often by chance
  rotation run --config rules.toml                       the service
  rotation audit --config rules.toml                     what was published, proven

Exit codes: 0 fine, 1 done with reservations, 2 wrong usage or configuration, 3 Kafka failed."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: ticks in, alerts and metrics out.
    Run(run::Args),
    /// Show the whole path at work on an embedded broker.
    Demo(demo::Args),
    /// Read a configuration, say what is wrong with it, or what it comes to.
    Check(CheckArgs),
    /// Follow the alert topic, one readable line an event.
    Tail(tail::Args),
    /// Prove what stands on the alert topic, or say what is wrong with it.
    Audit(audit::Args),
    /// Compute one alert anew from the bars that it cites, and show how.
    Explain(explain::Args),
    /// Tell people and other systems what stands on the alert topic: Alertmanager, PagerDuty, chat, webhooks.
    Notify(notify::Args),
    /// Put dead letters back on their topic.
    Redrive(redrive::Args),
    /// Put market data files on the ticks topic.
    Replay(replay::ReplayArgs),
    /// Run the rules over files: no Kafka, the same engine, the same alerts.
    Backtest(backtest::Args),
    /// Say of every rule how far it was from firing on a day.
    Why(why::Args),
    /// Count how often each rule opens in history and by chance, and say which threshold would be rare enough.
    Calibrate(calibrate::Args),
    /// Score the change points of `mean_shift` on annotated series.
    ScoreChangepoints(changepoints::Args),
    /// Print a JSON Schema, or the AsyncAPI document of the topics.
    Schema(SchemaArgs),
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 valid, 2 not.")]
struct CheckArgs {
    /// The configuration.
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation schema input > input.schema.json
  rotation schema alert
  rotation schema asyncapi > asyncapi.json")]
struct SchemaArgs {
    /// Of what.
    #[arg(value_enum)]
    what: SchemaOf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaOf {
    /// Records of the ticks topic.
    Input,
    /// Events of the alert topic.
    Alert,
    /// Records of the readings topic.
    Reading,
    /// The configuration file.
    Config,
    /// The page's data, `/api/v1`: an OpenAPI document.
    Openapi,
    /// Topics, keys, headers and payloads, as an AsyncAPI 3.0 document.
    Asyncapi,
}

/// The AsyncAPI document, for topics of the names that they have unless configured.
pub fn asyncapi() -> serde_json::Value {
    let topics = config::Topics::default();
    rotation_wire::asyncapi::document(rotation_wire::asyncapi::Addresses {
        ticks: &topics.ticks,
        alerts: &topics.alerts,
        readings: &topics.readings,
        dead_letters: &topics.dead_letters,
    })
}

impl Cli {
    /// Runs the command that was asked for.
    ///
    /// # Errors
    /// Whatever keeps it from being done.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout();
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Demo(args) => demo::run(&args),
            Command::Tail(args) => tail::run(&args),
            Command::Audit(args) => audit::run(&args, &mut out.lock()),
            Command::Explain(args) => explain::run(&args, &mut out.lock()),
            Command::Notify(args) => notify::run(&args, &mut out),
            Command::Redrive(args) => redrive::run(&args, &mut out.lock()),
            Command::Replay(args) => replay::run(&args),
            Command::Check(args) => {
                let config = config::Config::load(&args.file)?;
                for warning in secrets::warnings(&config, &args.file) {
                    eprintln!("warning: {warning}");
                }
                write!(out, "{}", config::describe(&config))?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Backtest(args) => backtest::run(&args, &mut out.lock()),
            Command::Why(args) => why::run(&args, &mut out.lock()),
            Command::Calibrate(args) => calibrate::run(&args, &mut out.lock()),
            Command::ScoreChangepoints(args) => changepoints::run(&args, &mut out.lock()),
            Command::Schema(args) => {
                let schema = match args.what {
                    SchemaOf::Input => rotation_wire::schema::input(),
                    SchemaOf::Alert => rotation_wire::schema::alert(),
                    SchemaOf::Reading => rotation_wire::schema::reading(),
                    SchemaOf::Config => config::schema(),
                    SchemaOf::Openapi => view::openapi::document().clone(),
                    SchemaOf::Asyncapi => asyncapi(),
                };
                writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "rotation", &mut out);
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
