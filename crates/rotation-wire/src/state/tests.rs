use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Records = Vec<(String, Vec<u8>)>;

fn task() -> TaskName {
    TaskName {
        stage: "sampler".to_owned(),
        partition: 3,
    }
}

fn id(sequence: u64) -> SnapshotId {
    SnapshotId {
        sequence,
        offset: 100,
    }
}

fn part(name: &str, byte: u8, length: usize) -> (String, Vec<u8>) {
    (name.to_owned(), vec![byte; length])
}

/// What compaction leaves: the newest value of each key.
fn compacted(records: impl IntoIterator<Item = (String, Vec<u8>)>) -> BTreeMap<String, Vec<u8>> {
    records.into_iter().collect()
}

fn whole(records: &BTreeMap<String, Vec<u8>>) -> Result<Option<Whole>, StateError> {
    assemble(
        records
            .iter()
            .map(|(key, value)| (key.as_bytes(), value.as_slice())),
    )
}

fn parts_of(parts: &[(String, Vec<u8>)]) -> BTreeMap<String, Vec<u8>> {
    parts.iter().cloned().collect()
}

#[test]
fn keys_name_their_task() {
    assert_eq!(task().head_key(), "sampler/3/head");
    assert_eq!(
        task().chunk_key("us/RSP/SPY", 0),
        "sampler/3/part/us/RSP/SPY/0"
    );
    for key in ["sampler/3/head", "sampler/3/part/us/RSP/SPY/0"] {
        assert_eq!(TaskName::of_key(key.as_bytes()), Some(task()), "{key}");
    }
    for key in [
        "",
        "sampler",
        "sampler/3",
        "/3/head",
        "sampler/x/head",
        "sampler/03/head",
        "sampler/-3/head",
    ] {
        assert_eq!(TaskName::of_key(key.as_bytes()), None, "{key}");
    }
}

#[test]
fn large_parts_are_cut_and_joined() {
    let parts = [
        part("exact", 1, CHUNK_BYTES),
        part("empty", 0, 0),
        (
            "long".to_owned(),
            (0..11 * CHUNK_BYTES + 5)
                .map(|at| (at / CHUNK_BYTES) as u8)
                .collect(),
        ),
    ];
    let records = encode_snapshot(&task(), id(7), &parts);
    assert_eq!(records.len(), 1 + 1 + 12);
    assert!(
        records
            .iter()
            .all(|(_, value)| value.len() <= CHUNK_BYTES + 512)
    );
    let expected = Whole {
        task: task(),
        id: id(7),
        parts: parts_of(&parts),
    };
    assert_eq!(whole(&compacted(records)).unwrap(), Some(expected));
}

#[test]
fn the_newest_whole_snapshot_counts() {
    let old = [part("a", 1, 4), part("b", 1, 4), part("gone", 1, 4)];
    let new = [part("a", 2, 4), part("b", 2, 4)];
    let mut records = encode_snapshot(&task(), id(1), &old);
    records.extend(encode_snapshot(&task(), id(2), &new));
    records.push((task().head_key(), b"not looked at".to_vec()));
    let found = whole(&compacted(records.clone())).unwrap().unwrap();
    assert_eq!((found.id, found.parts), (id(2), parts_of(&new)));

    // Of a third only a part was written, over keys that the second needs.
    records.push(encode_snapshot(&task(), id(3), &new).remove(0));
    assert_eq!(whole(&compacted(records)).unwrap(), None);

    // One with names of its own that is not whole leaves the second alone.
    let apart = [part("c", 3, 4), part("d", 3, 4)];
    let mut records = encode_snapshot(&task(), id(2), &new);
    records.push(encode_snapshot(&task(), id(3), &apart).remove(1));
    assert_eq!(whole(&compacted(records)).unwrap().unwrap().id, id(2));
    assert_eq!(whole(&BTreeMap::new()).unwrap(), None);
}

#[test]
fn snapshots_are_ordered_by_sequence() {
    let first = SnapshotId::after(None, 500);
    let second = SnapshotId::after(Some(first), 500);
    assert!(first < second && second < SnapshotId::after(Some(second), 400));
}

#[test]
fn state_of_another_version_is_refused() {
    #[derive(Serialize)]
    struct Future {
        shape: &'static str,
        version: u16,
    }
    let mut bytes = Vec::new();
    ciborium::into_writer(
        &Future {
            shape: "unknown",
            version: 7,
        },
        &mut bytes,
    )
    .unwrap();
    let records = BTreeMap::from([("sampler/3/part/a/0".to_owned(), bytes.clone())]);
    let error = whole(&records).unwrap_err();
    assert_eq!(
        error.to_string(),
        "snapshot version 7, this program reads 1"
    );
    let error = Head::<()>::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "head version 7, this program reads 1");
}

