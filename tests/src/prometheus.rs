//! Prometheus for tests: a real server that scrapes a target every second, and what the shipped panels and rules ask.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::leashed::{Leashed, start_on_free_ports};
use crate::{skipped, workspace};

mod expressions;

pub use expressions::{Expression, Source, all_expressions, dashboards, rule_files};

/// Longest wait for the server to start, or for a scrape.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at the server.
const PAUSE: Duration = Duration::from_millis(50);

/// A running server.
#[derive(Debug)]
pub struct Prometheus {
    address: String,
    agent: ureq::Agent,
    server: Leashed,
}

impl Prometheus {
    /// Starts a server that scrapes `/metrics` of these addresses as job `rotation` and evaluates `rules`, both every
    /// second; `None` where there is no binary, and the test is then recorded as skipped.
    ///
    /// # Errors
    ///
    /// When the server does not start; the error carries its log.
    ///
    /// # Panics
    ///
    /// Under `CI=true` where there is no binary.
    pub fn start(targets: &[String], rules: &[PathBuf]) -> Result<Option<Self>> {
        let Some(binary) = find("prometheus") else {
            return Ok(None);
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .into();
        let launch = |[port]: [u16; 1]| {
            Leashed::start("prometheus", |folder| {
                let file = folder.join("prometheus.yml");
                fs::write(&file, configuration(targets, rules)?)?;
                let flags = [
                    format!("--config.file={}", file.display()),
                    format!("--storage.tsdb.path={}", folder.join("data").display()),
                    format!("--web.listen-address=127.0.0.1:{port}"),
                ];
                Ok([binary.clone().into_os_string()]
                    .into_iter()
                    .chain(flags.map(OsString::from))
                    .collect())
            })
        };
        let ready = |[port]: [u16; 1], server: &Leashed| {
            let deadline = Instant::now() + PATIENCE;
            let url = format!("http://127.0.0.1:{port}/-/ready");
            while !agent
                .get(&url)
                .call()
                .is_ok_and(|answer| answer.status() == 200)
            {
                server.alive()?;
                ensure!(Instant::now() < deadline, "not ready within {PATIENCE:?}");
                std::thread::sleep(PAUSE);
            }
            Ok(())
        };
        let ([port], server) = start_on_free_ports(launch, ready)?;
        Ok(Some(Self {
            address: format!("127.0.0.1:{port}"),
            agent,
            server,
        }))
    }

    /// Waits until the target was scraped `count` times; two make a rate.
    ///
    /// # Errors
    ///
    /// When that does not happen in time.
    pub fn await_scrapes(&self, count: usize) -> Result<()> {
        let scraped = format!("sum_over_time(up{{job=\"rotation\"}}[1h]) >= {count}");
        self.await_samples(&scraped, PATIENCE)?;
        Ok(())
    }

    /// Waits until an expression returns data, and returns how many samples; the way to give recording rules, which
    /// stand on each other, time for their first evaluation.
    ///
    /// # Errors
    ///
    /// When it returns none in time, or is refused.
    pub fn await_samples(&self, expression: &str, patience: Duration) -> Result<usize> {
        let deadline = Instant::now() + patience;
        loop {
            let samples = self.samples(expression)?;
            if samples > 0 {
                return Ok(samples);
            }
            self.server.alive()?;
            ensure!(
                Instant::now() < deadline,
                "no data for {expression} within {patience:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// How many samples an instant query returns now.
    ///
    /// # Errors
    ///
    /// When the server refuses the expression or does not answer.
    pub fn samples(&self, expression: &str) -> Result<usize> {
        let data = self.query(expression)?;
        match (data["resultType"].as_str(), data["result"].as_array()) {
            (Some("vector" | "matrix"), Some(result)) => Ok(result.len()),
            (Some("scalar" | "string"), Some(_)) => Ok(1),
            _ => bail!("an answer of unknown form to {expression}: {data}"),
        }
    }

    /// The data of an instant query, as the API gives it: `resultType` and `result`.
    ///
    /// # Errors
    ///
    /// When the server refuses the expression or does not answer.
    pub fn query(&self, expression: &str) -> Result<Value> {
        let mut answer = self
            .agent
            .get(format!("http://{}/api/v1/query", self.address))
            .query("query", expression)
            .call()
            .with_context(|| format!("cannot ask Prometheus for {expression}"))?;
        let mut body: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        ensure!(
            body["status"] == "success",
            "Prometheus refuses {expression}: {}",
            body["error"]
        );
        Ok(body["data"].take())
    }
}

/// The configuration: these targets, every second.
fn configuration(targets: &[String], rules: &[PathBuf]) -> Result<String> {
    let mut text = String::from("global: { scrape_interval: 1s, evaluation_interval: 1s }\n");
    text.push_str("rule_files:\n");
    for rule in rules {
        writeln!(text, "  - {:?}", rule.display().to_string())?;
    }
    writeln!(
        text,
        "scrape_configs:\n  - job_name: rotation\n    static_configs: [{{ targets: {targets:?} }}]"
    )?;
    Ok(text)
}

/// A binary of Prometheus: `prometheus` or `promtool`.
///
/// Looked for in the environment (`PROMETHEUS`, `PROMTOOL`), on the path, and where `make prometheus` puts it. Where
/// there is none, the test is recorded as skipped.
///
/// # Panics
///
/// Under `CI=true` where there is none.
#[must_use]
pub fn find(binary: &str) -> Option<PathBuf> {
    let named = env::var_os(binary.to_uppercase()).map(|path| workspace::root().join(path));
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).map(|folder| folder.join(binary));
    let unpacked = workspace::root()
        .join(".cache/prometheus/usr/bin")
        .join(binary);
    let found = named
        .into_iter()
        .chain(installed)
        .chain([unpacked])
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skipped::skip(&format!("no {binary}: `make prometheus` fetches it"));
    }
    found
}
