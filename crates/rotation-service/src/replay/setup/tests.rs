use super::*;
use clap::Parser;
use rotation_engine::clock::SECOND;
use std::io::Write;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ReplayArgs,
}

fn setup(flags: &[&str]) -> Result<Setup, ReplayError> {
    let words = ["replay", "RUT.csv"]
        .into_iter()
        .chain(flags.iter().copied());
    let command = Command::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    Setup::new(&command.args, EventTime::from_nanos(1))
}

fn client(setup: Setup) -> (String, String, ClientConfig) {
    match setup.target {
        Target::Topic {
            brokers,
            topic,
            client,
            ..
        } => (brokers, topic, *client),
        Target::File(path) => panic!("expected a topic, found {}", path.display()),
    }
}

const CONFIG: &str = r#"
[kafka]
brokers = ["one:9092", "two:9092"]
topics = { ticks = "feed.ticks" }
properties = { "batch.size" = "20000", "client.id" = "desk" }

[universe.us]
calendar = "XNYS"
lateness = "45s"
closing_window = "5m"

[universe.us.series]
RUT = {}
GSPC = {}
DGS10 = { unit = "percent", calendar = "US-BOND" }

[universe.us.rules.streak]
kind = "relative_streak"
clock = "session"
leader = "RUT"
laggard = "GSPC"
open_at = 5

[universe.us.rules.yield]
kind = "level_approach"
clock = "session"
series = "DGS10"
level = 5.00
near = "10bp"
rearm = "30bp"
"#;

const OTHER: &str = r#"
[universe.world]
calendar = "24x7"
lateness = "10s"
correction_window = "13h"

[universe.world.series]
DGS10 = { unit = "percent" }

[universe.world.rules.yield]
kind = "level_approach"
clock = "session"
series = "DGS10"
level = 5.00
near = "10bp"
rearm = "30bp"
"#;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn without_flags_it_is_the_local_broker_and_new_york() {
    let setup = setup(&[]).unwrap();
    assert_eq!(
        (setup.open.calendar, setup.open.calendars.len()),
        (Calendar::Xnys, 0)
    );
    let expected = HeartbeatOptions {
        ceiling: EventTime::from_nanos(1),
        ..HeartbeatOptions::default()
    };
    assert_eq!(setup.feed.heartbeats, Some(expected));
    let (brokers, topic, client) = client(setup);
    assert_eq!(
        (brokers.as_str(), topic.as_str()),
        ("localhost:9092", "market.ticks")
    );
    for (name, value) in [
        ("bootstrap.servers", "localhost:9092"),
        ("partitioner", "murmur2_random"),
        ("enable.idempotence", "true"),
        ("linger.ms", "5"),
        ("compression.type", "lz4"),
    ] {
        assert_eq!(client.get(name), Some(value), "{name}");
    }
    // librdkafka knows them all.
    client.create_native_config().unwrap();
}

#[test]
fn the_configuration_says_brokers_topic_calendars_and_windows() {
    let config = file(CONFIG);
    let setup = setup(&["--config", config.path().to_str().unwrap()]).unwrap();
    assert_eq!(setup.open.calendars["DGS10"], Calendar::UsBond);
    assert_eq!(setup.open.calendars["RUT"], Calendar::Xnys);
    let heartbeats = setup.feed.heartbeats.clone().unwrap();
    assert_eq!(heartbeats.calendars, [Calendar::Xnys, Calendar::UsBond]);
    assert_eq!(heartbeats.lateness, 45 * SECOND);
    assert_eq!(heartbeats.closing_window, 300 * SECOND);
    let (brokers, topic, client) = client(setup);
    assert_eq!(
        (brokers.as_str(), topic.as_str()),
        ("one:9092,two:9092", "feed.ticks")
    );
    assert_eq!(client.get("batch.size"), Some("20000"));
    assert_eq!(client.get("client.id"), Some("desk"));
}

#[test]
fn flags_go_before_the_configuration() {
    let config = file(CONFIG);
    let flags = [
        "--config",
        config.path().to_str().unwrap(),
        "--topic",
        "t",
        "--brokers",
        "a:1,b:2",
    ];
    let more = [
        "-X",
        "batch.size=5000",
        "--calendar",
        "DGS10=24x7",
        "--calendar",
        "VIX=XNYS",
        "--seq",
    ];
    let setup = setup(&[&flags[..], &more[..]].concat()).unwrap();
    assert_eq!(setup.open.calendars["DGS10"], Calendar::AlwaysOpen);
    assert!(setup.feed.numbered);
    assert_eq!(
        setup.feed.heartbeats.clone().unwrap().calendars,
        [Calendar::Xnys, Calendar::AlwaysOpen]
    );
    let (brokers, topic, client) = client(setup);
    assert_eq!((brokers.as_str(), topic.as_str()), ("a:1,b:2", "t"));
    assert_eq!(client.get("batch.size"), Some("5000"));
}

#[test]
fn of_several_universes_the_widest_windows_count_and_calendars_must_agree() {
    let config = file(&format!("{CONFIG}{OTHER}"));
    let path = config.path().to_str().unwrap();
    let error = setup(&["--config", path]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let error = error.to_string();
    assert!(
        error.contains("DGS10 is on US-BOND") && error.contains("--calendar DGS10="),
        "{error}"
    );
    let heartbeats = setup(&["--config", path, "--calendar", "DGS10=US-BOND"])
        .unwrap()
        .feed
        .heartbeats;
    let heartbeats = heartbeats.unwrap();
    assert_eq!(heartbeats.lateness, 45 * SECOND);
    assert_eq!(heartbeats.correction_window, 13 * 3_600 * SECOND);
}

#[test]
fn a_calendar_alone_is_that_of_all_others() {
    let setup = setup(&["--calendar", "US-BOND", "--calendar", "RUT=XNYS"]).unwrap();
    assert_eq!(setup.open.calendar, Calendar::UsBond);
    assert_eq!(
        setup.feed.heartbeats.unwrap().calendars,
        [Calendar::Xnys, Calendar::UsBond]
    );
}

#[test]
fn a_file_knows_no_wall_clock_and_heartbeats_can_be_left_out() {
    let setup = setup(&["--output", "x.ndjson"]).unwrap();
    assert_eq!(setup.feed.heartbeats.unwrap().ceiling, EventTime::MAX);
    assert!(matches!(setup.target, Target::File(path) if path.as_os_str() == "x.ndjson"));
    assert!(
        super::tests::setup(&["--no-heartbeats"])
            .unwrap()
            .feed
            .heartbeats
            .is_none()
    );
}

#[test]
fn properties_that_the_replay_stands_on_are_refused() {
    for property in [
        "partitioner=random",
        "enable.idempotence=false",
        "bootstrap.servers=a:1",
        "transactional.id=x",
    ] {
        let error = setup(&["-X", property]).unwrap_err();
        let name = property.split('=').next().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn flags_that_contradict_are_refused_by_name() {
    for flags in [
        &["--output", "x", "--topic", "t"][..],
        &["--speed", "0"],
        &["--from", "yesterday"],
        &["--as", "RUT"],
    ] {
        let words = ["replay", "RUT.csv"].iter().chain(flags);
        let error = Command::try_parse_from(words).err().expect("refused");
        assert!(error.to_string().contains(flags[0]), "{error}");
    }
    assert!(Command::try_parse_from(["replay"]).is_err(), "no file");
}
