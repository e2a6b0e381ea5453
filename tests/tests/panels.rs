//! Debian's Prometheus scrapes a real run on real Kafka: every expression of every panel and rule returns data.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::{Duration, Instant};

use rotation_service::metrics::NAMES;
use rotation_service::notify;
use rotation_tests::broker::Broker;
use rotation_tests::hooks::Hooks;
use rotation_tests::prometheus::{Prometheus, all_expressions, rule_files};
use rotation_tests::service::{Deployment, Service};
use rotation_tests::{market, workspace};

const PARTITIONS: i32 = 4;

/// Longest wait for an expression; recording rules stand on each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// The shipped universe.
fn universe() -> String {
    let file = workspace::root().join("config/small-caps.toml");
    let text = std::fs::read_to_string(file).unwrap();
    text[text.find("[universe.us]").unwrap()..].to_owned()
}

/// Beside it a rule of each kind that has panels of its own.
const WATCHED: &str = r#"
[universe.us.series.SPY_adj]
adjustment = "total"
[universe.us.series.KRE]
adjustment = "total"
[universe.us.series.XLF]
adjustment = "total"
[universe.us.series.XLK]
adjustment = "total"

[universe.us.rules.banks-lead]
kind = "leadership"
members = ["KRE", "XLF", "XLK"]
benchmark = "SPY_adj"
watch = ["KRE"]

[universe.us.rules.breadth]
kind = "breadth"
members = ["KRE", "XLF", "XLK"]

[universe.us.rules.small-over-large]
kind = "relative_return"
leader = "RUT"
laggard = "GSPC"
over = 20
open_percentile = 97.5

[universe.us.rules.feeds]
kind = "stale_feed"
series = ["KRE"]
reference = ["RUT", "GSPC"]

[universe.us.rules.regime]
kind = "regime"
inputs = [
    { rule = "small-over-large", weight = 2.0, full = 5.0 },
    { rule = "breadth", neutral = 50.0, full = 80.0 },
    { rule = "small-cap-streak", when_open = 1.0 },
]
dangers = ["ten-year-toward-five"]
"#;

/// Series of a scraped metric: histograms have three names.
fn series(page: &str, name: &str) -> usize {
    let histogram = format!("{name}_bucket");
    page.lines()
        .filter_map(|line| line.split(['{', ' ']).next())
        .filter(|found| *found == name || *found == histogram)
        .count()
}

