//! Where the jars of Apache Kafka are, and how they come there.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The folder of jars, fetched if need be; `None` where they cannot be had, or Java is missing.
pub(super) fn find() -> Result<Option<PathBuf>> {
    let java = Command::new("java")
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if java.is_err() {
        return Ok(None);
    }
    if let Some(named) = env::var_os("ROTATION_KAFKA_LIBS") {
        // Cargo runs tests in their package's folder, users say paths from the root.
        let libs = workspace::root().join(named);
        return Ok(holds_kafka(&libs).then_some(libs));
    }
    let cache = workspace::root().join(".cache/kafka");
    let libs = cache.join("libs");
    if holds_kafka(&libs) || fetch(&cache)? {
        Ok(Some(libs))
    } else {
        Ok(None)
    }
}

fn holds_kafka(libs: &Path) -> bool {
    fs::read_dir(libs).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("kafka_2.13-")
        })
    })
}

/// Copies the jars from Maven Central into `cache`, whole or not at all; false where Maven is missing or fails.
///
/// The copy of the pom beside the jars tells `make kafka` which pom they came from.
fn fetch(cache: &Path) -> Result<bool> {
    let pom = workspace::root().join("tests/kafka/pom.xml");
    let parent = cache.parent().context("the cache folder has a parent")?;
    fs::create_dir_all(parent)?;
    let scratch = tempfile::tempdir_in(parent)?;
    let maven = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "-Dstyle.color=never", "--file"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg(format!(
            "-DoutputDirectory={}",
            scratch.path().join("libs").display()
        ))
        .stdin(Stdio::null())
        .output();
    match maven {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).context("cannot run mvn"),
        Ok(output) if !output.status.success() => {
            eprintln!("mvn failed: {}", String::from_utf8_lossy(&output.stdout));
            return Ok(false);
        }
        Ok(_) => {}
    }
    fs::copy(&pom, scratch.path().join("pom.xml"))?;
    if cache.exists() {
        fs::remove_dir_all(cache)?;
    }
    fs::rename(scratch.keep(), cache)?;
    ensure!(
        holds_kafka(&cache.join("libs")),
        "{} names no kafka_2.13",
        pom.display()
    );
    Ok(true)
}
