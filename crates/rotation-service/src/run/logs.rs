//! Log lines: to standard error, as text or as JSON.

use anyhow::anyhow;
use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON document a line.
    Json,
}

/// The HTTP client and what it stands on: they log addresses and bodies, which hold secrets of the targets of alerts.
/// What they come to is logged by [`crate::notify`].
const SILENT: [&str; 6] = [
    "ureq",
    "ureq::run",
    "ureq::unversioned",
    "ureq_proto",
    "rustls",
    "webpki",
];

/// Starts logging; `RUST_LOG` chooses levels, `info` without it.
pub(crate) fn start(format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = SILENT.iter().fold(filter, |filter, target| {
        let off = format!("{target}=off");
        filter.add_directive(off.parse().expect("the name of a crate is one of a target"))
    });
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|error| anyhow!("cannot start logging: {error}"))
}
