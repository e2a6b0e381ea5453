//! The documents say what is so: commands, flags, paths, tests, metrics, codes, fields, runbook entries.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Command, CommandFactory};
use rotation_engine::alert::State;
use rotation_engine::detector::Kind;
use rotation_engine::detector::regime;
use rotation_engine::output::{DropCode, RejectCode};
use rotation_service::cli::Cli;
use rotation_service::metrics::{MetricDoc, NAMES};
use rotation_service::notify;
use rotation_tests::prometheus::rule_files;
use rotation_tests::workspace;

use super::markdown::{anchors, blocks, links, prose, spans};
use super::{expect_none, files, read};

fn pages() -> Vec<(String, String)> {
    files(".md")
}

/// Lines of the fenced blocks of a page that a shell would run.
fn shell_lines(text: &str) -> Vec<String> {
    blocks(text)
        .into_iter()
        .filter(|(language, _)| language == "sh")
        .flat_map(|(_, lines)| lines)
        .collect()
}

/// Command lines in blocks and in sentences.
fn commands(text: &str, program: &str) -> Vec<Vec<String>> {
    let lines = shell_lines(text).into_iter().chain(spans(text));
    lines
        .map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|words| words.first().is_some_and(|word| word == program) && words.len() > 1)
        .collect()
}

fn long_flags(command: &Command) -> BTreeSet<String> {
    let mut command = command.clone();
    command.build();
    command
        .get_arguments()
        .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
        .collect()
}

#[test]
fn the_readme_has_two_commands_to_set_up_with_each_on_its_own() {
    let readme = read("README.md");
    let (_, set_up) = readme.split_once("## Set up").unwrap();
    let (set_up, _) = set_up.split_once("\n## ").unwrap();
    let set_up: Vec<Vec<String>> = blocks(set_up).into_iter().map(|(_, lines)| lines).collect();
    assert_eq!(set_up, [["make demo"], ["make test"]]);
}

