//! Little of what `make latency`, `scale`, `soak`, `recovery` and `overload` do: that it comes to its end, that no
//! event is repeated or missing, and that memory and descriptors do not grow. How fast things are is not tested.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use rotation_tests::broker::Broker;
use rotation_tests::load::live::{self, Load};
use rotation_tests::load::{overload, recovery, scale, soak};
use rotation_tests::service::Deployment;

/// What a process may take beyond what it had: buffers of the clients, and what waits for a commit.
const ROOM: u64 = 200 << 20;

#[test]
fn a_soak_leaves_memory_descriptors_and_state_as_they_were() {
    let Some(report) = soak::run(1_000_000, |look| println!("{look:?}")).unwrap() else {
        return;
    };
    println!("{report}");
    let [first, .., last] = &report.looks[..] else {
        panic!("two looks at least: {report:?}");
    };
    assert_eq!((first.percent, last.percent), (10, 100));
    assert!(last.resident < 3 * first.resident, "{report}");
    for looks in report.looks.chunk_by(|a, b| a.process == b.process) {
        let [first, .., last] = looks else {
            panic!("two looks at each process: {report:?}");
        };
        // A connection may be made anew while they are counted.
        assert!(last.descriptors <= first.descriptors + 4, "{report}");
    }
    assert!(report.compacted < 1 << 20, "{report}");
    assert_eq!(report.restarts.len(), 3);
    assert!(report.alerts > 0, "{report}");
}

#[test]
fn every_tick_that_matters_has_its_alert_and_every_hop_its_time() {
    let Some(broker) = Broker::get() else {
        return;
    };
    let deployment = Deployment::new(broker, 4, &live::universe()).unwrap();
    let mut service = deployment.run("latency", &[]).unwrap();
    live::await_ready(&mut service).unwrap();
    let load = Load {
        background: 1_000,
        samples: 40,
        apart: Duration::from_millis(50),
    };
    let samples = live::run(&deployment, load, || Ok(())).unwrap();
    assert_eq!(samples.len(), load.samples);
    for sample in &samples {
        let moments = [sample.acknowledged, sample.bar, sample.alert];
        assert!(moments.iter().all(Option::is_some), "{sample:?}");
        assert!(sample.bar <= sample.alert, "{sample:?}");
    }
    for hop in live::hops(&samples) {
        assert!(hop.quantile(0.5) <= hop.quantile(0.99), "{hop}");
        assert!(hop.quantile(1.0) > Duration::ZERO, "{hop}");
    }
    service.terminate().unwrap();
}

#[test]
fn a_backlog_is_read_by_one_and_by_two() {
    if let Some(runs) = scale::run(200_000, &[1, 2]).unwrap() {
        let table = scale::Table(&runs).to_string();
        assert!(runs.iter().all(|run| run.rate > 0.0), "{table}");
        assert_eq!(table.lines().count(), 4, "{table}");
    }
}

#[test]
fn many_series_are_restored_after_a_stop_and_a_kill() {
    if let Some(restore) = recovery::restore(200).unwrap() {
        assert!(restore.state > 0, "{restore:?}");
        assert!(restore.restored <= restore.ready, "{restore:?}");
    }
}

#[test]
fn a_rolling_restart_keeps_no_alert_back() {
    let load = Load {
        background: 200,
        samples: 40,
        apart: Duration::from_millis(100),
    };
    if let Some(samples) = recovery::rolling(2, load).unwrap() {
        assert!(samples.iter().all(|sample| sample.alert.is_some()));
    }
}

#[test]
fn a_backlog_is_caught_up_with_bounded_memory() {
    if let Some(caught) = overload::catch_up(500_000).unwrap() {
        assert!(caught.peak < caught.first + ROOM, "{caught:?}");
    }
}

#[test]
fn a_slow_sink_slows_consumption_and_takes_no_memory() {
    let time = Duration::from_secs(10);
    if let Some(slowed) = overload::slow_sink(100_000, 150_000, time).unwrap() {
        let [before, peak] = slowed.resident;
        assert!(peak < before + ROOM, "{slowed:?}");
        let read = slowed.slow * time.as_secs_f64();
        assert!(read < 100_000.0, "all was read in spite of it: {slowed:?}");
    }
}

#[test]
fn a_partition_that_stops_does_not_stop_the_others() {
    if let Some(stopped) = overload::stopped_partition(3, 10).unwrap() {
        let [before, after] = stopped.alerts;
        assert!(before > 0 && after > 0, "{stopped:?}");
    }
}
