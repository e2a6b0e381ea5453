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
    let raw = universe.series.iter().filter(|series| series.source == rotation_engine::plan::SeriesSource::Raw);
    assert_eq!(raw.count(), scenario.symbols().len());
}

#[test]
fn samples_are_added_over_their_labels() {
    let scrape = "# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3.5\na_totals{x=\"1\"} 9\n";
    assert_eq!(gauges::total(scrape, "a_total{"), 5.5);
    assert_eq!(gauges::total(scrape, "b_total{"), 0.0);
}

#[test]
fn a_port_in_use_is_said_and_another_is_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap();
    let mut notes = Vec::new();
    let listener = listen(wanted, &runtime, &mut notes).unwrap();
    let found = listener.local_addr().unwrap();
    assert_ne!(found.port(), wanted.port());
    let notes = String::from_utf8(notes).unwrap();
    assert_eq!(notes, format!("{wanted} is in use; metrics are on port {} instead\n", found.port()));
}

#[test]
fn what_is_put_on_the_embedded_broker_is_followed() {
    let config = Config::parse(CONFIG, "config/demo.toml").unwrap();
    let embedded = Embedded::start(&config.kafka.topics).unwrap();
    let kafka = crate::config::KafkaConfig { brokers: vec![embedded.address()], ..config.kafka };
    let client = tail::client(&kafka).unwrap();
    let follower = Follower::open(client.clone(), &kafka.topics.alerts, Start::Beginning).unwrap();
    let mut producer = rdkafka::ClientConfig::new();
    producer.set("bootstrap.servers", embedded.address());
    let producer: BaseProducer = producer.create().unwrap();
    producer.send(BaseRecord::<[u8], [u8]>::to(&kafka.topics.alerts).payload(b"one")).unwrap();
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