#[test]
fn make_targets_exist() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .collect();
    let mut faults = Vec::new();
    for (path, text) in pages() {
        for words in commands(&text, "make") {
            if !targets.contains(words[1].as_str()) {
                faults.push(format!("{path}: {}", words.join(" ")));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn commands_and_their_flags_exist() {
    let cli = Cli::command();
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in pages() {
        for words in commands(&text, "rotation") {
            let shown = words.join(" ");
            let Some(command) = cli.find_subcommand(&words[1]) else {
                faults.push(format!("{path}: {shown}: no such command"));
                continue;
            };
            seen.insert(command.get_name().to_owned());
            let known = long_flags(command);
            let given = words.iter().filter(|word| word.starts_with("--"));
            let given = given.map(|word| word.split('=').next().unwrap().to_owned());
            faults.extend(
                given
                    .filter(|flag| !known.contains(flag))
                    .map(|flag| format!("{path}: {shown}: no {flag}")),
            );
        }
    }
    expect_none(&faults);
    let all: BTreeSet<String> = cli
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let untold: Vec<_> = all
        .difference(&seen)
        .filter(|name| !["help", "completions"].contains(&name.as_str()))
        .collect();
    assert!(untold.is_empty(), "no page shows {untold:?}");
}

#[test]
fn flags_in_sentences_exist() {
    let known: BTreeSet<String> = Cli::command()
        .get_subcommands()
        .flat_map(long_flags)
        .collect();
    // The programs of `examples` have flags of their own, the same in each.
    let subscriber = read("examples/python/subscriber.py");
    let mut faults = Vec::new();
    for (path, text) in pages() {
        let flags = spans(&text)
            .into_iter()
            .filter(|span| span.starts_with("--"));
        for flag in flags {
            let name = flag.split([' ', '=']).next().unwrap().to_owned();
            let is_own =
                path.starts_with("examples/") && subscriber.contains(&format!("\"{name}\""));
            if !known.contains(&name) && !is_own {
                faults.push(format!("{path}: {name}"));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn exit_codes_and_examples_of_the_command_line_are_shown() {
    for command in Cli::command()
        .get_subcommands()
        .filter(|command| command.get_name() != "completions")
    {
        let help = command.clone().render_long_help().to_string();
        let is_told = help.contains("Exit codes:") || help.contains("Examples:");
        assert!(
            is_told,
            "rotation {} --help has neither examples nor exit codes",
            command.get_name()
        );
    }
}

#[test]
fn linked_pages_and_headings_exist() {
    let mut faults = Vec::new();
    for (path, text) in pages() {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&text)
            .into_iter()
            .filter(|link| !link.contains("://"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => format!("{folder}/{file}")
                    .trim_start_matches('/')
                    .to_owned(),
            };
            if !workspace::root().join(&target).exists() {
                faults.push(format!("{path}: {link}"));
            } else if !anchor.is_empty()
                && !anchors(&read(&target)).iter().any(|known| known == anchor)
            {
                faults.push(format!("{path}: {link}: no such heading"));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn paths_in_sentences_exist() {
    let places = ["crates", "tests", "config", "deploy", "docs", "scripts"];
    let mut faults = Vec::new();
    for (path, text) in pages() {
        for span in spans(&text) {
            let is_path = places
                .iter()
                .any(|place| span.split('/').next() == Some(place))
                && !span.contains(' ');
            if is_path && !workspace::root().join(&span).exists() {
                faults.push(format!("{path}: {span}"));
            }
        }
    }
    expect_none(&faults);
}

#[test]
fn every_module_of_a_crate_is_on_the_map() {
    let map = read("ARCHITECTURE.md");
    let mut faults = Vec::new();
    for krate in ["engine", "wire", "sim", "service"] {
        let root = format!("crates/rotation-{krate}/src");
        let lib = read(&format!("{root}/lib.rs"));
        let modules = lib
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        let untold = modules
            .map(|module| format!("{root}/{module}.rs"))
            .filter(|module| !map.contains(module.as_str()));
        faults.extend(untold.map(|module| format!("ARCHITECTURE.md does not name {module}")));
    }
    expect_none(&faults);
}

#[test]
fn tests_that_are_named_exist() {
    let mut named = 0;
    for span in spans(&read("ARCHITECTURE.md")) {
        let Some((binary, test)) = span.split_once("::") else {
            continue;
        };
        let path = format!("tests/tests/{binary}.rs");
        if !workspace::root().join(&path).exists() {
            continue;
        }
        assert!(read(&path).contains(&format!("fn {test}(")), "{span}");
        named += 1;
    }
    assert!(named > 5, "only {named} tests are named");
}

/// The metrics of the service, then those of the notifier.
fn metrics() -> impl Iterator<Item = &'static MetricDoc> {
    NAMES.iter().chain(notify::NAMES)
}

/// What `docs/METRICS.md` has to say.
fn metrics_page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Made from the code: UPDATE_DOCS=1 cargo test -p rotation-tests --test tidy docs -->\n\n\
         What `/metrics` serves, in Prometheus' text format; that of `rotation notify` has those with its name.\n\
         Histograms add `_bucket`, `_sum` and `_count` to their name. Labels are bounded: names of the configuration,\n\
         stages, partitions, and codes of closed sets (those of records are in\n\
         [INPUT.md](INPUT.md#left-out-and-counted)). Rules and panels on them: `deploy/prometheus/rules`, `deploy/grafana`.\n\n\
         | metric | labels | |\n| --- | --- | --- |\n",
    );
    for metric in metrics() {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            metric.name,
            labels.join(", "),
            metric.help
        );
    }
    page
}

#[test]
fn the_page_of_metrics_is_in_step() {
    let path = workspace::root().join("docs/METRICS.md");
    let page = metrics_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/METRICS.md is out of step; run with UPDATE_DOCS=1"
    );
}

/// The words of a text that look like a metric, but for names of recorded series, which have colons.
fn metric_names(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '/');
    let words = text
        .split(|c| !is_part(c))
        .map(|word| word.trim_end_matches(['.', ':']));
    let plain = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    words
        .filter(|word| word.starts_with("rotation_"))
        .filter(plain)
        .map(str::to_owned)
        .collect()
}

#[test]
fn metrics_that_are_named_exist() {
    let crates =
        ["engine", "wire", "service", "sim", "tests"].map(|name| format!("rotation_{name}"));
    let is_known = |name: &str| {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        metrics().any(|metric| metric.name == name || Some(metric.name) == base)
    };
    let mut faults = Vec::new();
    let mut named = 0;
    for (path, text) in pages() {
        for name in metric_names(&text)
            .into_iter()
            .filter(|name| !crates.contains(name) && name != regime::ROTATION_AT_RISK)
        {
            named += 1;
            if !is_known(&name) {
                faults.push(format!("{path}: {name}"));
            }
        }
    }
    expect_none(&faults);
    assert!(named > NAMES.len(), "only {named} metrics are named");
}

/// Alerts of the shipped rules with their `runbook` annotations.
fn alerting_rules() -> Vec<(String, String)> {
    let mut rules = Vec::new();
    for path in rule_files().unwrap() {
        let text = std::fs::read_to_string(path).unwrap();
        let mut alert = None;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("- alert: ") {
                assert_eq!(alert, None, "this alert has no runbook");
                alert = Some(name.to_owned());
            } else if let Some(runbook) = line.strip_prefix("runbook: ") {
                rules.push((alert.take().unwrap(), runbook.trim_matches('"').to_owned()));
            }
        }
        assert_eq!(alert, None, "this alert has no runbook");
    }
    rules
}

#[test]
fn every_alerting_rule_has_its_entry_in_the_runbook() {
    let runbook = read("docs/RUNBOOK.md");
    let rules = alerting_rules();
    for (alert, place) in &rules {
        assert_eq!(
            *place,
            format!("docs/RUNBOOK.md#{}", alert.to_lowercase()),
            "{alert}"
        );
        assert!(
            anchors(&runbook).contains(&alert.to_lowercase()),
            "docs/RUNBOOK.md has no entry for {alert}"
        );
    }
    let told: BTreeSet<&str> = rules.iter().map(|(alert, _)| alert.as_str()).collect();
    let headings = prose(&runbook);
    let entries = headings
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|name| name.starts_with("Rotation"));
    let gone: Vec<&str> = entries.filter(|name| !told.contains(name)).collect();
    assert!(
        gone.is_empty(),
        "docs/RUNBOOK.md has entries without a rule: {gone:?}"
    );
}

#[test]
fn every_code_state_kind_and_rung_is_explained() {
    let (input, alerts, detectors) = (
        read("docs/INPUT.md"),
        read("docs/ALERTS.md"),
        read("docs/DETECTORS.md"),
    );
    let codes = DropCode::ALL
        .iter()
        .map(|code| code.name())
        .chain(RejectCode::ALL.iter().map(|code| code.name()));
    for code in codes {
        assert!(
            input.contains(&format!("\n| `{code}` |")),
            "docs/INPUT.md does not explain {code}"
        );
    }
    let states = [
        State::Opened,
        State::Escalated,
        State::Eased,
        State::Confirmed,
        State::Corrected,
        State::Resolved,
        State::Retracted,
    ];
    for state in states {
        assert!(
            alerts.contains(&format!("\n| `{}` |", state.name())),
            "docs/ALERTS.md lacks {}",
            state.name()
        );
    }
    for kind in Kind::NAMES {
        assert!(
            detectors.contains(&format!("\n## `{kind}`\n")),
            "docs/DETECTORS.md has no section on {kind}"
        );
    }
}

#[test]
fn every_field_of_an_alert_is_explained() {
    let page = read("docs/ALERTS.md");
    let schema = rotation_wire::schema::alert();
    let schema = serde_json::to_value(schema).unwrap();
    let fields = schema["properties"].as_object().unwrap();
    assert!(fields.len() > 20, "{schema:#}");
    for field in fields.keys() {
        assert!(
            page.contains(&format!("`{field}`")),
            "docs/ALERTS.md does not explain {field}"
        );
    }
}

#[test]
fn the_example_alert_is_one() {
    let readme = read("README.md");
    let examples: Vec<_> = blocks(&readme)
        .into_iter()
        .filter(|(language, _)| language == "json")
        .collect();
    let [(_, lines)] = examples.as_slice() else {
        panic!("one example, found {}", examples.len())
    };
    let event = rotation_wire::alerts::AlertEvent::decode(lines.join("\n").as_bytes()).unwrap();
    let alert = event.alert;
    assert_eq!(alert.id, format!("{}/{}", alert.episode, alert.transition));
    assert_eq!(alert.key(), "us/small-cap-streak/RUT/GSPC");
}
