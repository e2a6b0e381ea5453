//! The server process: one node that is broker and controller.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::await_metadata;
use crate::leashed::{Leashed, start_on_free_ports};

/// Longest wait for a start; some seconds on an idle machine.
const START: Duration = Duration::from_secs(120);

/// Formats the storage, then becomes the server; run with the folder of jars, the file of properties, and what more
/// the formatting is told.
const SCRIPT: &str = r#"
libs=$0 file=$1
shift
java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$libs/*" kafka.tools.StorageTool \
  format --cluster-id cm90YXRpb24tdGVzdC1icg --config "$file" "$@" &&
exec java -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*" kafka.Kafka "$file"
"#;

/// Starts a server and waits until it answers a metadata request; returns its address too.
pub(super) fn start(libs: &Path) -> Result<(String, Leashed)> {
    let launch = |[broker, controller]: [u16; 2]| {
        Leashed::start("kafka", |folder| {
            command(libs, folder, broker, controller, "", &[])
        })
    };
    let ready = |[broker, _]: [u16; 2], server: &Leashed| await_start(broker, server);
    let ([broker, _], server) = start_on_free_ports(launch, ready)?;
    Ok((address(broker), server))
}

/// What runs a server with further properties, and with users for SCRAM.
pub(super) fn command(
    libs: &Path,
    folder: &Path,
    broker: u16,
    controller: u16,
    more: &str,
    scram: &[String],
) -> Result<Vec<OsString>> {
    let file = folder.join("server.properties");
    fs::write(&file, properties(folder, broker, controller) + more)?;
    let mut command: Vec<OsString> = vec![
        "sh".into(),
        "-c".into(),
        SCRIPT.into(),
        libs.into(),
        file.into(),
    ];
    for user in scram {
        command.extend(["--add-scram".into(), user.into()]);
    }
    Ok(command)
}

/// Waits until the server answers.
pub(super) fn await_start(broker: u16, server: &Leashed) -> Result<()> {
    await_metadata(&address(broker), START, || server.alive())
}

pub(super) fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// One node, small internal topics, and timers short enough for tests that stop and restart clients.
fn properties(folder: &Path, broker: u16, controller: u16) -> String {
    let data = folder.join("data");
    let data = data.display();
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.network.threads=2
num.io.threads=4
num.partitions=1
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.topic.segment.bytes=4194304
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.state.log.segment.bytes=4194304
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"
    )
}
