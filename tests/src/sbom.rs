//! The bill of materials of the program: CycloneDX 1.5, made from what Cargo resolves and `Cargo.lock` pins.
//!
//! Of the program `rotation` alone: what only tests need is not in it. The same lock file gives the same document.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::workspace;

/// The package of the program.
const PROGRAM: &str = "rotation-service";

/// Makes the document.
///
/// # Errors
///
/// When Cargo fails, or the lock file does not go with the manifests.
pub fn document() -> Result<Value> {
    let metadata = metadata()?;
    let checksums = checksums()?;
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let program = packages
        .values()
        .find(|package| package["name"] == PROGRAM)
        .with_context(|| format!("no package {PROGRAM}"))?;
    let graph = graph(&metadata);
    let reached = reach(&graph, text(program, "id"));
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &reached {
        let package = packages
            .get(id)
            .with_context(|| format!("no package {id}"))?;
        if id != &text(program, "id") {
            components.push(component(package, "library", &checksums));
        }
        let mut needs: Vec<String> = graph[id]
            .iter()
            .filter_map(|need| Some(purl(packages.get(need)?)))
            .collect();
        if let Some(bundled) = bundled(package) {
            needs.push(text(&bundled, "purl").to_owned());
            components.push(bundled.clone());
            dependencies.push(json!({"ref": bundled["purl"], "dependsOn": []}));
        }
        needs.sort();
        dependencies.push(json!({"ref": purl(package), "dependsOn": needs}));
    }
    components.sort_by_key(|component| text(component, "purl").to_owned());
    dependencies.sort_by_key(|entry| text(entry, "ref").to_owned());
    let mut subject = component(program, "application", &checksums);
    subject["name"] = json!("rotation");
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": subject},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn metadata() -> Result<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            &platform,
        ])
        .current_dir(workspace::root())
        .output()?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// SHA-256 of each package as it was downloaded, by name and version.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table =
        std::fs::read_to_string(workspace::root().join("Cargo.lock"))?.parse()?;
    let packages = lock["package"]
        .as_array()
        .context("Cargo.lock lists no packages")?;
    let entry = |package: &toml::Value| {
        let field = |name: &str| package.get(name)?.as_str().map(str::to_owned);
        Some(((field("name")?, field("version")?), field("checksum")?))
    };
    Ok(packages.iter().filter_map(entry).collect())
}

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// What each package needs to be built and run; what its tests need is left out.
fn graph(metadata: &Value) -> Graph<'_> {
    let is_needed = |need: &&Value| list(&need["dep_kinds"]).any(|kind| kind["kind"] != "dev");
    list(&metadata["resolve"]["nodes"])
        .filter_map(|node| {
            let needs = list(&node["deps"])
                .filter(is_needed)
                .filter_map(|need| need["pkg"].as_str());
            Some((node["id"].as_str()?, needs.collect()))
        })
        .collect()
}

fn reach<'a>(graph: &Graph<'a>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(graph.get(id).into_iter().flatten());
        }
    }
    reached
}

fn component(package: &Value, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": name,
        "version": version,
        "purl": purl(package),
    });
    if let Some(licence) = package["license"].as_str() {
        // A slash is the old way to write OR.
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

/// The C library that a package brings along, as its version says.
fn bundled(package: &Value) -> Option<Value> {
    let (_, version) = text(package, "version").split_once('+')?;
    let purl = format!("pkg:github/confluentinc/librdkafka@v{version}");
    (package["name"] == "rdkafka-sys").then(|| {
        json!({
            "type": "library",
            "bom-ref": purl,
            "name": "librdkafka",
            "version": version,
            "purl": purl,
            "licenses": [{"expression": "BSD-2-Clause"}],
        })
    })
}

fn purl(package: &Value) -> String {
    // In a package URL a plus sign would be a blank.
    format!(
        "pkg:cargo/{}@{}",
        text(package, "name"),
        text(package, "version").replace('+', "%2B")
    )
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
