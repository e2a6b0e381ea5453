//! A stage on librdkafka's embedded cluster, as the demo runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rotation_service::stage::{Liveness, StageFact, StateMode, run};
use rotation_tests::counting::{Counting, settings};

#[test]
fn a_stage_runs_on_the_embedded_cluster() -> Result<()> {
    let mock = MockCluster::new(1)?;
    for topic in ["mock.in", "mock.out", "mock.sums"] {
        mock.create_topic(topic, 2, 1)?;
    }
    let brokers = mock.bootstrap_servers();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()?;
    for at in 0..2_000 {
        let payload = format!("record {at}");
        let record = BaseRecord::to("mock.in")
            .key("key")
            .payload(&payload)
            .partition(at % 2);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(10))?;
    let mut settings = settings(&brokers, "mock", "one");
    settings.state_mode = StateMode::Ephemeral;
    settings
        .kafka
        .properties
        .insert("fetch.wait.max.ms".to_owned(), "2".to_owned());
    let stop = Arc::new(AtomicBool::new(false));
    let outputs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&outputs);
    let observer = move |fact: &StageFact| {
        if let StageFact::Committed { outputs, .. } = fact {
            counted.fetch_add(*outputs, Ordering::SeqCst);
        }
    };
    let ended = Arc::clone(&stop);
    let stage = std::thread::spawn(move || {
        let liveness = Arc::new(Liveness::default());
        run(
            &settings,
            Counting::factory(),
            Arc::new(observer),
            liveness,
            &ended,
        )
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while outputs.load(Ordering::SeqCst) < 2_000 && !stage.is_finished() {
        ensure!(Instant::now() < deadline, "{outputs:?} outputs after 20 s");
        std::thread::sleep(Duration::from_millis(10));
    }
    let stopping = Instant::now();
    stop.store(true, Ordering::SeqCst);
    stage.join().expect("the stage does not panic")?;
    ensure!(
        stopping.elapsed() < Duration::from_secs(10),
        "stopping took {:?}",
        stopping.elapsed()
    );
    Ok(())
}
