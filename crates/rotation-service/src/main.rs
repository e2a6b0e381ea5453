//! The `rotation` command.

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use rdkafka::error::KafkaError;
use rotation_service::cli::Cli;
use rotation_service::kafka::refusal::Refusal;
use rotation_service::kafka::topics::TopicError;
use rotation_service::stage::StageError;
use std::process::ExitCode;

fn main() -> ExitCode {
    match parse().run() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rotation: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// Reads the command line. A property may be a secret, so what is wrong with one is told without its value.
fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|mut error| {
        let names_property = |value: &ContextValue| {
            matches!(value, ContextValue::String(name) if name.starts_with("-X") || name.starts_with("--property"))
        };
        if error.get(ContextKind::InvalidArg).is_some_and(names_property) {
            let hidden = "(not shown: it may be a secret)".to_owned();
            error.insert(ContextKind::InvalidValue, ContextValue::String(hidden));
        }
        error.exit()
    })
}

/// The reader of our output went away, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let kafka = error.is::<StageError>()
        || error.is::<TopicError>()
        || error.is::<Refusal>()
        || error.is::<KafkaError>();
    if kafka { 3 } else { 2 }
}
