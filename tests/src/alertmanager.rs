//! Alertmanager for tests: a real server on loopback, and `amtool` to ask it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::leashed::{Leashed, start_on_free_ports};
use crate::{skipped, workspace};

/// Longest wait for the server to start, or for an alert to be as expected.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Where Debian's build looks for its templates, wherever it is itself.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

/// Runs an unpacked server so that it sees what was unpacked with it in `/usr/share`: in a mount namespace of its own,
/// so nothing changes for anybody else.
const IN_NAMESPACE: [&str; 6] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
];

/// A running server.
#[derive(Debug)]
pub struct Alertmanager {
    address: String,
    amtool: PathBuf,
    server: Leashed,
}

impl Alertmanager {
    /// Starts a server with this configuration; `None` where there is no binary, and the test is then recorded as
    /// skipped.
    ///
    /// # Errors
    ///
    /// When the server does not start; the error carries its log.
    ///
    /// # Panics
    ///
    /// Under `CI=true` where there is no binary.
    pub fn start(configuration: &str) -> Result<Option<Self>> {
        let (Some(binary), Some(amtool)) = (
            find("ALERTMANAGER", "prometheus-alertmanager"),
            find("AMTOOL", "amtool"),
        ) else {
            return Ok(None);
        };
        let Some(before) = way_in(&binary) else {
            return Ok(None);
        };
        let launch = |[port]: [u16; 1]| {
            Leashed::start("alertmanager", |folder| {
                let file = folder.join("alertmanager.yml");
                fs::write(&file, configuration)?;
                let flags = [
                    format!("--config.file={}", file.display()),
                    format!("--storage.path={}", folder.join("data").display()),
                    format!("--web.listen-address=127.0.0.1:{port}"),
                    // No other instances: none is listened for.
                    "--cluster.listen-address=".to_owned(),
                ];
                Ok(before
                    .iter()
                    .cloned()
                    .chain([binary.clone().into_os_string()])
                    .chain(flags.map(OsString::from))
                    .collect())
            })
        };
        let ready = |[port]: [u16; 1], server: &Leashed| {
            let deadline = Instant::now() + PATIENCE;
            let url = format!("http://127.0.0.1:{port}/-/ready");
            while !ureq::get(&url)
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
            address: format!("http://127.0.0.1:{port}"),
            amtool,
            server,
        }))
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.address
    }

    /// What `amtool alert query` prints in this form: `simple`, `extended` or `json`.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn query(&self, form: &str) -> Result<String> {
        let output = Command::new(&self.amtool)
            .args([
                "--alertmanager.url",
                &self.address,
                "--output",
                form,
                "alert",
                "query",
            ])
            .output()
            .context("cannot start amtool")?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.success(),
            "amtool ended with {}: {errors}",
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The active alerts.
    ///
    /// # Errors
    ///
    /// When `amtool` fails.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.query("json")?)?)
    }

    /// Waits until the active alerts are as asked for, and returns them.
    ///
    /// # Errors
    ///
    /// When that takes too long.
    pub fn await_alerts(&self, is_so: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let alerts = self.alerts()?;
            if is_so(&alerts) {
                return Ok(alerts);
            }
            self.server.alive()?;
            ensure!(
                Instant::now() < deadline,
                "not as expected within {PATIENCE:?}:\n{}\n{}",
                self.query("extended")?,
                self.server.log_tail()
            );
            std::thread::sleep(PAUSE);
        }
    }
}

/// What has to stand before the server's name; `None` where it cannot be run, and the test is then recorded as skipped.
fn way_in(binary: &Path) -> Option<Vec<OsString>> {
    if Path::new(TEMPLATES).is_file() {
        return Some(Vec::new());
    }
    let may = Command::new(IN_NAMESPACE[0])
        .args(&IN_NAMESPACE[1..4])
        .arg("true")
        .output()
        .is_ok_and(|done| done.status.success());
    let share = binary.ancestors().nth(2).map(|usr| usr.join("share"));
    let Some(share) = share.filter(|share| may && share.is_dir()) else {
        skipped::skip(
            "an unpacked Alertmanager needs a mount namespace, which is not to be had here",
        );
        return None;
    };
    let mut words: Vec<OsString> = IN_NAMESPACE.iter().map(OsString::from).collect();
    words.push("mount --bind \"$0\" /usr/share && exec \"$@\"".into());
    words.push(share.into_os_string());
    Some(words)
}

/// A program of Alertmanager: named in the environment, on the path, or where `make prometheus` puts it.
fn find(variable: &str, binary: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(|path| workspace::root().join(path));
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).map(|folder| folder.join(binary));
    let unpacked = workspace::root()
        .join(".cache/alertmanager/usr/bin")
        .join(binary);
    let mut all = named.into_iter().chain(installed).chain([unpacked]);
    let found = all.find(|candidate| candidate.is_file());
    if found.is_none() {
        skipped::skip(&format!("no {binary}: `make prometheus` fetches it"));
    }
    found
}
