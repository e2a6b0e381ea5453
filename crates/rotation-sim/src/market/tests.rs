//! Markets are repeatable, their troubles are there, and the engine makes of them what their truth says.

use super::*;
use rotation_engine::output::{DropCode, Output};
use rotation_engine::pipeline::Pipeline;

fn run(market: &Market, order: u64) -> Vec<Output> {
    let plan = market.plan().unwrap();
    let mut pipeline = Pipeline::new(&plan, market.shape.partitions);
    let mut outputs = Vec::new();
    for (partition, event) in interleave(order, market.partitions()) {
        pipeline.push(partition, &event.as_source(), &mut outputs);
    }
    pipeline.flush(&mut outputs);
    outputs
}

fn alerts(outputs: &[Output]) -> Vec<String> {
    let alert = |output: &Output| match output {
        Output::Alert(alert) => Some(format!("{alert:?}")),
        _ => None,
    };
    let mut alerts: Vec<String> = outputs.iter().filter_map(alert).collect();
    alerts.sort();
    alerts
}

#[test]
fn one_seed_gives_one_market() {
    let shape = Shape::default();
    assert_eq!(Market::random(1, &shape), Market::random(1, &shape));
    assert_ne!(
        Market::random(1, &shape).partitions(),
        Market::random(2, &shape).partitions()
    );
}

#[test]
fn the_engine_counts_what_the_market_says() {
    for seed in 0..20 {
        let market = Market::random(seed, &Shape::default());
        let mut counted = Truth::default();
        for output in run(&market, seed) {
            match output {
                Output::Accepted { ticks } => counted.accepted += ticks,
                Output::Dropped {
                    code: DropCode::Late,
                    ..
                } => counted.late += 1,
                Output::Dropped {
                    code: DropCode::Duplicate,
                    ..
                } => counted.duplicates += 1,
                Output::Dropped {
                    code: DropCode::Superseded,
                    ..
                } => {}
                Output::Dropped { code, .. } => panic!("seed {seed}: dropped as {}", code.name()),
                Output::Rejected { message, .. } => panic!("seed {seed}: {message}"),
                _ => {}
            }
        }
        let truth = market.truth();
        assert_eq!(counted, truth, "seed {seed}");
        assert!(
            truth.late > 0 && truth.duplicates > 0,
            "seed {seed}: {truth:?}"
        );
    }
}

#[test]
fn the_order_of_partitions_does_not_change_the_alerts() {
    for seed in 0..10 {
        let market = Market::random(seed, &Shape::default());
        let expected = alerts(&run(&market, 0));
        assert!(
            expected.len() > 20,
            "seed {seed}: {} alerts",
            expected.len()
        );
        for order in 1..4 {
            assert!(
                alerts(&run(&market, order)) == expected,
                "seed {seed}, order {order}"
            );
        }
    }
}

#[test]
fn every_way_to_read_keeps_each_partition_in_its_order() {
    let market = Market::random(5, &Shape::default());
    let order = interleave(9, market.partitions());
    for (partition, events) in (0..).zip(market.partitions()) {
        let read: Vec<&Event> = order
            .iter()
            .filter(|(from, _)| *from == partition)
            .map(|(_, event)| *event)
            .collect();
        assert!(read.iter().copied().eq(events), "partition {partition}");
    }
    let other = interleave(10, market.partitions());
    assert!(
        order
            .iter()
            .map(|(from, _)| from)
            .ne(other.iter().map(|(from, _)| from)),
        "two ways"
    );
}
