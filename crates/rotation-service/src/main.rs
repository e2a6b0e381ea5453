//! The `rotation` command.

use clap::Parser;
use rdkafka::error::KafkaError;
use rotation_service::cli::Cli;
use rotation_service::kafka::refusal::Refusal;
use rotation_service::kafka::topics::TopicError;
use rotation_service::stage::StageError;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rotation: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
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
