use super::*;

const SECOND: u64 = 1_000_000_000;

fn broker() -> Broker {
    let mut broker = Broker::new(7, 0);
    broker.create_topic("in", 3);
    broker.create_topic("out", 1);
    broker.create_group("group", "in", 10 * SECOND);
    broker
}

fn record(value: &str) -> Record {
    Record {
        value: Some(value.as_bytes().to_vec()),
        ..Record::default()
    }
}

fn all_alive(now: u64) -> impl Fn(MemberId) -> u64 {
    move |_| now
}

fn texts(broker: &Broker) -> Vec<String> {
    let log = broker.partition("out", 0).committed();
    log.map(|(_, record)| String::from_utf8(record.value.clone().unwrap()).unwrap())
        .collect()
}

/// Lets everything happen until an instant.
fn until(broker: &mut Broker, now: u64) {
    broker.advance(now, &all_alive(now));
}

#[test]
fn what_is_open_or_aborted_is_not_read_and_holds_readers_up() {
    let mut broker = broker();
    let one = broker.initialise(0, "one", 60 * SECOND).unwrap();
    let two = broker.initialise(0, "two", 60 * SECOND).unwrap();
    broker.produce(0, &one, "out", 0, record("open")).unwrap();
    broker.produce(0, &two, "out", 0, record("kept")).unwrap();
    broker.end_transaction(0, &two, true).unwrap();
    until(&mut broker, SECOND);
    assert!(texts(&broker).is_empty(), "the first is open still");
    assert_eq!(broker.partition("out", 0).stable(), 0);
    broker.end_transaction(SECOND, &one, false).unwrap();
    until(&mut broker, 2 * SECOND);
    assert_eq!(texts(&broker), ["kept"]);
    let log = broker.partition("out", 0);
    assert_eq!(
        (log.stable(), log.end()),
        (4, 4),
        "two records, two markers"
    );
}

#[test]
fn a_successor_ends_what_was_open_and_its_predecessor_is_fenced() {
    let mut broker = broker();
    let first = broker.initialise(0, "id", 60 * SECOND).unwrap();
    broker.produce(0, &first, "out", 0, record("lost")).unwrap();
    let waiting = broker.initialise(0, "id", 60 * SECOND);
    assert_eq!(waiting, Err(Refusal::Concurrent));
    until(&mut broker, SECOND);
    let second = broker.initialise(SECOND, "id", 60 * SECOND).unwrap();
    let late = broker.produce(SECOND, &first, "out", 0, record("late"));
    assert_eq!(late, Err(Refusal::Fenced));
    assert_eq!(
        broker.end_transaction(SECOND, &first, true),
        Err(Refusal::Fenced)
    );
    broker
        .produce(SECOND, &second, "out", 0, record("told"))
        .unwrap();
    broker.end_transaction(SECOND, &second, true).unwrap();
    until(&mut broker, 2 * SECOND);
    assert_eq!(texts(&broker), ["told"]);
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted() {
    let mut broker = broker();
    let producer = broker.initialise(0, "id", SECOND).unwrap();
    broker
        .produce(0, &producer, "out", 0, record("slow"))
        .unwrap();
    until(&mut broker, 3 * SECOND);
    until(&mut broker, 4 * SECOND);
    assert_eq!(
        broker.end_transaction(4 * SECOND, &producer, true),
        Err(Refusal::Fenced)
    );
    assert!(texts(&broker).is_empty());
    assert_eq!(broker.partition("out", 0).stable(), 2);
}

/// What a member is told, answering each revocation, until it is told nothing more.
fn hear(broker: &mut Broker, now: u64, member: MemberId) -> Vec<Change> {
    let mut told = Vec::new();
    while let Some(change) = broker.next_change("group", member) {
        if let Change::Revoke(partitions) = &change {
            broker.give_up(now, "group", member, partitions);
        }
        told.push(change);
    }
    told
}

#[test]
fn partitions_move_after_they_were_given_up() {
    let mut broker = broker();
    let one = broker.join(0, "group", "one").unwrap();
    until(&mut broker, SECOND);
    assert_eq!(
        hear(&mut broker, SECOND, one),
        [Change::Assign(vec![0, 1, 2])]
    );
    let two = broker.join(SECOND, "group", "two").unwrap();
    until(&mut broker, 2 * SECOND);
    assert_eq!(hear(&mut broker, 2 * SECOND, two), [Change::Assign(vec![])]);
    assert_eq!(
        hear(&mut broker, 2 * SECOND, one),
        [Change::Revoke(vec![2])]
    );
    until(&mut broker, 3 * SECOND);
    assert_eq!(
        hear(&mut broker, 3 * SECOND, two),
        [Change::Assign(vec![2])]
    );
}

#[test]
fn offsets_are_refused_to_who_is_not_of_the_generation() {
    let mut broker = broker();
    let one = broker.join(0, "group", "one").unwrap();
    until(&mut broker, SECOND);
    let known = broker.group("group").generation_of(one).unwrap();
    let offsets = vec![Committed {
        partition: 0,
        offset: 5,
        metadata: String::new(),
    }];
    let producer = broker.initialise(SECOND, "id", 60 * SECOND).unwrap();
    let send = |broker: &mut Broker, member, generation| {
        let offsets = offsets.clone();
        broker.send_offsets(SECOND, &producer, "group", (member, generation), offsets)
    };
    assert_eq!(send(&mut broker, one, known), Ok(()));
    assert_eq!(broker.committed("group", &[0]), Err(Refusal::Unstable));
    broker.join(SECOND, "group", "two").unwrap();
    assert_eq!(
        send(&mut broker, one, known),
        Err(Refusal::IllegalGeneration)
    );
    // A static member that is back has the name, and who had it before is fenced.
    let again = broker.join(SECOND, "group", "one").unwrap();
    assert_eq!(send(&mut broker, one, known), Err(Refusal::FencedInstance));
    let dead = |member| if member == again { 0 } else { 60 * SECOND };
    broker.advance(60 * SECOND, &dead);
    assert!(
        !broker.group("group").is_member(again),
        "it was silent for too long"
    );
}
