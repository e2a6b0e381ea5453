//! What the kernel tells about a process.

use std::fs;

use anyhow::{Context, Result};

/// What the kernel counts time of cores in, whatever its own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of cores that a process has used, user and system.
///
/// # Errors
///
/// When there is no such process.
pub fn core_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name, in parentheses, may hold blanks.
    let (_, fields) = stat.rsplit_once(')').context("no name in its stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// Resident bytes of a process, now (`VmRSS`) or at most so far (`VmHWM`).
///
/// # Errors
///
/// When there is no such process.
pub fn resident(process: u32, which: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.with_context(|| format!("no {which}"))?.parse::<u64>()? * 1024)
}

/// Number of open descriptors of a process.
///
/// # Errors
///
/// When there is no such process.
pub fn descriptors(process: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// Bytes for people.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{:.2} MB", bytes as f64 / 1e6),
        _ => format!("{:.0} MB", bytes as f64 / 1e6),
    }
}
