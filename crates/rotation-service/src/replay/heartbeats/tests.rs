use super::*;

/// Each event is a record's time; what is said is written as `time@due`, and `.` stands for the record itself.
fn schedule(options: &HeartbeatOptions, times: &[&str]) -> Vec<String> {
    let mut heartbeats = Heartbeats::new(options.clone());
    let mut said = Vec::new();
    let show = |heartbeat: Heartbeat| format!("{}@{}", heartbeat.time, heartbeat.due);
    for time in times {
        let time = time.parse().unwrap();
        while let Some(heartbeat) = heartbeats.before(time) {
            said.push(show(heartbeat));
        }
        said.push(".".to_owned());
        heartbeats.passed(time);
    }
    said.extend(heartbeats.last().map(show));
    said
}

fn check(options: &HeartbeatOptions, times: &[&str], expected: &[&str]) {
    assert_eq!(schedule(options, times), expected, "records at {times:?}");
}

fn bond_and_stock() -> HeartbeatOptions {
    HeartbeatOptions {
        calendars: vec![Calendar::Xnys, Calendar::UsBond],
        ..HeartbeatOptions::default()
    }
}

#[test]
fn a_session_end_is_said_before_the_first_record_that_is_later_by_the_lateness() {
    check(
        &HeartbeatOptions::default(),
        &[
            "2026-01-02T20:59:59Z",
            "2026-01-02T21:00:00Z",
            "2026-01-02T21:00:30Z",
            "2026-01-02T21:00:30.000000001Z",
        ],
        &[
            ".",
            ".",
            ".",
            "2026-01-02T21:00:00.000000001Z@2026-01-02T21:00:30.000000001Z",
            ".",
            "2026-01-03T09:00:01Z@2026-01-02T21:00:30.000000001Z",
        ],
    );
}

#[test]
fn each_calendar_ends_its_sessions() {
    // Daily rows: stocks at 16:00 and yields at 17:00 New York time, Friday and Monday.
    check(
        &bond_and_stock(),
        &[
            "2026-01-09T21:00:00Z",
            "2026-01-09T22:00:00Z",
            "2026-01-12T21:00:00Z",
            "2026-01-12T22:00:00Z",
        ],
        &[
            ".",
            "2026-01-09T21:00:00.000000001Z@2026-01-09T21:00:30.000000001Z",
            ".",
            "2026-01-09T22:00:00.000000001Z@2026-01-09T22:00:30.000000001Z",
            ".",
            "2026-01-12T21:00:00.000000001Z@2026-01-12T21:00:30.000000001Z",
            ".",
            // Past the correction windows of both.
            "2026-01-13T10:00:01Z@2026-01-12T22:00:00Z",
        ],
    );
}

#[test]
fn calendars_that_end_together_say_it_once() {
    let options = HeartbeatOptions {
        calendars: vec![Calendar::Xnys, Calendar::Xnys],
        ..HeartbeatOptions::default()
    };
    let one = HeartbeatOptions::default();
    let times = ["2026-01-02T21:00:00Z", "2026-01-05T21:00:00Z"];
    assert_eq!(schedule(&options, &times), schedule(&one, &times));
    assert_eq!(schedule(&options, &times).len(), 4);
}

#[test]
fn of_sessions_without_a_record_the_first_and_the_last_end_are_said() {
    check(
        &HeartbeatOptions::default(),
        &[
            "2026-01-02T18:00:00Z",
            "2026-01-22T18:00:00Z",
            "2026-01-22T22:00:00Z",
        ],
        &[
            ".",
            "2026-01-02T21:00:00.000000001Z@2026-01-02T21:00:30.000000001Z",
            "2026-01-21T21:00:00.000000001Z@2026-01-21T21:00:30.000000001Z",
            ".",
            "2026-01-22T21:00:00.000000001Z@2026-01-22T21:00:30.000000001Z",
            ".",
            "2026-01-23T09:00:01Z@2026-01-22T22:00:00Z",
        ],
    );
}

#[test]
fn early_closes_and_holidays_are_those_of_the_calendar() {
    // 2025-11-27 is Thanksgiving; on the day after, stocks close at 13:00.
    check(
        &HeartbeatOptions::default(),
        &[
            "2025-11-26T21:00:00Z",
            "2025-11-28T18:00:00Z",
            "2025-12-01T15:00:00Z",
        ],
        &[
            ".",
            "2025-11-26T21:00:00.000000001Z@2025-11-26T21:00:30.000000001Z",
            ".",
            "2025-11-28T18:00:00.000000001Z@2025-11-28T18:00:30.000000001Z",
            ".",
            // The last record lies within Monday's session, which the heartbeat ends.
            "2025-12-02T09:00:01Z@2025-12-01T15:00:00Z",
        ],
    );
}

