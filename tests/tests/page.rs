//! The page: its committed build, and the page in a real browser.
//!
//! `make node` installs what they need; without it these tests are recorded as skipped. Screenshots of every
//! view are left in `target/page`.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rotation_tests::{service, skipped, workspace};

const PAGE: &str = "crates/rotation-service/page";
const TESTS: &str = "tests/page";
/// What Vite asks for.
const NODE_MIN: u32 = 20;

/// A folder whose modules are installed as its lock file says; `None`, and a record of it, without them.
fn installed(folder: &str) -> Option<PathBuf> {
    let path = workspace::root().join(folder);
    let version = Command::new("node").arg("--version").output();
    let version = version.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    let major = version.trim_start_matches('v').split('.').next();
    let major = major.and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MIN) {
        skipped::skip(&format!(
            "Node {NODE_MIN} or newer is needed, found {version:?}"
        ));
        return None;
    }
    let lock = path.join("node_modules/.from.json");
    if fs::read(lock).ok() != fs::read(path.join("package-lock.json")).ok() {
        skipped::skip(&format!(
            "no node_modules of this state in {folder}: make node"
        ));
        return None;
    }
    Some(path)
}

fn has_chromium() -> bool {
    let chromium = env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    let is_there = Path::new(&chromium).is_file();
    if !is_there {
        skipped::skip(&format!("no {chromium}: scripts/system-packages test"));
    }
    is_there
}

/// Runs a program of the page to its end; fails with all that it printed.
#[expect(clippy::print_stdout, reason = "figures for whoever runs it")]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{text}\n{errors}",
        output.status
    );
    println!("{text}");
}

/// Every file below a folder, by its path from there.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_committed_build_is_what_the_sources_give() {
    let Some(page) = installed(PAGE) else { return };
    let folder = tempfile::tempdir().unwrap();
    run(Command::new("npm")
        .args(["run", "--silent", "build"])
        .current_dir(&page)
        .env("PAGE_OUT", folder.path()));
    let (built, committed) = (contents(folder.path()), contents(&page.join("dist")));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&built), names(&committed), "make page, and commit it");
    for (name, bytes) in &built {
        assert!(
            committed[name] == *bytes,
            "{PAGE}/dist/{} is not what its sources give: make page, and commit it",
            name.display()
        );
    }
}

#[test]
fn the_parts_of_the_page_do_what_they_say() {
    let Some(page) = installed(PAGE) else { return };
    run(Command::new("npm")
        .args(["run", "--silent", "test"])
        .current_dir(page));
}

/// One after the other, because both drive a browser.
#[test]
fn the_page_works_in_a_browser() {
    let Some(tests) = installed(TESTS) else {
        return;
    };
    if !has_chromium() {
        return;
    }
    for script in ["fixture.test.js", "demo.test.js"] {
        run(Command::new("node")
            .args(["--test", "--test-reporter=spec", script])
            .current_dir(&tests)
            .env("ROTATION", service::binary()));
    }
}
