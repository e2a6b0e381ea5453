//! Bounds of every reader: just within is read, just beyond is an error that says the bound; and the table of them in
//! `docs/INPUT.md` says what the constants say.

use flate2::Compression;
use flate2::write::GzEncoder;
use rotation_engine::detector::expression::{BRACKETS_MAX, Condition, LENGTH_MAX, OPERATORS_MAX};
use rotation_engine::plan::{RULES_MAX, SERIES_MAX};
use rotation_service::config::{Config, FAULTS_MAX, FILE_BYTES_MAX, UNIVERSES_MAX};
use rotation_service::files::{self, EXPANSION_MAX, FIELDS_MAX, LINE_BYTES_MAX, OpenOptions};
use rotation_tests::{fuzzing, workspace};
use rotation_wire::alerts::{AlertEvent, EVENT_MAX};
use rotation_wire::state::{
    CHUNK_BYTES, CHUNKS_MAX, Gathered, HEAD_MAX, Head, SnapshotRef, encode_head,
};
use rotation_wire::{bars, input};
use std::io::Write;
use std::path::Path;

fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn records_of_every_topic_have_a_bound() {
    let heartbeat = br#"{"type":"heartbeat","time":1}"#;
    let padded = |bytes: usize| {
        let mut record = heartbeat.to_vec();
        record.resize(bytes, b' ');
        record
    };
    assert!(input::decode(&padded(input::RECORD_MAX)).is_ok());
    let error = input::decode(&padded(input::RECORD_MAX + 1)).unwrap_err();
    assert_says(&error.to_string(), &["65536", "65537"]);

    let config = Config::parse(fuzzing::CONFIG, "rules.toml").unwrap();
    let plan = &config.universes[0];
    let horizon =
        br#"{"type":"horizon","source":0,"offset":1,"sources":1,"progress":"empty","digest":"0"}"#;
    let padded = |bytes: usize| {
        let mut record = horizon.to_vec();
        record.resize(bytes, b' ');
        record
    };
    assert!(bars::decode(plan, &padded(bars::RECORD_MAX)).is_ok());
    let error = bars::decode(plan, &padded(bars::RECORD_MAX + 1)).unwrap_err();
    assert_says(&error.to_string(), &["65536", "65537"]);

    let error = AlertEvent::decode(&vec![b' '; EVENT_MAX + 1]).unwrap_err();
    assert_says(&error.to_string(), &["1048576", "1048577"]);
}

#[test]
fn what_nests_deeply_is_refused_and_does_not_end_the_process() {
    let deep = "[".repeat(60_000);
    for record in [
        format!("{{\"price\":{deep}"),
        format!("{{\"other\":{deep}"),
        format!(
            "{{\"symbol\":\"A\",\"time\":1,\"price\":1,\"x\":{}1{}}}",
            "{\"a\":".repeat(9_000),
            "}".repeat(9_000)
        ),
    ] {
        // A field that nobody asks for is passed over without nesting.
        match input::decode(record.as_bytes()) {
            Ok(read) => assert!(record.ends_with('}'), "{read:?}"),
            Err(error) => assert!(!error.message.is_empty()),
        }
        assert!(AlertEvent::decode(record.as_bytes()).is_err());
    }
    let evidence = format!("{{\"data\":{{\"evidence\":{}", "{\"a\":".repeat(100_000));
    assert!(AlertEvent::decode(evidence.as_bytes()).is_err());
    for state in [
        vec![0x81; 1 << 20],
        vec![0xa1; 1 << 20],
        [0x9f, 0xbf].repeat(1 << 19),
    ] {
        (fuzzing::find("sampler_state").check)(&state);
        (fuzzing::find("universe_state").check)(&state);
    }
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("a = {}", "{b=".repeat(100_000)),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        format!("[universe.us.rules.x]\nkind = {}", "[".repeat(100_000)),
    ] {
        let error = Config::parse(&text, "rules.toml").unwrap_err();
        assert_says(&error.to_string(), &["rules.toml"]);
    }
}

