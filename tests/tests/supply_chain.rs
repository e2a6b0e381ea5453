//! The bill of materials is what it says, and every build is locked.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;

use rotation_tests::{sbom, workspace};
use serde_json::Value;

fn texts<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|entry| entry[field].as_str().unwrap())
        .collect()
}

#[test]
fn the_bill_of_materials_has_the_form_of_cyclonedx() {
    let document = sbom::document().unwrap();
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["specVersion"], "1.5");
    assert_eq!(document["version"], 1);
    assert_eq!(document["metadata"]["component"]["type"], "application");
    assert_eq!(document["metadata"]["component"]["name"], "rotation");
    let known = [
        "type", "bom-ref", "name", "version", "purl", "licenses", "hashes",
    ];
    for component in document["components"].as_array().unwrap() {
        assert_eq!(component["type"], "library", "{component}");
        for field in ["name", "version"] {
            assert!(
                !component[field].as_str().unwrap().is_empty(),
                "{component}"
            );
        }
        let purl = component["purl"].as_str().unwrap();
        assert!(
            purl.starts_with("pkg:cargo/") || purl.starts_with("pkg:github/"),
            "{component}"
        );
        assert!(!purl.contains('+'), "{component}");
        assert_eq!(component["bom-ref"], purl);
        let licences = component["licenses"].as_array().unwrap();
        assert_eq!(licences.len(), 1, "{component}");
        assert!(
            !licences[0]["expression"].as_str().unwrap().contains('/'),
            "{component}"
        );
        let unknown: Vec<&String> = component
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{component}: {unknown:?}");
    }
    let refs = texts(&document["components"], "bom-ref");
    let subject = document["metadata"]["component"]["bom-ref"]
        .as_str()
        .unwrap();
    let distinct: BTreeSet<&str> = refs.iter().copied().chain([subject]).collect();
    assert_eq!(distinct.len(), refs.len() + 1, "a reference stands twice");
    assert_eq!(
        texts(&document["dependencies"], "ref")
            .into_iter()
            .collect::<BTreeSet<_>>(),
        distinct
    );
    for entry in document["dependencies"].as_array().unwrap() {
        for need in entry["dependsOn"].as_array().unwrap() {
            assert!(distinct.contains(need.as_str().unwrap()), "{entry}");
        }
    }
}

#[test]
fn the_bill_of_materials_names_what_is_in_the_program_and_its_checksums() {
    let document = sbom::document().unwrap();
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap();
    let names: BTreeSet<&str> = texts(&document["components"], "name").into_iter().collect();
    for name in [
        "rotation-engine",
        "rotation-wire",
        "rdkafka",
        "librdkafka",
        "tokio",
        "axum",
        "openssl-sys",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
    for name in ["rotation-tests", "proptest", "tempfile", "jsonschema"] {
        assert!(!names.contains(name), "{name} is for tests alone");
    }
    let mut hashed = 0;
    for component in document["components"].as_array().unwrap() {
        let name = component["name"].as_str().unwrap();
        let Some(hashes) = component["hashes"].as_array() else {
            assert!(
                name.starts_with("rotation-") || name == "librdkafka",
                "{name} has no checksum"
            );
            continue;
        };
        assert_eq!(hashes[0]["alg"], "SHA-256");
        let content = hashes[0]["content"].as_str().unwrap();
        assert_eq!(content.len(), 64);
        let version = component["version"].as_str().unwrap();
        let locked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        let (_, entry) = lock
            .split_once(&locked)
            .unwrap_or_else(|| panic!("{name} {version} is not locked"));
        let (entry, _) = entry.split_once("[[package]]").unwrap_or((entry, ""));
        assert!(
            entry.contains(&format!("checksum = \"{content}\"")),
            "{name} {version}"
        );
        hashed += 1;
    }
    assert!(hashed > 50, "only {hashed} packages have a checksum");
    // The same lock file gives the same document, wherever it is made.
    assert_eq!(document, sbom::document().unwrap());
    let root = workspace::root();
    assert!(
        !document.to_string().contains(root.to_str().unwrap()),
        "the document names a folder of this machine"
    );
}

#[test]
fn every_build_is_locked() {
    let mut found = 0;
    for file in ["Makefile", "deploy/Containerfile"] {
        let text = std::fs::read_to_string(workspace::root().join(file)).unwrap();
        let text = text.replace("\\\n", " ");
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            for verb in ["build", "test", "run", "bench", "clippy", "doc"] {
                if let Some((_, rest)) = line.split_once(&format!("cargo {verb} ")) {
                    assert!(rest.contains("--locked"), "{file}: {line}");
                    found += 1;
                }
            }
        }
    }
    assert!(found > 6, "only {found} builds were looked at");
}
