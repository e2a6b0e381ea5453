//! Tidiness: the source, the dependencies and the documents are what they say they are.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::path::Path;

use rotation_tests::workspace;

#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/markdown.rs"]
mod markdown;
#[path = "tidy/source.rs"]
mod source;

/// Folders that hold what was built or fetched.
const MADE: [&str; 4] = ["target", ".cache", ".git", "node_modules"];

/// The text files of the checkout whose names end so, with their paths from the root.
fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&workspace::root(), "", ending, &mut found);
    assert!(!found.is_empty(), "no file ends in {ending:?}");
    found
}

fn walk(folder: &Path, prefix: &str, ending: &str, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        if MADE.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{path}/"), ending, found);
        } else if name.ends_with(ending) {
            // What is not text has nothing to be tidy about.
            found.extend(
                fs::read_to_string(entry.path())
                    .ok()
                    .map(|text| (path, text)),
            );
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace::root().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with every fault, not only the first.
fn expect_none(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "{} faults:\n  {}",
        faults.len(),
        faults.join("\n  ")
    );
}
