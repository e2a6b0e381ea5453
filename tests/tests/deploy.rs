//! The shipped container files: what they name exists, versions agree, and nothing listens beyond loopback.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;

use clap::Parser;
use rotation_service::cli::Cli;
use rotation_tests::workspace;
use serde_json::Value;

fn read(file: &str) -> String {
    fs::read_to_string(workspace::root().join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn services() -> Vec<(String, Value)> {
    let compose: Value = serde_saphyr::from_str(&read("deploy/compose.yaml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    services
        .iter()
        .map(|(name, service)| (name.clone(), service.clone()))
        .collect()
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap())
        .collect()
}

#[test]
fn ports_are_published_on_loopback_only() {
    let mut published = 0;
    for (name, service) in services() {
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
            published += 1;
        }
    }
    assert_eq!(published, 4);
}

#[test]
fn mounted_files_exist_and_are_read_only() {
    let mut mounted = 0;
    for (name, service) in services() {
        for volume in strings(&service["volumes"]) {
            let (source, rest) = volume.split_once(':').unwrap();
            if !source.starts_with('.') {
                continue;
            }
            let path = workspace::root().join("deploy").join(source);
            assert!(path.exists(), "{name} mounts {source}, which is not there");
            assert!(rest.ends_with(":ro"), "{name} could write to {source}");
            mounted += 1;
        }
    }
    assert_eq!(mounted, 6);
}

#[test]
fn every_service_waits_for_what_it_needs() {
    let services = services();
    for (name, service) in &services {
        let Some(needs) = service["depends_on"].as_object() else {
            continue;
        };
        for (other, how) in needs {
            let (_, needed) = services.iter().find(|(known, _)| known == other).unwrap();
            match how["condition"].as_str().unwrap() {
                "service_healthy" => assert!(
                    needed["healthcheck"]["test"].is_array(),
                    "{name} waits for {other}"
                ),
                condition => assert_eq!(
                    condition, "service_completed_successfully",
                    "{name} waits for {other}"
                ),
            }
        }
    }
}

#[test]
fn the_prometheus_of_compose_scrapes_the_port_that_rotation_listens_on() {
    let services = services();
    let (_, rotation) = services
        .iter()
        .find(|(name, _)| name == "rotation")
        .unwrap();
    let listen = strings(&rotation["command"])
        .into_iter()
        .find_map(|flag| flag.strip_prefix("--listen=0.0.0.0:"));
    let port = listen.unwrap();
    let scrape: Value = serde_saphyr::from_str(&read("deploy/prometheus/prometheus.yml")).unwrap();
    let target = &scrape["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target.as_str().unwrap(), format!("rotation:{port}"));
    assert!(read("deploy/Containerfile").contains(&format!("http://127.0.0.1:{port}/healthz")));
}

#[test]
fn rotation_understands_the_command_of_compose() {
    let services = services();
    let (_, rotation) = services
        .iter()
        .find(|(name, _)| name == "rotation")
        .unwrap();
    let command = strings(&rotation["command"]);
    assert_eq!(command[0], "run");
    Cli::try_parse_from(["rotation"].iter().chain(&command)).unwrap();
    assert!(Cli::try_parse_from(["rotation", "run", "--no-such-flag"]).is_err());
}

/// What stands between two texts, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before:?}"));
    rest.split_once(after)
        .unwrap_or_else(|| panic!("no {after:?} after {before:?}"))
        .0
}

#[test]
fn versions_agree() {
    let pom = read("tests/kafka/pom.xml");
    let tested = between(
        between(&pom, "kafka_2.13", "</dependency>"),
        "<version>",
        "<",
    );
    for (name, service) in services() {
        if let Some(deployed) = service["image"]
            .as_str()
            .unwrap()
            .split("apache/kafka:")
            .nth(1)
        {
            assert_eq!(deployed, tested, "{name} runs another Kafka than the tests");
        }
    }
    let manifest = read("Cargo.toml");
    let containerfile = read("deploy/Containerfile");
    assert_eq!(
        between(&containerfile, "library/rust:", "-"),
        between(&manifest, "rust-version = \"", "\""),
        "the container is built with another Rust than the workspace asks for"
    );
}
