//! One node: its settings, its process, its disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::disk::Disk;
use super::{NODES, Ports, data};
use crate::leashed::Leashed;

/// Formats the storage; run with the folder of jars and the file of properties.
const FORMAT: &str = r#"
java -Xmx96m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$0/*" kafka.tools.StorageTool \
  format --cluster-id cm90YXRpb24tY2hhb3MtMQ --config "$1" && "#;
/// Becomes the server.
const SERVE: &str = r#"
exec java -Xmx224m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
  -cp "$0/*" kafka.Kafka "$1"
"#;

#[derive(Debug)]
pub(super) struct Node {
    libs: PathBuf,
    properties: PathBuf,
    /// Of limited size, or why it is not.
    disk: Result<Disk, String>,
    address: String,
    formatted: bool,
    server: Option<Leashed>,
}

impl Node {
    pub(super) fn new(
        libs: &Path,
        folder: &Path,
        at: usize,
        ports: &[Ports; NODES],
    ) -> Result<Self> {
        let data = data(folder, at);
        fs::create_dir(&data)?;
        let properties = folder.join(format!("node-{at}.properties"));
        fs::write(&properties, settings(&data, at, ports))?;
        Ok(Self {
            libs: libs.to_owned(),
            properties,
            disk: Disk::mount(&data).map_err(|error| format!("{error:#}")),
            address: format!("127.0.0.1:{}", ports[at].inside),
            formatted: false,
            server: None,
        })
    }

    pub(super) fn start(&mut self) -> Result<()> {
        let script = match self.formatted {
            true => SERVE.to_owned(),
            false => format!("{FORMAT}{SERVE}"),
        };
        // The one before must be gone, and with it its hold on the port.
        self.server = None;
        let enter = self.disk.as_ref().map(Disk::enter).unwrap_or_default();
        let (libs, properties) = (&self.libs, &self.properties);
        self.server = Some(Leashed::start("node", |_| {
            let mut command: Vec<std::ffi::OsString> = enter.into_iter().map(Into::into).collect();
            command.extend(["sh".into(), "-c".into(), script.into()]);
            command.extend([libs.into(), properties.into()]);
            Ok(command)
        })?);
        self.formatted = true;
        Ok(())
    }

    pub(super) fn kill(&mut self) {
        self.server = None;
    }

    pub(super) fn freeze(&self, frozen: bool) -> Result<()> {
        let server = self.server.as_ref();
        server.context("the node does not run")?.freeze(frozen)
    }

    pub(super) fn fill(&self, full: bool) -> Result<()> {
        match &self.disk {
            Ok(disk) => disk.fill(full),
            Err(reason) => anyhow::bail!("the disk has no limit: {reason}"),
        }
    }

    pub(super) fn unlimited(&self) -> Option<&str> {
        self.disk.as_ref().err().map(String::as_str)
    }

    pub(super) fn runs(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|server| server.alive().is_ok())
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    pub(super) fn log_tail(&self) -> String {
        self.server
            .as_ref()
            .map_or_else(|| "it was killed".to_owned(), Leashed::log_tail)
    }
}

/// Broker and controller in one, with timers short enough for tests that stop and start nodes.
fn settings(data: &Path, at: usize, ports: &[Ports; NODES]) -> String {
    let own = ports[at];
    let voters: Vec<String> = (1..)
        .zip(ports)
        .map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller))
        .collect();
    format!(
        "\
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
controller.quorum.election.timeout.ms=1500
controller.quorum.election.backoff.max.ms=500
controller.quorum.fetch.timeout.ms=3000
controller.quorum.request.timeout.ms=2000
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=500
listeners=INSIDE://127.0.0.1:{inside},OUTSIDE://127.0.0.1:{outside},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=INSIDE://127.0.0.1:{inside},OUTSIDE://127.0.0.1:{proxy}
listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INSIDE
log.dirs={data}
num.network.threads=2
num.io.threads=3
num.replica.fetchers=1
replica.lag.time.max.ms=5000
unclean.leader.election.enable=false
auto.leader.rebalance.enable=false
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
offsets.topic.segment.bytes=4194304
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=4
transaction.state.log.segment.bytes=4194304
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.segment.bytes=16777216
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
",
        id = at + 1,
        voters = voters.join(","),
        inside = own.inside,
        outside = own.outside,
        controller = own.controller,
        proxy = own.proxy,
        data = data.join("log").display(),
    )
}
