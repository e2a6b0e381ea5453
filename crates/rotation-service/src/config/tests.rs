//! Shipped examples parse, wrong files are told what is wrong, and the manual is in step with the code.

use super::*;
use std::fs;
use std::path::PathBuf;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "no .{extension} in {}", folder.display());
    files
}

/// Holds `text` against a file; rewrites the file instead where `UPDATE_DOCS` is set.
fn check_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "{} is out of step; run with UPDATE_DOCS=1; expected:\n{text}",
        path.display()
    );
}

#[test]
fn shipped_examples_are_valid() {
    for file in files(&root().join("config"), "toml") {
        let config = Config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!describe(&config).is_empty());
    }
}

#[test]
fn wrong_files_are_told_what_is_wrong() {
    for file in files(&root().join("crates/rotation-service/tests/config"), "toml") {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let errors = Config::parse(&text, name).expect_err(name);
        check_file(&file.with_extension("txt"), &format!("{errors}\n"));
    }
}

#[test]
fn the_manual_is_in_step() {
    check_file(&root().join("docs/CONFIGURATION.md"), &reference());
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = Config::load(Path::new("/nowhere/rotation.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/nowhere/rotation.toml: cannot read the file: "),
        "{error}"
    );
}

const MINIMAL: &str = r#"
    [universe.us.series]
    RUT = {}
    GSPC = {}
    [universe.us.rules.streak]
    kind = "relative_streak"
    leader = "RUT"
    laggard = "GSPC"
"#;

#[test]
fn what_is_left_out_gets_the_documented_defaults() {
    let config = Config::parse(MINIMAL, "minimal").unwrap();
    assert_eq!(config.kafka.brokers, ["localhost:9092"]);
    assert_eq!(config.kafka.group, "rotation");
    assert_eq!(config.kafka.topics, Topics::default());
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.universe("us").unwrap().lateness, 30_000_000_000);
}

#[test]
fn a_rule_version_follows_from_kind_clock_and_parameters_alone() {
    let version = |text: &str| {
        Config::parse(text, "").unwrap().universes[0].rules[0]
            .version
            .clone()
    };
    let base = version(MINIMAL);
    assert_eq!(
        version(&format!("{MINIMAL}\nopen_at = 5\nclock = \"session\"")),
        base,
        "defaults spelt out"
    );
    assert_eq!(
        version(&format!("{MINIMAL}\nseverity = {{ opened = \"warning\" }}")),
        base,
        "severity"
    );
    assert_ne!(
        version(&format!("{MINIMAL}\nopen_at = 6")),
        base,
        "a parameter"
    );
}

#[test]
fn secrets_are_fetched_late_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    fs::write(&secret, "hunter2\n").unwrap();
    let text = format!(
        "{MINIMAL}\n[kafka.properties]\n\"sasl.password\" = {{ file = {secret:?} }}\n\"ssl.key.password\" = \"hunter2\"\n\
         \"sasl.username\" = {{ env = \"PATH\" }}\n\"fetch.wait.max.ms\" = 5"
    );
    let config = Config::parse(&text, "secrets").unwrap();
    for shown in [
        format!("{config:?}"),
        describe(&config),
        config.kafka.properties.to_string(),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("fetch.wait.max.ms"), "{shown}");
    }
    let resolved = config.kafka.properties.resolve().unwrap();
    assert_eq!(resolved["sasl.password"], "hunter2");
    assert_eq!(resolved["ssl.key.password"], "hunter2");
    assert_eq!(resolved["fetch.wait.max.ms"], "5");
    assert_eq!(resolved["sasl.username"], std::env::var("PATH").unwrap());

    let unset = format!(
        "{MINIMAL}\n[kafka.properties]\n\"sasl.password\" = {{ env = \"ROTATION_TEST_UNSET\" }}"
    );
    let error = Config::parse(&unset, "")
        .unwrap()
        .kafka
        .properties
        .resolve()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "kafka.properties.\"sasl.password\": expected the environment variable ROTATION_TEST_UNSET to be set"
    );
}

#[test]
fn the_schema_names_every_key_that_is_read() {
    let schema = schema();
    let rule = &schema["properties"]["universe"]["additionalProperties"]["properties"]["rules"]["additionalProperties"];
    for one in rule["oneOf"].as_array().unwrap() {
        let kind = one["properties"]["kind"]["const"].as_str().unwrap();
        for key in universe::parameter_names(kind)
            .iter()
            .chain(reader::field_names::<rotation_engine::plan::RuleCommon>())
        {
            assert!(one["properties"].get(key).is_some(), "{kind} lacks {key}");
        }
    }
}

#[test]
fn shipped_examples_are_valid_against_the_whole_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let config = serde_json::to_value(table).unwrap();
        if let Err(error) = validator.validate(&config) {
            panic!("{}: {error} at {}", path.display(), error.instance_path);
        }
        seen += 1;
    }
    assert!(seen > 0, "no example was found");
    assert!(validator.is_valid(&config_with_notify_key("targets")));
    let misspelt = config_with_notify_key("tagets");
    assert!(!validator.is_valid(&misspelt), "{misspelt}");
}

fn config_with_notify_key(key: &str) -> serde_json::Value {
    let text = format!("{MINIMAL}\n[notify]\n{key} = {{}}");
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}
