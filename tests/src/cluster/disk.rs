//! A disk of limited size, in a mount namespace of its own, so that it ends with its holder, in whatever way.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::leashed::Leashed;

/// What a node has, in MiB; memory that is not used is not taken.
const SIZE: usize = 512;

/// Mounts over the folder and waits to be killed; run with the folder and the size in MiB.
const SCRIPT: &str = r#"
mount -t tmpfs -o size="$1"m rotation "$0" && : > "$0/mounted" && exec sleep infinity
"#;

#[derive(Debug)]
pub(super) struct Disk {
    holder: Leashed,
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk over a folder, for processes that enter its namespace.
    pub(super) fn mount(folder: &Path) -> Result<Self> {
        let holder = Leashed::start("disk", |_| {
            let mut command: Vec<std::ffi::OsString> = ["unshare", "--map-root-user", "--mount"]
                .into_iter()
                .map(Into::into)
                .collect();
            command.extend(["sh".into(), "-c".into(), SCRIPT.into()]);
            command.extend([folder.into(), SIZE.to_string().into()]);
            Ok(command)
        })?;
        let disk = Self {
            holder,
            folder: folder.to_owned(),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !disk
            .seen_from_outside()
            .is_ok_and(|seen| seen.join("mounted").exists())
        {
            if disk.holder.alive().is_err() || Instant::now() > deadline {
                bail!(
                    "cannot mount a disk of limited size: {}",
                    disk.holder.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(disk)
    }

    /// What to put before a command for it to see the disk.
    pub(super) fn enter(&self) -> Vec<String> {
        let pid = self.holder.pid().unwrap_or_default();
        let flags = ["--user", "--mount", "--preserve-credentials"];
        let mut command = vec!["nsenter".to_owned(), "--target".to_owned(), pid.to_string()];
        command.extend(flags.map(str::to_owned));
        command
    }

    /// Takes what is left, or gives it back.
    pub(super) fn fill(&self, full: bool) -> Result<()> {
        let filler = self.seen_from_outside()?.join("filler");
        if !full {
            return fs::remove_file(&filler).context("cannot empty the disk");
        }
        let mut file = fs::File::create(&filler).context("cannot fill the disk")?;
        let piece = vec![1; 1 << 16];
        let mut bytes = piece.len();
        // Down to the last page: a broker writes little at a time.
        while bytes > 0 {
            match file.write(&piece[..bytes]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => bytes /= 2,
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
        Ok(())
    }

    fn seen_from_outside(&self) -> Result<PathBuf> {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid()?));
        Ok(root.join(self.folder.strip_prefix("/")?))
    }
}
