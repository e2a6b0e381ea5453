//! A restored task must be where it was, whatever the batches, decisions and gaps before.

use super::*;
use crate::stage::task::StampKind;

/// Puts out everything it sees, numbered; its state is the number.
#[derive(Default)]
struct Numbering {
    seen: u64,
    unsaid: u64,
}

impl Numbering {
    fn say(&mut self, what: &str, out: &mut Outbox) {
        self.seen += 1;
        self.unsaid += 1;
        out.send(0, b"", format!("{} {what}", self.seen).as_bytes());
    }
}

impl Task for Numbering {
    fn step(&mut self, record: &InputRecord<'_>, out: &mut Outbox) {
        self.say(&format!("record {}", record.offset), out);
    }
    fn end_of_batch(&mut self, out: &mut Outbox) {
        if self.unsaid > 0 {
            self.unsaid = 0;
            out.send(1, b"", self.seen.to_string().as_bytes());
        }
    }
    fn idle(&mut self, idle: Idle, out: &mut Outbox) {
        self.say(&format!("idle {}", idle.now), out);
    }
    fn empty(&mut self, out: &mut Outbox) {
        self.say("empty", out);
    }
    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        assert_eq!(
            self.unsaid, 0,
            "snapshots are taken after the end of a batch"
        );
        vec![("seen".to_owned(), self.seen.to_be_bytes().to_vec())]
    }
    fn restore(&mut self, parts: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        let [(_, bytes)] = parts.as_slice() else {
            return Err(format!("{} parts, expected 1", parts.len()));
        };
        self.seen = u64::from_be_bytes(bytes.as_slice().try_into().map_err(|_| "not 8 bytes")?);
        Ok(())
    }
}

fn worker() -> Worker {
    Worker::new(Box::new(|_| Box::new(Numbering::default())), true)
}

fn new_task(position: Option<i64>, parts: Option<Parts>, replay: Option<Replay>) -> NewTask {
    NewTask {
        partition: 0,
        position,
        timestamp: None,
        parts,
        replay,
    }
}

fn work(offsets: &[i64], decisions: &[Decision]) -> Work {
    let mut batch = Batch::default();
    for &offset in offsets {
        batch.push(&InputRecord {
            partition: 0,
            offset,
            timestamp: Some((1_000 + offset, StampKind::Append)),
            key: None,
            payload: Some(b"x"),
            trace: None,
        });
    }
    Work {
        batch,
        decisions: decisions.iter().map(|decision| (0, *decision)).collect(),
        snapshots: Vec::new(),
    }
}

fn idle(at: i64, now: i64) -> Decision {
    Decision {
        at,
        kind: DecisionKind::Idle { now, last: 0 },
    }
}

/// What went to the topic of this index.
fn said(done: &Done, topic: usize) -> Vec<String> {
    let of_topic = done.outbox.iter().filter(|(to, ..)| *to == topic);
    of_topic
        .map(|(_, _, payload)| String::from_utf8(payload.unwrap().to_vec()).unwrap())
        .collect()
}

/// Offsets with gaps, where control markers or compacted records were.
const OFFSETS: [i64; 8] = [0, 1, 2, 5, 6, 9, 10, 11];

