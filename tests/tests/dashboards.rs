//! The shipped Grafana dashboards: as their source makes them, of the types that Grafana publishes, and sound.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rotation_service::metrics::{MetricDoc, NAMES};
use rotation_service::notify;
use rotation_tests::prometheus::dashboards;
use rotation_tests::{skipped, workspace};
use serde_json::Value;

/// The metrics of the service and of the notifier.
fn all() -> impl Iterator<Item = &'static MetricDoc> {
    NAMES.iter().chain(notify::NAMES)
}

fn folder() -> PathBuf {
    workspace::root().join("deploy/grafana")
}

/// Node's packages of the dashboards' source; none where there is no Node, or they were not fetched.
fn packages() -> Option<PathBuf> {
    let packages = folder().join("node_modules");
    let has_node = Command::new("node")
        .arg("--version")
        .output()
        .is_ok_and(|found| found.status.success());
    if has_node && packages.join("typescript/bin/tsc").is_file() {
        return Some(packages);
    }
    skipped::skip("no Node, or not its packages: `make node` fetches them");
    None
}

/// A program of Node's, run where it finds the packages.
fn node(packages: &Path, args: &[&Path]) -> Output {
    Command::new("node")
        .args(args)
        .env("NODE_PATH", packages)
        .current_dir(folder())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

/// The programs that the source is, compiled.
fn compiled(packages: &Path) -> tempfile::TempDir {
    let programs = tempfile::tempdir().unwrap();
    let compiler = packages.join("typescript/bin/tsc");
    let to = [Path::new("--outDir"), programs.path()];
    let output = node(packages, &[&compiler, to[0], to[1]]);
    assert!(output.status.success(), "tsc: {}", text(&output));
    programs
}

#[test]
fn dashboards_are_what_their_source_makes() {
    let Some(packages) = packages() else { return };
    let programs = compiled(&packages);
    let made = tempfile::tempdir().unwrap();
    let output = node(&packages, &[&programs.path().join("main.js"), made.path()]);
    assert!(output.status.success(), "main.js: {}", text(&output));
    let listed = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
        files
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, fs::read(file.path()).unwrap())
            })
            .collect()
    };
    let (committed, made) = (listed(&folder().join("dashboards")), listed(made.path()));
    assert_eq!(
        committed.keys().collect::<Vec<_>>(),
        made.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in made {
        assert!(
            committed[&name] == bytes,
            "deploy/grafana/dashboards/{name} is not what its source makes: run `make dashboards`"
        );
    }
}

#[test]
fn dashboards_are_of_the_types_that_grafana_publishes() {
    let Some(packages) = packages() else { return };
    let programs = compiled(&packages);
    let check = |file: &Path| {
        let program = programs.path().join("check.js");
        node(&packages, &[&program, &folder().join("src"), file])
    };
    for (name, dashboard) in dashboards().unwrap() {
        let file = folder().join("dashboards").join(&name);
        let output = check(&file);
        assert!(output.status.success(), "{name}: {}", text(&output));

        // Each of these is refused, so that the check is known to look.
        let spoilt: [(&str, Value); 4] = [
            ("/panels/1/type", "no-such-panel".into()),
            ("/panels/1/options/colorMode", "no-such-mode".into()),
            ("/panels/1/gridPos/w", "wide".into()),
            ("/templating/list/0/type", "no-such-variable".into()),
        ];
        let scratch = tempfile::tempdir().unwrap();
        for (place, value) in spoilt {
            let mut other = dashboard.clone();
            *other.pointer_mut(place).unwrap() = value;
            let file = scratch.path().join(&name);
            fs::write(&file, other.to_string()).unwrap();
            let output = check(&file);
            assert!(!output.status.success(), "{name}: {place} was spoilt");
        }
    }
}

#[test]
fn the_types_are_of_the_grafana_that_is_deployed() {
    let packages: Value =
        serde_json::from_str(&fs::read_to_string(folder().join("package.json")).unwrap()).unwrap();
    let types = packages["devDependencies"]["@grafana/schema"].as_str();
    let compose = fs::read_to_string(workspace::root().join("deploy/compose.yaml")).unwrap();
    let image = format!("docker.io/grafana/grafana:{}\n", types.unwrap());
    assert!(compose.contains(&image), "compose does not run {image}");
}

/// The panels with what they are called, rows among them.
fn panels(dashboard: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let panels = dashboard["panels"].as_array().unwrap();
    panels
        .iter()
        .map(|panel| (panel["title"].as_str().unwrap(), panel))
}

#[test]
fn panels_have_their_own_number_and_place_and_say_what_they_show() {
    for (file, dashboard) in dashboards().unwrap() {
        let mut ids = BTreeSet::new();
        let mut taken: BTreeMap<(u64, u64), &str> = BTreeMap::new();
        for (title, panel) in panels(&dashboard) {
            let place = format!("{file}: {title}");
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{place}: its id is taken"
            );
            let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
            assert!(side("x") + side("w") <= 24, "{place}: wider than the page");
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    if let Some(other) = taken.insert((x, y), title) {
                        panic!("{place} covers {other}");
                    }
                }
            }
            if panel["type"] != "row" {
                let description = panel["description"].as_str().unwrap();
                assert!(!description.is_empty(), "{place}: no description");
                assert!(!panel["targets"].as_array().unwrap().is_empty(), "{place}");
            }
        }
        let height = taken.keys().map(|(_, y)| y + 1).max().unwrap();
        let below = |row: u64| (0..24).any(|x| taken.contains_key(&(x, row)));
        assert!((0..height).all(below), "{file} has an empty line");
    }
}

