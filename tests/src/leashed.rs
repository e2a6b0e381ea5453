//! Server processes that cannot outlive the test that started them.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Lines of the log that an error carries.
const LOG_LINES: usize = 60;

/// Runs a command, and kills it when standard input closes, which it does when the process that holds the other end
/// dies, in whatever way. The folder goes last, so that the log of a failed start can be read. Interrupts from the
/// terminal are ignored: they reach the test process too, and its end is what counts.
const SCRIPT: &str = r#"
trap '' INT HUP
exec 3<&0 < /dev/null > "$0/log" 2>&1
"$@" &
server=$!
echo $server > "$0/pid"
(read -r _ <&3; [ -e "$0/ended" ] || kill -KILL $server) &
wait $server
: > "$0/ended"
read -r _ <&3
wait
rm -rf "$0"
"#;

/// A running server with a folder of its own; both end when this is dropped or the test process dies.
#[derive(Debug)]
pub struct Leashed {
    folder: PathBuf,
    shell: Child,
    /// Closing it ends the server.
    lifeline: Option<ChildStdin>,
}

impl Leashed {
    /// Starts a server: `command` is given its new, empty folder and says what to run there.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, `command` fails, or there is no shell.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        command: impl FnOnce(&Path) -> Result<Vec<A>>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("rotation-{name}-"))
            .tempdir()?;
        let command = command(folder.path())?;
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(folder.path())
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start a shell for {name}"))?;
        let lifeline = shell.stdin.take();
        Ok(Self {
            folder: folder.keep(),
            shell,
            lifeline,
        })
    }

    /// Fails when the server has ended by itself.
    ///
    /// # Errors
    ///
    /// Then.
    pub fn alive(&self) -> Result<()> {
        if self.folder.join("ended").exists() {
            bail!("the server ended");
        }
        Ok(())
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's process id, once it runs.
    ///
    /// # Errors
    ///
    /// Before that.
    pub fn pid(&self) -> Result<u32> {
        let pid = fs::read_to_string(self.folder.join("pid")).context("not started yet")?;
        pid.trim().parse().context("not started yet")
    }

    /// Stops the server in its tracks, or lets it go on: it is not gone, it only does not answer.
    ///
    /// # Errors
    ///
    /// When there is no such process.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let server = self.pid()?.to_string();
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &server]).status()?;
        ensure!(
            status.success(),
            "kill {signal} {server} ended with {status}"
        );
        Ok(())
    }

    /// The last lines the server printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The shell has nothing left to wait for but the end of a killed process.
        let _ = self.shell.wait();
    }
}

/// Starts a server that needs free ports, and waits until `ready` says it answers.
///
/// Between asking for a free port and the server's binding it another process may take it; then all is tried again.
///
/// # Errors
///
/// When the server does not start or does not get ready; the error carries the end of its log.
pub fn start_on_free_ports<const N: usize>(
    launch: impl Fn([u16; N]) -> Result<Leashed>,
    ready: impl Fn([u16; N], &Leashed) -> Result<()>,
) -> Result<([u16; N], Leashed)> {
    const ATTEMPTS: usize = 3;
    let mut attempt = 1;
    loop {
        let ports = free_ports()?;
        let server = launch(ports)?;
        let Err(error) = ready(ports, &server) else {
            return Ok((ports, server));
        };
        let log = server.log_tail();
        let taken = log.to_lowercase().contains("address already in use");
        if attempt == ATTEMPTS || !taken {
            return Err(error)
                .with_context(|| format!("a server did not start; its log ends\n{log}"));
        }
        attempt += 1;
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
