//! Flags of `rotation run`: how the process runs.

use super::{LogFormat, Options};
use crate::config::Config;
use crate::stage::StateMode;
use crate::view::quoted;
use anyhow::{Context, bail};
use clap::ValueEnum;
use rotation_engine::clock::parse_span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Run the service: ticks in, alerts and metrics out.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation run --config config/great-rotation.toml --create-topics 12
  rotation run --config rules.toml --stage sampler --instance sampler-0
  rotation run --config rules.toml -X security.protocol=SSL -X ssl.ca.location=/etc/ssl/ca.pem

Exit codes: 0 stopped by a signal, everything committed; 2 wrong configuration; 3 Kafka failed.")]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", env = "ROTATION_CONFIG")]
    pub config: PathBuf,
    /// Which stages this process runs.
    #[arg(long, value_enum, default_value = "both", env = "ROTATION_STAGE")]
    pub stage: StageChoice,
    /// Name of this process in its group: the same after a restart, another for each process. Default: the host's name.
    #[arg(long, value_name = "NAME", env = "ROTATION_INSTANCE")]
    pub instance: Option<String>,
    /// Create the topics that are missing, with so many partitions for ticks and bars.
    #[arg(long, value_name = "PARTITIONS", num_args = 0..=1, default_missing_value = "12")]
    pub create_topics: Option<i32>,
    /// Replication factor of created topics; -1 leaves it to the broker.
    #[arg(long, value_name = "N", default_value_t = -1, allow_hyphen_values = true)]
    pub replication: i32,
    /// Brokers, instead of those in the configuration: host:port,host:port.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        env = "ROTATION_BROKERS"
    )]
    pub brokers: Vec<String>,
    /// A librdkafka property, as name=value; may be repeated.
    #[arg(short = 'X', long = "property", value_name = "NAME=VALUE", value_parser = property)]
    pub properties: Vec<GivenProperty>,
    /// Address of the page, /metrics, /healthz and /readyz, instead of the one in the configuration.
    #[arg(long, value_name = "ADDRESS", env = "ROTATION_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// File with the token of the HTTP address, instead of the one in the configuration.
    #[arg(long, value_name = "FILE", env = "ROTATION_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// The address once more, where it is beyond loopback and there is no token: whoever reaches it may then read.
    #[arg(long, value_name = "ADDRESS")]
    pub insecure_listen: Option<SocketAddr>,
    /// Longest time an output waits for its commit; alerts never wait.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = span)]
    pub commit_interval: Duration,
    /// Time between snapshots of the state; a restart reads the newest and replays what came after it.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = span)]
    pub snapshot_interval: Duration,
    /// A partition without records for so long is idle, if everything was read: its sessions may close.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span)]
    pub idle_after: Duration,
    /// Go on where records or state are lost, counting them, instead of stopping.
    #[arg(long)]
    pub allow_data_loss: bool,
    /// Follow the state of tasks that other processes have, so that taking them over reads only what is new. Costs as
    /// much memory as all snapshots have bytes.
    #[arg(long)]
    pub standby: bool,
    /// Tell the spans of traced ticks to the OpenTelemetry collector at this address, such as http://127.0.0.1:4318, by
    /// OTLP over HTTP.
    #[arg(long, value_name = "URL", env = "ROTATION_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Do not serve the page, and do not read the topics that it shows.
    #[arg(long)]
    pub no_page: bool,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "text", env = "ROTATION_LOG_FORMAT")]
    pub log_format: LogFormat,
}

/// Which stages a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageChoice {
    /// Ticks to bars, and bars to alerts.
    Both,
    /// Ticks to bars.
    Sampler,
    /// Bars to alerts.
    Universe,
}

impl StageChoice {
    /// Whether ticks are made into bars here.
    pub fn samples(self) -> bool {
        self != StageChoice::Universe
    }

    /// Whether bars are made into alerts here.
    pub fn decides(self) -> bool {
        self != StageChoice::Sampler
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let nanos = parse_span(text).map_err(|error| error.to_string())?;
    Ok(Duration::from_nanos(
        u64::try_from(nanos).map_err(|error| error.to_string())?,
    ))
}

/// A librdkafka property from the command line. It may be a secret, so an error does not repeat it, nor does `Debug`.
#[derive(Clone)]
pub struct GivenProperty(String);

impl std::fmt::Debug for GivenProperty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GivenProperty([not shown])")
    }
}

/// Takes every text: what is wrong with it is said by [`Args::apply`], since clap would repeat it.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
fn property(text: &str) -> Result<GivenProperty, std::convert::Infallible> {
    Ok(GivenProperty(text.to_owned()))
}

/// The name of this process: as given, or the host's.
pub(crate) fn instance(given: Option<&str>) -> String {
    let host = || {
        std::fs::read_to_string("/etc/hostname")
            .ok()
            .map(|name| name.trim().to_owned())
    };
    given
        .map(str::to_owned)
        .or_else(host)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "rotation".to_owned())
}

impl Args {
    /// The name of this process.
    pub fn instance(&self) -> String {
        instance(self.instance.as_deref())
    }

    /// Flags win over the file, as far as they say where files are.
    pub(super) fn apply_files(&self, config: &mut Config) {
        if self.token_file.is_some() {
            config.http.token_file.clone_from(&self.token_file);
        }
    }

    /// Flags win over the file.
    ///
    /// # Errors
    /// A property that is none, that librdkafka does not know, or whose value it does not take.
    pub(super) fn apply(&self, config: &mut Config) -> anyhow::Result<()> {
        if !self.brokers.is_empty() {
            config.kafka.brokers.clone_from(&self.brokers);
        }
        for GivenProperty(text) in &self.properties {
            let Some((name, value)) = text.split_once('=') else {
                bail!(
                    "--property: expected NAME=VALUE, found no \"=\" (not shown: it may be a secret)"
                );
            };
            config
                .kafka
                .properties
                .give(name, value)
                .with_context(|| format!("--property {name:?}"))?;
        }
        if let Some(listen) = self.listen {
            config.http.listen = listen;
        }
        Ok(())
    }

    /// Where the configuration and the brokers are, for other commands.
    fn whereabouts(&self) -> String {
        let mut text = format!(" --config {}", quoted(&self.config.to_string_lossy()));
        if !self.brokers.is_empty() {
            text.push_str(&format!(" --brokers {}", quoted(&self.brokers.join(","))));
        }
        text
    }

    pub(super) fn options(&self) -> Options {
        Options {
            stages: self.stage,
            instance: self.instance(),
            state_mode: StateMode::Durable,
            commit_interval: self.commit_interval,
            snapshot_interval: self.snapshot_interval,
            idle_after: self.idle_after,
            allow_data_loss: self.allow_data_loss,
            standby: self.standby,
            page: !self.no_page,
            whereabouts: self.whereabouts(),
        }
    }
}
