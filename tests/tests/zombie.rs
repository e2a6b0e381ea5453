//! A process stopped past its session and continued: nothing that it writes afterwards is seen by a subscriber.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_tests::broker::Broker;
use rotation_tests::chaos::zombie;

#[test]
fn a_zombie_writes_nothing_that_a_subscriber_sees() {
    let Some(broker) = Broker::get() else {
        return;
    };
    let Some((rounds, differences)) = zombie::run(broker, 3).unwrap() else {
        return;
    };
    for round in &rounds {
        println!(
            "a transaction was open: {}; it ended: {:?}; it said\n{}",
            round.held_open, round.ended, round.said
        );
        assert_eq!(round.wrote, [], "it said\n{}", round.said);
        match &round.ended {
            Some(last) => assert!(last.contains("fenced"), "{last}"),
            None => assert!(
                round
                    .said
                    .contains("partitions lost before their last commit"),
                "{}",
                round.said
            ),
        }
    }
    assert!(differences.is_empty(), "{:?}", differences[0]);
}
