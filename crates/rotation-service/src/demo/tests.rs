//! The parts of the demo that need no service.

use super::*;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

#[test]
fn the_configuration_names_every_series_of_the_scenario() {
    let config = Config::parse(CONFIG, "config/demo.toml").unwrap();
    let universe = config.universe("us").unwrap();
    let scenario = Scenario::great_rotation(0);
    for symbol in scenario.symbols() {
        assert!(universe.series_ix(symbol).is_some(), "{symbol}");
    }
    let raw = universe
        .series
        .iter()
        .filter(|series| series.source == rotation_engine::plan::SeriesSource::Raw);
    assert_eq!(raw.count(), scenario.symbols().len());
}

#[test]
fn samples_are_added_over_their_labels() {
    let scrape =
        "# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3.5\na_totals{x=\"1\"} 9\n";
    assert_eq!(gauges::total(scrape, "a_total{"), 5.5);
    assert_eq!(gauges::total(scrape, "b_total{"), 0.0);
}

#[test]
fn a_port_in_use_is_said_and_another_is_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap();
    let mut notes = Vec::new();
    let listener = listen(wanted, &runtime, &mut notes).unwrap();
    let found = listener.local_addr().unwrap();
    assert_ne!(found.port(), wanted.port());
    let notes = String::from_utf8(notes).unwrap();
    assert_eq!(
        notes,
        format!(
            "{wanted} is in use; the page and metrics are on port {} instead\n",
            found.port()
        )
    );
}

#[test]
fn what_is_put_on_the_embedded_broker_is_followed() {
    let config = Config::parse(CONFIG, "config/demo.toml").unwrap();
    let embedded = Embedded::start(&config.kafka.topics).unwrap();
    let kafka = crate::config::KafkaConfig {
        brokers: vec![embedded.address()],
        ..config.kafka
    };
    let client = tail::client(&kafka).unwrap();
    let follower = Follower::open(client.clone(), &kafka.topics.alerts, Start::Beginning).unwrap();
    let mut producer = rdkafka::ClientConfig::new();
    producer.set("bootstrap.servers", embedded.address());
    let producer: BaseProducer = producer.create().unwrap();
    producer
        .send(BaseRecord::<[u8], [u8]>::to(&kafka.topics.alerts).payload(b"one"))
        .unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let event = loop {
        if let Some(event) = follower.next(Duration::from_millis(50)).unwrap() {
            break event;
        }
        assert!(Instant::now() < deadline, "nothing came");
    };
    assert_eq!(event, b"one");
    assert!(Follower::open(client, "no.such.topic", Start::End).is_err());
}

/// Alerts of the scenario by the engine alone, without Kafka: what the demonstration has to show.
fn decided_by_the_engine(seed: u64) -> Vec<String> {
    let config = Config::parse(CONFIG, "config/demo.toml").unwrap();
    let mut pipeline = rotation_engine::pipeline::Pipeline::new(
        config.universe("us").unwrap(),
        embedded::PARTITIONS,
    );
    let mut outputs = Vec::new();
    for event in Scenario::great_rotation(seed).events() {
        let all = 0..embedded::PARTITIONS;
        let partitions = match event.symbol() {
            Some(symbol) => {
                let partition = rotation_wire::partition::partition_for(symbol.as_bytes(), all.end);
                partition..partition + 1
            }
            None => all,
        };
        for partition in partitions {
            pipeline.push(partition, &event.as_source(), &mut outputs);
        }
    }
    pipeline.flush(&mut outputs);
    let alerts = outputs.into_iter().filter_map(|output| match output {
        rotation_engine::output::Output::Alert(alert) => Some(tail::line(&alert)),
        _ => None,
    });
    let mut alerts: Vec<String> = alerts.collect();
    alerts.sort();
    alerts
}

#[test]
fn the_whole_path_shows_what_the_engine_alone_decides() {
    let args = Args {
        seed: 7,
        session_seconds: 0.0,
        hold: false,
        json: false,
        listen: "127.0.0.1:0".parse().unwrap(),
        color: Color::Never,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (mut alerts, mut notes) = (Vec::new(), Vec::new());
    let end = play(
        &args,
        &runtime,
        &StopSignal::default(),
        &mut alerts,
        &mut notes,
    )
    .unwrap();
    assert_eq!(format!("{end:?}"), format!("{:?}", ExitCode::SUCCESS));
    let mut shown: Vec<String> = String::from_utf8(alerts)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    shown.sort();
    let expected = decided_by_the_engine(args.seed);
    assert!(expected.len() > 10, "{expected:?}");
    assert_eq!(shown, expected);
    let notes = String::from_utf8(notes).unwrap();
    assert!(notes.contains("-- 2026-01-23, session 15:"), "{notes}");
    assert!(
        notes.contains("RUT rose 7.98 % against 1.49 % for SPX, ahead for 14 sessions in a row"),
        "{notes}"
    );
}

#[test]
fn an_interruption_ends_it_early() {
    let args = Args {
        seed: 7,
        session_seconds: 60.0,
        hold: true,
        json: true,
        listen: "127.0.0.1:0".parse().unwrap(),
        color: Color::Never,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let interrupted = StopSignal::default();
    interrupted.store(true, Ordering::SeqCst);
    let end = play(
        &args,
        &runtime,
        &interrupted,
        &mut Vec::new(),
        &mut Vec::new(),
    )
    .unwrap();
    assert_eq!(format!("{end:?}"), format!("{:?}", ExitCode::FAILURE));
}