#[test]
fn closing_and_correction_windows_move_the_ends() {
    let options = HeartbeatOptions {
        lateness: 0,
        closing_window: 5 * 60 * SECOND,
        correction_window: 60 * SECOND,
        ..HeartbeatOptions::default()
    };
    check(
        &options,
        &[
            "2026-01-02T21:03:00Z",
            "2026-01-02T21:05:00Z",
            "2026-01-02T21:05:00.000000001Z",
        ],
        &[
            ".",
            ".",
            "2026-01-02T21:05:00.000000001Z@2026-01-02T21:05:00.000000001Z",
            ".",
            // The longer window counts, and a record behind it belongs to no later session.
            "2026-01-02T21:05:01Z@2026-01-02T21:05:00.000000001Z",
        ],
    );
}

#[test]
fn late_records_bring_nothing_again() {
    check(
        &HeartbeatOptions::default(),
        &[
            "2026-01-02T20:00:00Z",
            "2026-01-05T15:00:00Z",
            "2026-01-02T20:59:00Z",
            "2026-01-05T15:00:01Z",
        ],
        &[
            ".",
            "2026-01-02T21:00:00.000000001Z@2026-01-02T21:00:30.000000001Z",
            ".",
            ".",
            ".",
            "2026-01-06T09:00:01Z@2026-01-05T15:00:01Z",
        ],
    );
}

#[test]
fn a_record_beyond_the_ceiling_is_no_progress() {
    let options = HeartbeatOptions {
        ceiling: "2026-01-05T22:00:00Z".parse().unwrap(),
        ..HeartbeatOptions::default()
    };
    check(
        &options,
        &[
            "2026-01-02T20:00:00Z",
            "2100-01-01T00:00:00Z",
            "2026-01-05T15:00:00Z",
            "2100-01-01T00:00:00Z",
        ],
        &[
            ".",
            ".",
            "2026-01-02T21:00:00.000000001Z@2026-01-02T21:00:30.000000001Z",
            ".",
            ".",
            // No later than the ceiling, although the session's corrections are not over.
            "2026-01-05T22:00:00Z@2026-01-05T15:00:00Z",
        ],
    );
}

#[test]
fn before_the_calendar_begins_nothing_is_said_and_nothing_without_records() {
    check(&HeartbeatOptions::default(), &[], &[]);
    // XNYS is known from 1987-01-02 on.
    let options = HeartbeatOptions::default();
    let said = schedule(&options, &["1962-01-02T22:00:00Z", "1962-01-03T22:00:00Z"]);
    assert_eq!(
        said,
        [".", ".", "1962-01-03T22:00:30Z@1962-01-03T22:00:00Z"]
    );
    let said = schedule(&options, &["1986-12-30T22:00:00Z", "1987-01-05T22:00:00Z"]);
    assert_eq!(
        said[1],
        "1987-01-02T21:00:00.000000001Z@1987-01-02T21:00:30.000000001Z"
    );
}

#[test]
fn what_has_no_calendar_ends_by_the_lateness() {
    let options = HeartbeatOptions {
        calendars: Vec::new(),
        ..HeartbeatOptions::default()
    };
    check(
        &options,
        &["2026-01-02T20:00:00Z", "2026-01-05T15:00:00Z"],
        &[".", ".", "2026-01-05T15:00:30Z@2026-01-05T15:00:00Z"],
    );
}

#[test]
fn markets_that_never_close_end_their_days_at_midnight() {
    let options = HeartbeatOptions {
        calendars: vec![Calendar::AlwaysOpen],
        ..HeartbeatOptions::default()
    };
    check(
        &options,
        &["2026-01-02T20:00:00Z", "2026-01-03T00:01:00Z"],
        &[
            ".",
            "2026-01-03T00:00:00Z@2026-01-03T00:00:30Z",
            ".",
            "2026-01-04T12:00:00.999999999Z@2026-01-03T00:01:00Z",
        ],
    );
}

#[test]
fn the_schedule_never_goes_back() {
    let times: Vec<EventTime> = (0..20_000_i64)
        .map(|step| EventTime::from_nanos((step * 7_919 % 20_000 + step) * 600 * SECOND))
        .collect();
    let mut heartbeats = Heartbeats::new(bond_and_stock());
    let mut last = EventTime::MIN;
    for time in times {
        while let Some(heartbeat) = heartbeats.before(time) {
            assert!(heartbeat.time > last, "{} after {last}", heartbeat.time);
            assert!(
                heartbeat.due <= time,
                "{} before a record at {time}",
                heartbeat.due
            );
            last = heartbeat.time;
        }
        heartbeats.passed(time);
    }
    assert!(last > EventTime::MIN);
    assert!(heartbeats.last().unwrap().time > last);
}