#[test]
fn conditions_are_bounded_before_they_are_parsed() {
    for (text, says) in [
        (format!("true{}", " ".repeat(LENGTH_MAX)), "4096 characters"),
        (
            "(".repeat(BRACKETS_MAX + 1),
            "64 brackets that open, found 65",
        ),
        (
            "-".repeat(OPERATORS_MAX + 1),
            "512 characters of operators, found 513",
        ),
    ] {
        assert_says(&Condition::new(&text).unwrap_err(), &[says]);
    }
    let links = (OPERATORS_MAX - 1) / 2;
    for deep in [
        format!(
            "{}true{}",
            "(".repeat(BRACKETS_MAX),
            ")".repeat(BRACKETS_MAX)
        ),
        format!(
            "{}true{}",
            "!(".repeat(BRACKETS_MAX),
            ")".repeat(BRACKETS_MAX)
        ),
        format!("{}1{}", "[".repeat(BRACKETS_MAX), "]".repeat(BRACKETS_MAX)),
        format!(
            "{}1{}",
            "{1:".repeat(BRACKETS_MAX),
            "}".repeat(BRACKETS_MAX)
        ),
        format!("{}true", "!".repeat(OPERATORS_MAX)),
        format!("1{}", "+1".repeat(OPERATORS_MAX)),
        format!("a{}", ".a".repeat(OPERATORS_MAX)),
        format!("true{}", "&&true".repeat(links)),
        format!("{}true", "true?true:".repeat(links)),
        format!("1{}", "==1".repeat(links)),
        format!("{}1{}", "(-".repeat(BRACKETS_MAX), ")".repeat(BRACKETS_MAX)),
    ] {
        (fuzzing::find("condition").check)(deep.as_bytes());
    }
    let once = "[1,2].all(x, x > 0)";
    assert!(Condition::new(once).is_ok());
    assert!(Condition::new("[1,2].map(x, x).all(x, x > 0)").is_ok());
    for twice in [
        "[1,2].all(x, [1,2].all(y, x > y))",
        "[1,2].map(x, {1: [1].map(y, y)}) == [1]",
        "[1,2].exists(x, size([3].filter(y, y > x)) > 0)",
    ] {
        assert_says(&Condition::new(twice).unwrap_err(), &["inside of another"]);
    }
}

#[test]
fn a_configuration_has_bounds() {
    let large = format!("{}\n#{}", fuzzing::CONFIG, " ".repeat(FILE_BYTES_MAX));
    let error = Config::parse(&large, "rules.toml").unwrap_err();
    assert_says(&error.to_string(), &["rules.toml", "at most 4194304 bytes"]);

    let many: String = (0..=UNIVERSES_MAX)
        .map(|at| format!("[universe.u{at}]\n"))
        .collect();
    let error = Config::parse(&many, "rules.toml").unwrap_err();
    assert_says(&error.to_string(), &["at most 64 universes", "found 65"]);

    let many: String = (0..=SERIES_MAX).map(|at| format!("S{at}={{}}\n")).collect();
    let text = fuzzing::CONFIG.replace("LEAD = {}", &format!("LEAD = {{}}\n{many}"));
    let error = Config::parse(&text, "rules.toml").unwrap_err();
    assert_says(&error.to_string(), &["universe.us.series", "100000 series"]);

    let rule = "kind = \"relative_streak\"\nleader = \"LEAD\"\nlaggard = \"LAG\"\nopen_at = 2\n";
    let many: String = (0..=RULES_MAX)
        .map(|at| format!("[universe.us.rules.r{at}]\n{rule}"))
        .collect();
    let text = format!("[universe.us.series]\nLEAD = {{}}\nLAG = {{}}\n{many}");
    let error = Config::parse(&text, "rules.toml").unwrap_err();
    assert_says(
        &error.to_string(),
        &["universe.us.rules", "at most 2000 rules", "2001"],
    );

    let faulty: String = (0..2_000).map(|at| format!("x{at} = 1\n")).collect();
    let error = Config::parse(&faulty, "rules.toml").unwrap_err();
    assert_eq!(error.errors.len(), FAULTS_MAX + 1);
    assert_says(&error.to_string(), &["more faults"]);

    let folder = tempfile::tempdir().unwrap();
    let members = folder.path().join("members.csv");
    std::fs::write(
        &members,
        format!("symbol\n{}", "LEAD\n".repeat(FILE_BYTES_MAX / 5 + 1)),
    )
    .unwrap();
    let group = "[universe.us.groups.all]\nfile = \"members.csv\"\n";
    let text = format!("{}\n{group}", fuzzing::CONFIG);
    let file = folder.path().join("rules.toml");
    let error = Config::parse(&text, &file.display().to_string()).unwrap_err();
    assert_says(
        &error.to_string(),
        &["groups.all.file", "at most 4194304 bytes"],
    );

    std::fs::write(&file, &large).unwrap();
    let error = Config::load(&file).unwrap_err();
    assert_says(&error.to_string(), &["rules.toml", "at most 4194304 bytes"]);

    let long = fuzzing::CONFIG.replace("window = 10", "window = 1000000000");
    let error = Config::parse(&long, "rules.toml").unwrap_err();
    assert_says(
        &error.to_string(),
        &["rules.toml:", "spike.window", "1000000000"],
    );
}

fn fault(bytes: Vec<u8>) -> String {
    let source = match files::read(Path::new("F.csv"), bytes, &OpenOptions::default()) {
        Ok(source) => source,
        Err(error) => return error.to_string(),
    };
    let faults = source
        .filter_map(Result::err)
        .map(|error| format!("{error}: {:?}", error.fault));
    faults.collect::<Vec<_>>().join("\n")
}