/// Everything in a document that is called so.
fn named<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(name));
            for inner in fields.values() {
                named(inner, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, name, found)),
        _ => {}
    }
}

#[test]
fn the_data_source_is_a_choice_whose_first_is_provisioned() {
    let sources = folder().join("provisioning/datasources/prometheus.yml");
    let sources: Value = serde_saphyr::from_str(&fs::read_to_string(sources).unwrap()).unwrap();
    for (file, dashboard) in dashboards().unwrap() {
        let mut used = Vec::new();
        named(&dashboard, "datasource", &mut used);
        assert!(used.len() > 20, "{file} has few questions");
        for source in used {
            assert_eq!(source["uid"], "${datasource}", "{file}");
            assert_eq!(source["type"], "prometheus", "{file}");
        }
        let first = &dashboard["templating"]["list"][0];
        assert_eq!(first["type"], "datasource");
        assert_eq!(first["current"]["value"], sources["datasources"][0]["uid"]);
        assert_eq!(first["current"]["text"], sources["datasources"][0]["name"]);
    }
}

/// Names after a dollar sign, but for those that Grafana has itself.
fn variables_used(text: &str) -> BTreeSet<String> {
    let names = text.split('$').skip(1).map(|rest| {
        let rest = rest.trim_start_matches('{');
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    names
        .filter(|name| !name.is_empty() && !name.starts_with("__"))
        .collect()
}

#[test]
fn every_variable_is_used_and_every_one_used_is_there() {
    for (file, dashboard) in dashboards().unwrap() {
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let there: BTreeSet<String> = variables
            .iter()
            .map(|variable| variable["name"].as_str().unwrap().to_owned())
            .collect();
        let mut elsewhere = dashboard.clone();
        let own = elsewhere.as_object_mut().unwrap().remove("templating");
        let used = variables_used(&elsewhere.to_string());
        assert_eq!(used, there, "{file}");
        for name in variables_used(&own.unwrap().to_string()) {
            assert!(there.contains(&name), "{file}: no variable {name}");
        }
    }
}

/// The anchors of a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.trim().to_lowercase())
    });
    headings.map(|heading| heading.replace(' ', "-")).collect()
}

#[test]
fn links_lead_to_the_runbook_the_page_and_the_other_dashboard() {
    let runbook = fs::read_to_string(workspace::root().join("docs/RUNBOOK.md")).unwrap();
    let anchors = anchors(&runbook);
    let all = dashboards().unwrap();
    let uids: Vec<&str> = all
        .iter()
        .map(|(_, dashboard)| dashboard["uid"].as_str().unwrap())
        .collect();
    for (file, dashboard) in &all {
        assert_eq!(
            *file,
            format!("{}.json", dashboard["uid"].as_str().unwrap())
        );
        let mut urls = Vec::new();
        named(dashboard, "url", &mut urls);
        let (mut runbooks, mut views, mut others) = (0, 0, 0);
        for url in urls.iter().map(|url| url.as_str().unwrap()) {
            if let Some(anchor) = url.strip_prefix("${runbook}#") {
                assert!(anchors.contains(anchor), "{file}: no heading for {url}");
                runbooks += 1;
            } else if let Some(view) = url.strip_prefix("${page}/#/") {
                let view = view.split('?').next().unwrap();
                let known = ["now", "map", "rules", "history"];
                assert!(known.contains(&view), "{file}: the page has no {view}");
                views += 1;
            } else if let Some(uid) = url.strip_prefix("/d/") {
                let is_other = uids.contains(&uid) && dashboard["uid"] != uid;
                assert!(is_other, "{file}: no other dashboard is {uid}");
                others += 1;
            } else {
                panic!("{file} links to {url}");
            }
        }
        assert!(runbooks > 1 && views > 0 && others == 1, "{file}");
    }
}

#[test]
fn legends_name_labels_that_exist() {
    let mut known: BTreeSet<&str> = all()
        .flat_map(|metric| metric.labels.iter().copied())
        .collect();
    known.insert("instance");
    for (file, dashboard) in dashboards().unwrap() {
        for legend in dashboard.to_string().split("{{").skip(1) {
            let label = legend.split("}}").next().unwrap();
            assert!(
                known.contains(label),
                "{file}: a legend names a label {label}"
            );
        }
    }
}

#[test]
fn compose_shows_a_dashboard_that_there_is() {
    let compose = fs::read_to_string(workspace::root().join("deploy/compose.yaml")).unwrap();
    let (_, home) = compose.split_once("HOME_DASHBOARD_PATH: ").unwrap();
    let home = Path::new(home.lines().next().unwrap());
    let name = home.file_name().unwrap();
    assert!(folder().join("dashboards").join(name).is_file());
    let provider = fs::read_to_string(folder().join("provisioning/dashboards/rotation.yml"));
    let path = format!("path: {}", home.parent().unwrap().display());
    assert!(provider.unwrap().contains(&path), "nothing provides {path}");
}