#[test]
fn damaged_state_is_refused() {
    let mut records = encode_snapshot(&task(), id(1), &[part("a", 1, 9)]);
    let (key, value) = records.remove(0);
    let one = |key: &str, value: &[u8]| whole(&BTreeMap::from([(key.to_owned(), value.to_vec())]));

    for cut in 0..value.len() {
        let error = one(&key, &value[..cut]).unwrap_err();
        assert!(
            matches!(
                error,
                StateError::Unreadable {
                    what: "snapshot",
                    ..
                }
            ),
            "{error}"
        );
    }
    let longer = [value.as_slice(), &[0]].concat();
    assert!(
        one(&key, &longer)
            .unwrap_err()
            .to_string()
            .contains("1 bytes follow its end")
    );
    let error = one("sampler/3/part/b/0", &value).unwrap_err();
    assert!(matches!(error, StateError::Misplaced { .. }), "{error}");

    let other = TaskName {
        stage: "universe".to_owned(),
        partition: 3,
    };
    let mixed = encode_snapshot(&other, id(1), &[part("a", 1, 9)]);
    let error = whole(&compacted(mixed.into_iter().chain([(key, value)]))).unwrap_err();
    assert!(matches!(error, StateError::Mixed { .. }), "{error}");
}

#[test]
fn a_part_that_is_something_else_is_refused() {
    let bytes = encode_part(&("text", 1_u8)).unwrap();
    assert_eq!(
        decode_part::<(String, u8)>(&bytes).unwrap(),
        ("text".to_owned(), 1)
    );
    assert!(decode_part::<u8>(&bytes).is_err());
}

proptest! {
    #[test]
    fn parts_keep_doubles_exactly(bits: Vec<u64>) {
        let numbers: Vec<f64> = bits.iter().copied().map(f64::from_bits).filter(|number| !number.is_nan()).collect();
        let bytes = encode_part(&numbers).unwrap();
        let again: Vec<u64> = decode_part::<Vec<f64>>(&bytes).unwrap().into_iter().map(f64::to_bits).collect();
        prop_assert_eq!(again, numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>());
    }

    #[test]
    fn heads_come_back(
        offset: i64,
        snapshot in prop::option::of(any::<(u64, i64)>()),
        idle: Vec<(i64, i64)>,
        extra: BTreeMap<String, u64>,
    ) {
        let snapshot = snapshot.map(|(sequence, offset)| SnapshotId { sequence, offset });
        let idle = idle.into_iter().map(|(at, until)| (at, EventTime::from_nanos(until))).collect();
        let head = Head { offset, snapshot, idle, extra };
        prop_assert_eq!(Head::decode(&head.encode().unwrap()).unwrap(), head);
    }

    /// Whatever is lost, what comes back is a snapshot that was written, whole.
    #[test]
    fn never_half_a_snapshot(
        parts in prop::collection::btree_map("[a-c](/[a-c])?", prop::collection::vec(any::<u8>(), 0..40), 1..5),
        kept in prop::collection::vec(any::<bool>(), 5), rounds in 1_u64..4,
    ) {
        let snapshots: Vec<Records> = (0..rounds).map(|sequence| {
            let with_round = |(name, bytes): (&String, &Vec<u8>)| {
                (name.clone(), [bytes.as_slice(), &[sequence as u8]].concat())
            };
            parts.iter().map(with_round).collect()
        }).collect();
        let mut records = BTreeMap::new();
        for (sequence, parts) in (0..).zip(&snapshots) {
            let is_last = sequence + 1 == rounds;
            let written = encode_snapshot(&task(), id(sequence), parts);
            let keep = |at: usize| !is_last || kept[at];
            records.extend(written.into_iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, record)| record));
        }
        let complete = kept.iter().take(parts.len()).all(|kept| *kept);
        match whole(&records).unwrap() {
            Some(found) => prop_assert_eq!(found.parts, parts_of(&snapshots[found.id.sequence as usize])),
            None => prop_assert!(!complete),
        }
    }

    #[test]
    fn noise_is_an_error_and_nothing_worse(noise: Vec<u8>) {
        let records = BTreeMap::from([("sampler/3/part/a/0".to_owned(), noise.clone())]);
        prop_assert!(whole(&records).is_err());
        prop_assert!(Head::<()>::decode(&noise).is_err());
    }
}
