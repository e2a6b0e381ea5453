//! The server process: one node that is broker and controller.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::await_metadata;

/// Longest wait for a start; some seconds on an idle machine.
const START: Duration = Duration::from_secs(120);

/// Lines of the log that an error carries.
const LOG_LINES: usize = 60;

/// Formats the storage, runs the server, and ends it when standard input closes, which it does when the process that
/// holds the other end dies, in whatever way. The folder goes last, so that the log of a failed start can be read.
/// Interrupts from the terminal are ignored: they reach the test process too, and its end is what counts.
const SCRIPT: &str = r#"
trap '' INT HUP
exec 3<&0 < /dev/null > "$FOLDER/server.log" 2>&1
if java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$LIBS/*" kafka.tools.StorageTool \
    format --cluster-id "$CLUSTER" --config "$FOLDER/server.properties"; then
  java -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$LIBS/*" kafka.Kafka "$FOLDER/server.properties" &
  server=$!
  (read -r _ <&3; [ -e "$FOLDER/ended" ] || kill -KILL $server) &
  wait $server
fi
: > "$FOLDER/ended"
read -r _ <&3
wait
rm -rf "$FOLDER"
"#;

/// Any base64 of 16 bytes will do.
const CLUSTER: &str = "cm90YXRpb24tdGVzdC1icg";

#[derive(Debug)]
pub(super) struct Server {
    bootstrap: String,
    folder: PathBuf,
    shell: Child,
    /// Closing it ends the server.
    lifeline: Option<ChildStdin>,
}

impl Server {
    /// Starts a server and waits until it answers a metadata request.
    pub(super) fn start(libs: &Path) -> Result<Self> {
        // Between asking for a free port and binding it, another process may take it: then try again.
        const ATTEMPTS: usize = 3;
        for attempt in 1..=ATTEMPTS {
            let server = Self::launch(libs)?;
            match await_metadata(&server.bootstrap, START, || server.alive()) {
                Ok(()) => return Ok(server),
                Err(error) => {
                    let log = server.log_tail();
                    if attempt == ATTEMPTS || !log.contains("Address already in use") {
                        return Err(error).with_context(|| {
                            format!("the Kafka server did not start; its log ends\n{log}")
                        });
                    }
                }
            }
        }
        bail!("no attempt was made")
    }

    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    fn launch(libs: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("rotation-kafka-")
            .tempdir()?
            .keep();
        let [broker, controller] = free_ports()?;
        let bootstrap = format!("127.0.0.1:{broker}");
        fs::write(
            folder.join("server.properties"),
            properties(&folder, broker, controller),
        )?;
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .env("FOLDER", &folder)
            .env("LIBS", libs)
            .env("CLUSTER", CLUSTER)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a shell for the Kafka server")?;
        let lifeline = shell.stdin.take();
        Ok(Self {
            bootstrap,
            folder,
            shell,
            lifeline,
        })
    }

    fn alive(&self) -> Result<()> {
        if self.folder.join("ended").exists() {
            bail!("the Kafka server ended");
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The shell has nothing left to wait for but the end of a killed process.
        let _ = self.shell.wait();
    }
}

/// Ports that were free together a moment ago.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners = (0..N)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<Vec<_>, _>>()
        .context("no free port on 127.0.0.1")?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
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