#[test]
fn replay_ends_where_the_commit_was_however_batches_are_cut() {
    // Live: two records, a snapshot at the end of the batch; then decisions among further records.
    let mut live = worker();
    live.add(vec![new_task(None, None, None)]).ok().unwrap();
    let first = live.work(work(&OFFSETS[..2], &[]));
    let parts = first.progress[0]
        .snapshot
        .clone()
        .expect("a new task's first commit has a snapshot");
    let decisions = [idle(3, 70), idle(3, 71), idle(7, 72)];
    live.work(work(&OFFSETS[2..3], &decisions[..1]));
    live.work(work(&[], &decisions[1..2]));
    let last = live.work(work(&OFFSETS[3..5], &decisions[2..]));
    let head = last.progress[0].position;
    assert_eq!(head, 7);
    let expected = live.work(work(&OFFSETS[5..], &[]));

    for cut in 0..=OFFSETS.len() - 2 {
        let mut again = worker();
        let replay = Replay {
            until: head,
            decisions: decisions.into(),
        };
        let added = again
            .add(vec![new_task(Some(2), Some(parts.clone()), Some(replay))])
            .ok()
            .unwrap();
        assert!(added.caught_up.is_empty());
        let rest = &OFFSETS[2..];
        let one = again.work(work(&rest[..cut], &[]));
        let two = again.work(work(&rest[cut..], &[]));
        let caught_up = one.caught_up.len() + two.caught_up.len();
        assert_eq!(caught_up, 1, "cut at {cut}");
        let records: Vec<String> = said(&one, 0).into_iter().chain(said(&two, 0)).collect();
        assert_eq!(records, said(&expected, 0), "cut at {cut}");
        // How sums are cut depends on batches; where they end does not.
        let sums: Vec<String> = said(&one, 1).into_iter().chain(said(&two, 1)).collect();
        assert_eq!(sums.last(), said(&expected, 1).last(), "cut at {cut}");
    }
}

#[test]
fn a_task_whose_snapshot_is_at_the_head_is_live_at_once() {
    let mut worker = worker();
    let parts = vec![("seen".to_owned(), 4_u64.to_be_bytes().to_vec())];
    let replay = Replay {
        until: 2,
        decisions: [idle(2, 9)].into(),
    };
    let added = worker
        .add(vec![new_task(Some(2), Some(parts), Some(replay))])
        .ok()
        .unwrap();
    assert_eq!(added.caught_up, [0]);
    assert!(
        added.outbox.records().is_empty(),
        "what was decided before is not said again"
    );
    let done = worker.work(work(&[2], &[]));
    assert_eq!(said(&done, 0), ["6 record 2"]);
}

#[test]
fn replay_ends_at_the_first_record_beyond_the_head_where_those_before_are_gone() {
    let mut worker = worker();
    let replay = Replay {
        until: 7,
        decisions: VecDeque::new(),
    };
    worker
        .add(vec![new_task(Some(2), None, Some(replay))])
        .ok()
        .unwrap();
    let done = worker.work(work(&[9], &[]));
    assert_eq!(done.caught_up, [0]);
    assert_eq!(said(&done, 0), ["1 record 9"]);
    assert_eq!(done.progress[0].position, 10);
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told() {
    let failed = worker().add(vec![new_task(Some(2), Some(Vec::new()), None)]);
    let failed = failed.err().expect("no parts are not a state");
    assert_eq!(
        (failed.partition, failed.reason.as_str()),
        (0, "0 parts, expected 1")
    );
}

#[test]
fn records_of_tasks_that_are_gone_are_passed_over() {
    let mut worker = worker();
    worker.add(vec![new_task(None, None, None)]).ok().unwrap();
    *worker.slot(0) = None;
    let done = worker.work(work(&[0, 1], &[]));
    assert!(done.outbox.records().is_empty() && done.progress.is_empty());
}

/// Its state is of another configuration; it says so once.
struct Leaving(Numbering, bool);

impl Task for Leaving {
    fn step(&mut self, record: &InputRecord<'_>, out: &mut Outbox) {
        self.0.step(record, out);
    }
    fn end_of_batch(&mut self, out: &mut Outbox) {
        if self.1 && !out.replaying() {
            self.1 = false;
            out.send(0, b"", b"farewell");
        }
        self.0.end_of_batch(out);
    }
    fn idle(&mut self, idle: Idle, out: &mut Outbox) {
        self.0.idle(idle, out);
    }
    fn empty(&mut self, out: &mut Outbox) {
        self.0.empty(out);
    }
    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        self.0.snapshot()
    }
    fn restore(&mut self, parts: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        self.1 = true;
        self.0.restore(parts)
    }
    fn leaves_behind(&self) -> Option<String> {
        self.1.then(|| "rule a removed".to_owned())
    }
}

fn leaving() -> TaskFactory {
    Box::new(|_| Box::new(Leaving(Numbering::default(), false)))
}

