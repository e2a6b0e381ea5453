//! `rotation run` as a process of its own, on topics of its own, to be stopped and killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rotation_wire::alerts::comparable;
use rotation_wire::invariants::{AlertLog, Place, Seen};

use crate::broker::{Broker, unique};
use crate::workspace;

/// Longest wait for a process to get somewhere, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(25);

/// The `rotation` binary that was built beside this test.
///
/// # Panics
///
/// Where it was not built: `cargo build --workspace --bins` does.
#[must_use]
pub fn binary() -> PathBuf {
    program("rotation")
}

/// A program of the workspace that was built beside this test.
///
/// # Panics
///
/// Where it was not built: `cargo build --workspace --bins` does.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    // Tests are built one folder below the programs.
    let beside = test.ancestors().skip(1).take(2);
    let mut found = beside.map(|folder| folder.join(name));
    found.find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "no `{name}` beside {}: run `cargo build --workspace --bins` first",
            test.display()
        )
    })
}

/// Topics, group and configuration of one test.
#[derive(Debug)]
pub struct Deployment {
    /// The broker.
    pub broker: &'static Broker,
    /// Names of the topics: ticks, bars, alerts, state, dead letters, readings.
    pub topics: [String; 6],
    group: String,
    folder: tempfile::TempDir,
}

impl Deployment {
    /// Topics with so many partitions, and a configuration with these universes (TOML from `[universe.` on).
    ///
    /// # Errors
    ///
    /// When a topic cannot be made or the file not be written.
    pub fn new(broker: &'static Broker, partitions: i32, universes: &str) -> Result<Self> {
        let group = unique("rotation");
        let topics = ["ticks", "bars", "alerts", "state", "dead", "readings"]
            .map(|name| format!("{group}.{name}"));
        let compact: &[(&str, &str)] = &[("cleanup.policy", "compact")];
        let [ticks, bars, alerts, state, dead, readings] = &topics;
        broker.create_topics(&[
            (ticks, partitions, &[]),
            (bars, 2, &[]),
            (alerts, 2, &[]),
            (state, 2 * partitions, compact),
            (dead, 1, &[]),
            (readings, 2, &[]),
        ])?;
        let folder = tempfile::tempdir()?;
        let config = format!(
            "[kafka]\nbrokers = [\"{}\"]\ngroup = \"{group}\"\ntopics = {{ ticks = \"{ticks}\", bars = \"{bars}\", \
             alerts = \"{alerts}\", state = \"{state}\", dead_letters = \"{dead}\", \
             readings = \"{readings}\" }}\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\n{universes}",
            broker.bootstrap(),
        );
        std::fs::write(folder.path().join("rotation.toml"), config)?;
        Ok(Self {
            broker,
            topics,
            group,
            folder,
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("rotation.toml")
    }

    /// The consumer group of a stage.
    #[must_use]
    pub fn group(&self, stage: &str) -> String {
        format!("{}.{stage}", self.group)
    }

    /// Prefix of its groups and transactional ids.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.group
    }

    /// A folder that ends with the test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs another `rotation` command to its end.
    ///
    /// # Errors
    ///
    /// When it fails; the error carries what it printed.
    pub fn command<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String> {
        let output = Command::new(binary())
            .args(args)
            .current_dir(workspace::root())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "the command ended with {}:\n{text}\n{errors}",
            output.status
        );
        Ok(text)
    }