#[test]
fn files_have_bounds() {
    let day = "2026-01-05,1\n";
    let long = format!("date,close\n{}\n{day}", "1".repeat(LINE_BYTES_MAX + 1));
    assert_says(
        &fault(long.into_bytes()),
        &["F.csv:2:", "longer than 1048576 bytes"],
    );
    let record = format!(
        "{{\"time\":1}}\n{{\"x\":\"{}\"}}\n",
        "1".repeat(LINE_BYTES_MAX)
    );
    assert_says(
        &fault(record.into_bytes()),
        &["F.csv:2:", "longer than 1048576 bytes"],
    );

    let wide = |columns: usize| format!("date{}\n", ",A".repeat(columns)).into_bytes();
    assert_eq!(fault(wide(FIELDS_MAX - 1)), "");
    assert_says(
        &fault(wide(FIELDS_MAX)),
        &["F.csv:", "more than 100001 fields"],
    );

    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(b"date,close\n").unwrap();
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..80 {
        bomb.write_all(&zeros).unwrap();
    }
    let said = fault(bomb.finish().unwrap());
    assert_says(
        &said,
        &["F.csv:2:", &format!("more than {EXPANSION_MAX} times")],
    );
}

#[test]
fn snapshots_have_bounds() {
    let head = |chunks| Head {
        version: 1,
        offset: 0,
        timestamp: None,
        commit: 1,
        snapshot: Some(SnapshotRef {
            id: 1,
            offset: 0,
            chunks,
        }),
        decisions: Vec::new(),
    };
    let chunk = |bytes: usize| [&1_u64.to_be_bytes()[..], &vec![0; bytes]].concat();
    let assembled = |head: &[u8], chunks: &[(&str, Vec<u8>)]| {
        let mut gathered = Gathered::default();
        gathered.take(b"s/0/head", Some(head));
        for (key, value) in chunks {
            gathered.take(key.as_bytes(), Some(value));
        }
        gathered.assemble("s", 0).map(|found| found.is_some())
    };
    let whole = [("s/0/part/a/0", chunk(CHUNK_BYTES))];
    assert_eq!(assembled(&encode_head(&head(1)), &whole), Ok(true));
    let large = [("s/0/part/a/0", chunk(CHUNK_BYTES + 1))];
    assert_says(
        &assembled(&encode_head(&head(1)), &large).unwrap_err(),
        &["chunk 0", "\"a\"", "524288"],
    );
    let gap = [("s/0/part/a/0", chunk(1)), ("s/0/part/a/2", chunk(1))];
    assert_says(
        &assembled(&encode_head(&head(2)), &gap).unwrap_err(),
        &["lacks chunk 1", "\"a\""],
    );
    let many = assembled(&encode_head(&head(CHUNKS_MAX + 1)), &whole);
    assert_says(&many.unwrap_err(), &["16385 chunks", "at most 16384"]);
    let mut padded = encode_head(&head(1));
    padded.resize(HEAD_MAX + 1, b' ');
    assert_says(
        &assembled(&padded, &whole).unwrap_err(),
        &["1048577 bytes", "at most 1048576"],
    );
}

/// The table says each bound as a person reads it.
#[test]
fn the_documented_bounds_are_those_of_the_program() {
    let text = std::fs::read_to_string(workspace::root().join("docs/INPUT.md")).unwrap();
    let (_, section) = text
        .split_once("\n## Bounds\n")
        .expect("a section of bounds");
    let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    for (what, bound) in [
        ("an input record", kib(input::RECORD_MAX)),
        ("a record of the bars log", kib(bars::RECORD_MAX)),
        ("an alert event", mib(EVENT_MAX)),
        ("a head on the state topic", mib(HEAD_MAX)),
        ("a chunk of a snapshot", kib(CHUNK_BYTES)),
        ("chunks of a snapshot", CHUNKS_MAX.to_string()),
        (
            "a configuration, and a file that it names",
            mib(FILE_BYTES_MAX),
        ),
        ("universes of a configuration", UNIVERSES_MAX.to_string()),
        ("series of a universe", SERIES_MAX.to_string()),
        ("rules of a universe", RULES_MAX.to_string()),
        ("faults told of a configuration", FAULTS_MAX.to_string()),
        ("characters of a condition", LENGTH_MAX.to_string()),
        ("brackets of a condition", BRACKETS_MAX.to_string()),
        (
            "characters of operators in a condition",
            OPERATORS_MAX.to_string(),
        ),
        ("a line of a file", mib(LINE_BYTES_MAX)),
        ("columns of a file", FIELDS_MAX.to_string()),
        ("times that a gzip file expands", EXPANSION_MAX.to_string()),
    ] {
        assert!(
            section.contains(&format!("| {what} | {bound} |")),
            "{what}: {bound}"
        );
    }
}