/// Whether an expression comes to a number; a ratio of rates comes to none before the second scrape of what it divides.
fn await_number(server: &Prometheus, expression: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let samples = server.query(expression).unwrap();
        let samples = samples["result"].as_array().unwrap();
        if samples.iter().any(|sample| sample["value"][1] != "NaN") {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Asks every expression of panels and rules; returns how many there are.
fn ask(server: &Prometheus) -> usize {
    // Those on the notifier, a process of its own, are asked in `notify_metrics`.
    let mut expressions = all_expressions().unwrap();
    expressions.retain(|found| !found.place.starts_with("notify.yml: "));
    let mut empty = Vec::new();
    for found in &expressions {
        server
            .await_samples(&found.expression, PATIENCE)
            .unwrap_or_else(|error| panic!("{}: {error:#}", found.place));
        if !await_number(server, &found.expression) {
            empty.push(format!("{}: {}", found.place, found.expression));
        }
    }
    assert!(empty.is_empty(), "not a number: {empty:#?}");
    expressions.len()
}

/// Facts of the market on the day to which it is played.
const FACTS: [(&str, f64); 4] = [
    (
        "rotation_rule_reading{rule=\"small-cap-streak\",universe=\"us\"}",
        10.0,
    ),
    (
        "rotation_streak_record_sessions{rule=\"small-cap-streak\",universe=\"us\"}",
        13.0,
    ),
    // 2008-06-06.
    (
        "rotation_streak_record_end_seconds{rule=\"small-cap-streak\",universe=\"us\"}",
        1_212_710_400.0,
    ),
    (
        "rotation_rule_level{line=\"opens\",rule=\"ten-year-toward-five\",universe=\"us\"}",
        4.9,
    ),
];

#[test]
fn every_panel_and_rule_shows_data_of_a_real_run() {
    let (Some(data), Some(broker)) = (market::find("daily"), Broker::get()) else {
        return;
    };
    let universe = format!("{}{WATCHED}", universe());
    let deployment = Deployment::new(broker, PARTITIONS, &universe).unwrap();
    let mut services = [deployment.run("one", &[]).unwrap()];
    let hooks = Hooks::start().unwrap();
    let desk = format!(
        "[notify.targets.desk]\ntype = \"webhook\"\nurl = \"{}\"\n[[notify.routes]]\ntargets = [\"desk\"]\n",
        hooks.url("/desk")
    );
    let config = deployment.with_notify(&desk).unwrap();
    let mut notifier = deployment.notify(&config, "desk", &[]).unwrap();
    let targets = [&mut services[0], &mut notifier].map(|process| process.address().unwrap());
    let Some(server) = Prometheus::start(&targets, &rule_files().unwrap()).unwrap() else {
        return;
    };
    server.await_scrapes(2).unwrap();

    let symbols = ["RUT", "GSPC", "DGS10", "SPY_adj", "KRE", "XLF", "XLK"];
    let files = symbols.map(|symbol| data.join(format!("{symbol}.csv")));
    let config = deployment.config();
    let mut words = vec!["replay".into(), "--config".into(), config.into_os_string()];
    // To a day on which a run, the longest since 2008, and an episode of it stand.
    words.extend(["--quiet", "--from", "2005-01-01", "--to", "2026-01-15"].map(Into::into));
    words.extend(files.map(Into::into));
    deployment.command(words).unwrap();
    let bad = (0..20).map(|n| (Some(n % PARTITIONS), "RUT", "{\"symbol\":", None));
    broker.produce(&deployment.topics[0], bad).unwrap();
    deployment.await_done(&mut services).unwrap();

    let expressions = ask(&server);
    let (_, page) = services[0].get("/metrics").unwrap();
    let (_, told) = notifier.get("/metrics").unwrap();
    let both = [(&page, NAMES), (&told, notify::NAMES)];
    for (page, metric) in both
        .iter()
        .flat_map(|(page, names)| names.iter().map(move |name| (page, name)))
    {
        assert!(
            series(page, metric.name) > 0,
            "no series of {}",
            metric.name
        );
    }
    for (metric, value) in FACTS {
        assert_eq!(services[0].metric(metric).unwrap(), value, "{metric}");
    }
    let dead = "rotation_dead_letters_total{code=\"undecodable\"}";
    assert_eq!(services[0].metric(dead).unwrap(), 20.0);
    let (rules, metrics) = (expressions, NAMES.len() + notify::NAMES.len());
    println!("{rules} expressions, {metrics} metrics, all with data");
    assert_eq!(server.samples("rotation_no_such_metric").unwrap(), 0);
    let refused = server.samples("sum(").unwrap_err();
    assert!(refused.to_string().contains("sum("), "{refused:#}");
    let [service] = services;
    service.terminate().unwrap();
    notifier.terminate().unwrap();
}

/// Waits until the process is ready and shows one open episode.
fn await_open(service: &mut Service, open: &str) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while service.get("/readyz").unwrap().0 != 200 || service.metric(open).unwrap() != 1.0 {
        let (_, metrics) = service.get("/metrics").unwrap();
        let log = service.log();
        assert!(
            Instant::now() < deadline,
            "no open episode is shown\n{metrics}\n{log}"
        );
        service.alive().unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn series_that_count_trouble_are_there_before_it_and_gauges_outlive_a_restart() {
    let Some(broker) = Broker::get() else { return };
    let deployment = Deployment::new(broker, PARTITIONS, &universe()).unwrap();
    let mut service = deployment.run("one", &[]).unwrap();
    let open = "rotation_open_episodes{rule=\"ten-year-toward-five\",universe=\"us\"}";
    assert_eq!(service.metric(open).unwrap(), 0.0);
    for stage in ["sampler", "universe"] {
        let failures =
            format!("rotation_commit_failures_total{{code=\"MessageTimedOut\",stage=\"{stage}\"}}");
        assert_eq!(service.metric(&failures).unwrap(), 0.0);
    }
    // Armed, then within 10 basis points of the level.
    let close = |date: &str, value: f64| {
        format!(
            "{{\"symbol\":\"DGS10\",\"time\":\"{date}T21:00:00Z\",\"value\":{value},\"official\":true}}"
        )
    };
    let closes = [close("2026-01-20", 4.60), close("2026-01-21", 4.95)];
    let sent = closes.map(|close| (None, "DGS10", close, None));
    broker.produce(&deployment.topics[0], sent).unwrap();
    let mut services = [service];
    deployment.await_done(&mut services).unwrap();
    await_open(&mut services[0], open);
    let deadline = Instant::now() + PATIENCE;
    while series(
        &services[0].get("/metrics").unwrap().1,
        "rotation_lost_records_total",
    ) == 0
    {
        assert!(Instant::now() < deadline, "no series of lost records");
        std::thread::sleep(Duration::from_millis(50));
    }

    let [service] = services;
    service.terminate().unwrap();
    let mut service = deployment.run("one", &[]).unwrap();
    await_open(&mut service, open);
    service.terminate().unwrap();
}
