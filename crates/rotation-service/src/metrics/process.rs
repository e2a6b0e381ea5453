//! What the operating system says of this process; zero where it does not say.

use std::time::{SystemTime, UNIX_EPOCH};

/// Resident memory in bytes.
pub(super) fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// When this was first asked, which is at the process's start.
pub(super) fn start_seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