    /// Starts `rotation run` under this instance name.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn run(&self, instance: &str, args: &[&str]) -> Result<Service> {
        self.run_in(instance, args, &[])
    }

    /// The same with further variables in its environment.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn run_in(
        &self,
        instance: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        self.run_with(&self.config(), instance, args, environment)
    }

    /// The same with another configuration.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn run_with(
        &self,
        config: &Path,
        instance: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        self.start("run", config, instance, args, environment)
    }

    /// Starts a command of the program.
    pub(crate) fn start(
        &self,
        command: &str,
        config: &Path,
        instance: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        let log = self.folder.path().join(format!("{}.log", unique(instance)));
        let child = Command::new(binary())
            .arg(command)
            .arg("--config")
            .arg(config)
            .args(["--instance", instance])
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start rotation {command}"))?;
        Ok(Service { child, log })
    }

    /// Waits until both stages have committed all there is to read, and nothing more comes of it.
    ///
    /// # Errors
    ///
    /// When that takes too long, or a process ends meanwhile; the error carries its log.
    pub fn await_done(&self, services: &mut [Service]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sampled = self.is_read("sampler", &self.topics[0])?;
            if sampled && self.is_read("universe", &self.topics[1])? {
                return Ok(());
            }
            for service in services.iter_mut() {
                service.alive()?;
            }
            if Instant::now() > deadline {
                let logs: Vec<String> = services.iter().map(Service::log).collect();
                bail!(
                    "not everything was read in {PATIENCE:?}; the logs end\n{}",
                    logs.join("\n---\n")
                );
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Positions in the ticks topic that the sampler stage has committed, summed over its partitions.
    ///
    /// # Errors
    ///
    /// When the broker does not answer.
    pub fn sampled(&self) -> Result<usize> {
        let committed = self
            .broker
            .committed(&format!("{}.sampler", self.group), &self.topics[0])?;
        Ok(usize::try_from(committed.values().sum::<i64>())?)
    }

    /// Waits until the sampler stage has committed positions beyond so many records.
    ///
    /// # Errors
    ///
    /// When that takes too long; the error carries the service's log.
    pub fn await_sampled(&self, records: usize, service: &Service) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.sampled()? <= records {
            ensure!(
                Instant::now() < deadline,
                "it reads nothing; the log ends\n{}",
                service.log()
            );
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Whether a stage's group has committed the position behind the last record of each partition with records.
    fn is_read(&self, stage: &str, topic: &str) -> Result<bool> {
        let committed = self
            .broker
            .committed(&format!("{}.{stage}", self.group), topic)?;
        let reached = |(partition, end): (&i32, &i64)| {
            committed.get(partition).is_some_and(|next| next >= end)
        };
        if topic == self.topics[0] {
            // Records of a feed are in no transaction, so the last one is right before the end.
            let ends = self.broker.ends(topic)?;
            return Ok(!ends.is_empty() && ends.iter().all(reached));
        }
        let mut last: BTreeMap<i32, i64> = BTreeMap::new();
        for record in self.broker.read_committed(topic)? {
            last.insert(record.partition, record.offset);
        }
        Ok(!last.is_empty()
            && last.iter().all(|(partition, offset)| {
                committed.get(partition).is_some_and(|next| next > offset)
            }))
    }

    /// The alert events that a `read_committed` subscriber has: by key in order, without what differs between runs.
    ///
    /// # Errors
    ///
    /// When the topic cannot be read or holds something else.
    pub fn alerts(&self) -> Result<Events> {
        let mut events = Events::new();
        for record in self.broker.read_committed(&self.topics[2])? {
            let key = String::from_utf8(record.key.context("an alert without a key")?)?;
            let event = comparable(&record.payload.context("an alert without a value")?);
            events
                .entry(key)
                .or_default()
                .push(String::from_utf8(event)?);
        }
        Ok(events)
    }

    /// What does not hold on the alert topic that always should: ids, numbers of transitions, openings.
    ///
    /// # Errors
    ///
    /// When the topic cannot be read or holds something else.
    pub fn violations(&self) -> Result<Vec<String>> {
        let mut log = AlertLog::new();
        let mut found = Vec::new();
        for record in self.broker.read_committed(&self.topics[2])? {
            let place = Place {
                partition: record.partition,
                offset: record.offset,
            };
            let payload = record.payload.context("an alert without a value")?;
            let event = Seen::read(&payload)?.with_key(record.key.as_deref());
            let violations = log.take(place, &event);
            found.extend(violations.iter().map(|violation| format!("{violation:?}")));
        }
        Ok(found)
    }

    /// The events that a backtest over a folder of files finds, in the same form.
    ///
    /// # Errors
    ///
    /// When the backtest fails.
    pub fn backtest(&self, data: &Path, more: &[&str]) -> Result<Events> {
        let out = self.folder.path().join("backtest.ndjson");
        let mut args = vec![
            "backtest".into(),
            "--config".into(),
            self.config().into_os_string(),
        ];
        args.extend(["--data".into(), data.as_os_str().to_owned()]);
        args.extend([
            "--alerts".into(),
            out.clone().into_os_string(),
            "--quiet".into(),
        ]);
        args.extend(more.iter().map(Into::into));
        self.command(args)?;
        let mut events = Events::new();
        for line in std::fs::read_to_string(out)?.lines() {
            let event: serde_json::Value = serde_json::from_str(line)?;
            let text = |field: &str| event["data"][field].as_str().unwrap_or_default().to_owned();
            let key = format!("{}/{}/{}", text("universe"), text("rule"), text("subject"));
            events
                .entry(key)
                .or_default()
                .push(String::from_utf8(comparable(line.as_bytes()))?);
        }
        Ok(events)
    }
}

/// Alert events by key, in order.
pub type Events = BTreeMap<String, Vec<String>>;

/// Number of events.
#[must_use]
pub fn count(events: &Events) -> usize {
    events.values().map(Vec::len).sum()
}

/// A process that runs `rotation run`; killed when dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// The last lines that it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends it a signal, such as `STOP`.
    ///
    /// # Errors
    ///
    /// When there is no such process.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()?;
        ensure!(status.success(), "kill -{name} ended with {status}");
        Ok(())
    }

    /// All that it has logged so far.
    #[must_use]
    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it ends by itself; its exit code and all that it logged.
    ///
    /// # Errors
    ///
    /// When it does not end; the error carries its log.
    pub fn await_end(mut self) -> Result<(Option<i32>, String)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(&self.log)?;
                return Ok((status.code(), log));
            }
            ensure!(
                Instant::now() < deadline,
                "it does not end; its log ends\n{}",
                self.log()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    ///
    /// Then; the error carries its log.
    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "rotation run ended with {status}; its log ends\n{}",
                self.log()
            ),
        }
    }

    /// The HTTP address, once it is said.
    ///
    /// # Errors
    ///
    /// When the process ends or does not say it in time.
    pub fn address(&mut self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let said = log.lines().find_map(|line| {
                let rest = line.split("address=").nth(1)?;
                Some(rest.split_whitespace().next()?.to_owned())
            });
            if let Some(address) = said {
                return Ok(address);
            }
            self.alive()?;
            ensure!(
                Instant::now() < deadline,
                "no HTTP address in {PATIENCE:?}; the log ends\n{}",
                self.log()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// When the process ends or does not get ready in time.
    pub fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.alive()?;
            // It says its address a moment before it answers there.
            if self.get("/readyz").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "not ready in {PATIENCE:?}; the log ends\n{}",
                self.log()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// What a GET of a path answers: status and body.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub fn get(&mut self, path: &str) -> Result<(u16, String)> {
        self.get_with(path, None)
    }

    /// The same with a token.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub fn get_with(&mut self, path: &str, token: Option<&str>) -> Result<(u16, String)> {
        let url = format!("http://{}{path}", self.address()?);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = agent.get(&url);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().with_context(|| url.clone())?;
        Ok((
            answer.status().as_u16(),
            answer.body_mut().read_to_string()?,
        ))
    }

    /// The value of one series of `/metrics`, its labels as they are printed there: in alphabetical order.
    ///
    /// # Errors
    ///
    /// When there is no answer, or no such series.
    pub fn metric(&mut self, series: &str) -> Result<f64> {
        let (_, page) = self.get("/metrics")?;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value
            .with_context(|| format!("no series {series} in\n{page}"))?
            .parse()?)
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Errors
    ///
    /// When it had ended by itself; the error carries its log.
    pub fn kill(mut self) -> Result<()> {
        self.alive()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not stop, or not well; the error carries its log.
    pub fn terminate(mut self) -> Result<()> {
        self.alive()?;
        self.signal("TERM")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!(
                    "rotation run ended with {status}; its log ends\n{}",
                    self.log()
                ),
                None if Instant::now() > deadline => {
                    bail!("it did not stop; its log ends\n{}", self.log())
                }
                None => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
