//! How a test that lacks something says so: loudly, by name, and never under `CI=true`.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::workspace;

/// Records that the running test cannot run, because of `reason`.
///
/// The line goes past the capture of the test harness, and into `target/skipped-tests.txt`, which `make test` prints
/// last. The caller returns from its test afterwards.
///
/// # Panics
///
/// Under `CI=true`, where everything a test needs must be there.
pub fn skip(reason: &str) {
    let test = running_test();
    assert!(
        !std::env::var("CI").is_ok_and(|ci| ci == "true"),
        "{test} cannot run under CI=true: {reason}"
    );
    // A write to the handle itself, because the harness captures what the macros print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
    let list = workspace::root().join("target/skipped-tests.txt");
    let noted = fs::create_dir_all(workspace::root().join("target"))
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&list))
        .and_then(|mut file| file.write_all(format!("{test}: {reason}\n").as_bytes()));
    if let Err(error) = noted {
        let _ = writeln!(
            std::io::stderr(),
            "cannot add to {}: {error}",
            list.display()
        );
    }
}

/// The running test as `binary::test`; the harness names a test's thread after the test.
fn running_test() -> String {
    let executable = std::env::current_exe().ok();
    let binary = executable
        .as_deref()
        .and_then(|path| path.file_stem())
        .and_then(|stem| stem.to_str())
        .map_or("unknown", |stem| {
            stem.rsplit_once('-').map_or(stem, |(name, _)| name)
        });
    match std::thread::current().name() {
        Some("main") | None => binary.to_owned(),
        Some(test) => format!("{binary}::{test}"),
    }
}