fn replay(until: i64) -> Option<Replay> {
    let decisions = VecDeque::new();
    Some(Replay { until, decisions })
}

#[test]
fn what_a_new_configuration_ends_is_told_with_a_snapshot_and_only_where_nothing_is_stepped_again() {
    let mut first = worker();
    first.add(vec![new_task(None, None, None)]).ok().unwrap();
    let parts = first.work(work(&[0, 1], &[])).progress[0].snapshot.clone();

    let mut next = Worker::new(leaving(), true);
    let same = new_task(Some(2), parts.clone(), replay(2));
    assert_eq!(next.add(vec![same]).ok().unwrap().caught_up, [0]);
    let done = next.work(work(&[], &[]));
    assert_eq!(said(&done, 0), ["farewell"]);
    assert!(done.progress[0].snapshot.is_some(), "in the same commit");
    let done = next.work(work(&[2], &[]));
    assert_eq!(said(&done, 0), ["3 record 2"]);
    assert!(done.progress[0].snapshot.is_none());

    let behind = new_task(Some(2), parts, replay(3));
    let Err(failed) = Worker::new(leaving(), true).add(vec![behind]) else {
        panic!("records were stepped with another configuration");
    };
    let reason = failed.reason;
    assert!(
        reason.contains("rule a removed") && reason.contains("SIGTERM"),
        "{reason}"
    );
}

#[test]
fn a_reload_goes_on_where_a_restart_would_and_commits_a_snapshot() {
    let mut reloaded = worker();
    reloaded.add(vec![new_task(None, None, None)]).ok().unwrap();
    reloaded.work(work(&[0, 1, 2], &[]));
    let (answer, answers) = std::sync::mpsc::channel();
    let factory = leaving();
    let done = reloaded.reload(Request { factory, answer });
    assert_eq!(answers.try_recv(), Ok(Ok(())));
    assert_eq!(said(&done, 0), ["farewell"]);
    let progress = &done.progress[0];
    assert_eq!((progress.position, progress.timestamp), (3, Some(1_002)));
    let parts = progress.snapshot.clone();
    assert!(parts.is_some());

    let mut restarted = worker();
    restarted
        .add(vec![new_task(Some(3), parts, replay(3))])
        .ok()
        .unwrap();
    let (one, other) = (
        reloaded.work(work(&[5, 6], &[])),
        restarted.work(work(&[5, 6], &[])),
    );
    assert_eq!(said(&one, 0), said(&other, 0));
    assert_eq!(said(&one, 0), ["4 record 5", "5 record 6"]);
}

#[test]
fn a_reload_that_one_task_refuses_changes_none() {
    struct Refusing(Numbering);
    impl Task for Refusing {
        fn step(&mut self, record: &InputRecord<'_>, out: &mut Outbox) {
            self.0.step(record, out);
        }
        fn end_of_batch(&mut self, out: &mut Outbox) {
            self.0.end_of_batch(out);
        }
        fn idle(&mut self, _: Idle, _: &mut Outbox) {}
        fn empty(&mut self, _: &mut Outbox) {}
        fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
            Vec::new()
        }
        fn restore(&mut self, _: Vec<(String, Vec<u8>)>) -> Result<(), String> {
            Err("not mine".to_owned())
        }
    }
    let mut worker = worker();
    let second = NewTask {
        partition: 1,
        ..new_task(None, None, None)
    };
    worker
        .add(vec![new_task(None, None, None), second])
        .ok()
        .unwrap();
    worker.work(work(&[0], &[]));
    let (answer, answers) = std::sync::mpsc::channel();
    let factory: TaskFactory = Box::new(|partition| match partition {
        0 => Box::new(Leaving(Numbering::default(), false)),
        _ => Box::new(Refusing(Numbering::default())),
    });
    let done = worker.reload(Request { factory, answer });
    assert_eq!(
        answers.try_recv(),
        Ok(Err("partition 1: not mine".to_owned()))
    );
    assert!(done.outbox.iter().next().is_none() && done.progress.is_empty());
    assert_eq!(said(&worker.work(work(&[1], &[])), 0), ["2 record 1"]);
}
