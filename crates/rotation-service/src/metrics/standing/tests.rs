#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
