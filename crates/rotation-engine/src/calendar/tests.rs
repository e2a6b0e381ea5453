use std::path::PathBuf;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use super::*;

mod data;

fn time(text: &str) -> EventTime {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn all(calendar: Calendar) -> Vec<Session> {
    calendar.sessions(Date::MIN, Date::MAX).collect()
}

/// Hours and minutes in New York, `09:30-16:00`.
fn hours(session: Session) -> String {
    let new_york = TimeZone::get("America/New_York").unwrap();
    let clock = |time: EventTime| {
        jiff::Timestamp::from(time)
            .to_zoned(new_york.clone())
            .strftime("%H:%M")
            .to_string()
    };
    format!("{}-{}", clock(session.open), clock(session.close))
}

#[test]
fn notable_days_of_the_stock_exchange() {
    for &(dates, expected) in data::XNYS_DAYS {
        for text in dates.split(' ') {
            let given = Calendar::Xnys
                .session(day(text))
                .map_or("closed".to_owned(), hours);
            assert_eq!(given, expected, "{text}");
        }
    }
}

#[test]
fn notable_days_of_the_bond_market() {
    for &(dates, trades) in data::US_BOND_DAYS {
        for text in dates.split(' ') {
            assert_eq!(Calendar::UsBond.contains(day(text)), trades, "{text}");
        }
    }
    assert!(
        all(Calendar::UsBond)
            .into_iter()
            .all(|session| hours(session) == "08:00-17:00")
    );
}

#[test]
fn sessions_a_year() {
    for (year, count) in (1987..).zip(data::XNYS_SESSIONS_A_YEAR) {
        let sessions = Calendar::Xnys.sessions(date(year, 1, 1), date(year, 12, 31));
        assert_eq!(sessions.count(), count, "{year}");
    }
}

#[test]
fn session_times_follow_daylight_saving() {
    for (calendar, text, open, close) in [
        // The spring change of the old rule, of the year that the rule changed, and of today's.
        (Calendar::Xnys, "1987-04-03", "14:30:00", "21:00:00"),
        (Calendar::Xnys, "1987-04-06", "13:30:00", "20:00:00"),
        (Calendar::Xnys, "2007-03-09", "14:30:00", "21:00:00"),
        (Calendar::Xnys, "2007-03-12", "13:30:00", "20:00:00"),
        (Calendar::Xnys, "2026-03-06", "14:30:00", "21:00:00"),
        (Calendar::Xnys, "2026-03-09", "13:30:00", "20:00:00"),
        // Autumn.
        (Calendar::Xnys, "2025-10-31", "13:30:00", "20:00:00"),
        (Calendar::Xnys, "2025-11-03", "14:30:00", "21:00:00"),
        // The winter of the oil crisis: summer time from 6 January.
        (Calendar::UsBond, "1974-01-04", "13:00:00", "22:00:00"),
        (Calendar::UsBond, "1974-01-07", "12:00:00", "21:00:00"),
    ] {
        let session = calendar.session(day(text)).unwrap();
        assert_eq!(session.open, time(&format!("{text}T{open}Z")));
        assert_eq!(session.close, time(&format!("{text}T{close}Z")));
    }
}

#[test]
fn every_instant_counts_to_the_first_session_that_has_not_closed() {
    for calendar in [Calendar::Xnys, Calendar::UsBond] {
        let sessions = all(calendar);
        for pair in sessions.windows(2) {
            let (session, next) = (pair[0], pair[1]);
            assert!(session.open < session.close && session.close < next.open);
            let evening = session.close.saturating_add(1);
            for time in [session.open.saturating_sub(1), session.open, session.close] {
                assert_eq!(calendar.session_at_or_after(time), Some(session), "{time}");
            }
            let night = EventTime::from_nanos(next.open.as_nanos() / 2 + evening.as_nanos() / 2);
            for time in [evening, night, next.open.saturating_sub(1)] {
                assert_eq!(calendar.session_at_or_after(time), Some(next), "{time}");
            }
        }
        assert_eq!(
            sessions.first().unwrap().date.year(),
            calendar.first_date().year()
        );
        assert_eq!(sessions.last().unwrap().date, calendar.last_date());
    }
}

#[test]
fn neighbours_are_strictly_before_and_after() {
    for calendar in [Calendar::Xnys, Calendar::UsBond] {
        let sessions = all(calendar);
        let days = calendar.first_date().series(jiff::Span::new().days(1));
        for date in days.take_while(|&date| date <= calendar.last_date()) {
            let split = sessions.partition_point(|session| session.date < date);
            let own = sessions
                .get(split)
                .copied()
                .filter(|session| session.date == date);
            let after = split + usize::from(own.is_some());
            let before = split.checked_sub(1).map(|index| sessions[index]);
            assert_eq!(calendar.session(date), own);
            assert_eq!(calendar.contains(date), own.is_some());
            assert_eq!(calendar.session_before(date), before);
            assert_eq!(calendar.next_session(date), sessions.get(after).copied());
        }
    }
}

#[test]
fn nothing_is_known_beyond_the_dates_covered() {
    for calendar in [Calendar::Xnys, Calendar::UsBond] {
        let (first, last) = (calendar.first_date(), calendar.last_date());
        assert_eq!(calendar.session(first.yesterday().unwrap()), None);
        assert_eq!(calendar.session(last.tomorrow().unwrap()), None);
        assert_eq!(calendar.session_before(first), None);
        assert_eq!(calendar.next_session(last), None);
        // The neighbour is known where it alone is covered, and only there.
        let (outside, far) = (
            first.yesterday().unwrap(),
            first.yesterday().unwrap().yesterday(),
        );
        assert_eq!(
            calendar.next_session(outside).unwrap().date,
            first.tomorrow().unwrap()
        );
        assert_eq!(calendar.next_session(far.unwrap()), None);
        let (outside, far) = (
            last.tomorrow().unwrap(),
            last.tomorrow().unwrap().tomorrow(),
        );
        assert_eq!(calendar.session_before(outside).unwrap().date, last);
        assert_eq!(calendar.session_before(far.unwrap()), None);
        let end = calendar.session(last).unwrap().close;
        for time in [EventTime::MIN, time("1961-12-31T23:59:59Z"), EventTime::MAX] {
            assert_eq!(calendar.session_at_or_after(time), None);
        }
        assert_eq!(calendar.session_at_or_after(end.saturating_add(1)), None);
        for date in [Date::MIN, Date::MAX] {
            assert_eq!(calendar.session(date), None);
            assert_eq!(calendar.session_before(date), None);
            assert_eq!(calendar.next_session(date), None);
        }
    }
    assert_eq!(
        Calendar::Xnys.sessions(date(2031, 1, 1), Date::MAX).next(),
        None
    );
    assert_eq!(
        Calendar::Xnys
            .sessions(Date::MIN, date(1986, 12, 31))
            .next(),
        None
    );
    assert_eq!(
        Calendar::Xnys
            .sessions(date(2026, 1, 9), date(2026, 1, 5))
            .next(),
        None
    );
}

#[test]
fn the_open_calendar_has_a_session_a_day() {
    let calendar = Calendar::AlwaysOpen;
    let saturday = calendar.session(day("2026-08-22")).unwrap();
    assert_eq!(saturday.open, time("2026-08-22T00:00:00Z"));
    assert_eq!(saturday.close, time("2026-08-22T23:59:59.999999999Z"));
    for time in [
        saturday.open,
        saturday.open.saturating_add(1),
        saturday.close,
    ] {
        assert_eq!(calendar.session_at_or_after(time), Some(saturday));
    }
    let sunday = calendar
        .session_at_or_after(saturday.close.saturating_add(1))
        .unwrap();
    assert_eq!(sunday.date, day("2026-08-23"));
    assert_eq!(calendar.next_session(saturday.date), Some(sunday));
    assert_eq!(calendar.session_before(sunday.date), Some(saturday));
    assert_eq!(
        calendar
            .sessions(date(2024, 1, 1), date(2024, 12, 31))
            .count(),
        366
    );

    let (first, last) = (calendar.first_date(), calendar.last_date());
    for date in [first, last] {
        let session = calendar.session(date).unwrap();
        assert_eq!(
            session.close.saturating_since(session.open),
            rule::NANOS_PER_DAY - 1
        );
    }
    assert_eq!(calendar.session(first.yesterday().unwrap()), None);
    assert_eq!(calendar.session(last.tomorrow().unwrap()), None);
    assert_eq!(calendar.session_at_or_after(EventTime::MIN), None);
    assert_eq!(calendar.session_at_or_after(EventTime::MAX), None);
    assert_eq!(calendar.next_session(Date::MAX), None);
    assert_eq!(calendar.session_before(Date::MIN), None);
}

#[test]
fn names_round_trip_and_an_unknown_one_is_told_the_choice() {
    for calendar in Calendar::ALL {
        let json = format!("{:?}", calendar.name());
        assert_eq!(calendar.to_string().parse(), Ok(calendar));
        assert_eq!(serde_json::to_string(&calendar).unwrap(), json);
        assert_eq!(serde_json::from_str::<Calendar>(&json).unwrap(), calendar);
    }
    let parsed = "NYSE".parse::<Calendar>().unwrap_err().to_string();
    let read = serde_json::from_str::<Calendar>(r#""NYSE""#)
        .unwrap_err()
        .to_string();
    for name in ["XNYS", "US-BOND", "24x7", "NYSE"] {
        assert!(parsed.contains(name), "{parsed}");
        assert!(read.contains(name), "{read}");
    }
}

/// The dates of a daily series beside the repository, or `None`, said aloud, where there is none.
fn stored_dates(series: &str) -> Option<Vec<Date>> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/market/daily")
        .join(series)
        .with_extension("csv");
    if !file.exists() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{file:?} is missing"
        );
        eprintln!("SKIPPED: calendar against {series}: {file:?} is missing");
        return None;
    }
    let rows = csv::Reader::from_path(file).unwrap().into_records();
    Some(rows.map(|row| day(&row.unwrap()[0])).collect())
}

#[test]
fn sessions_are_the_dates_of_the_stored_series() {
    for (calendar, series) in [
        (Calendar::Xnys, "GSPC"),
        (Calendar::Xnys, "RUT"),
        (Calendar::Xnys, "SPY"),
        (Calendar::UsBond, "DGS10"),
    ] {
        let Some(mut dates) = stored_dates(series) else {
            continue;
        };
        dates.retain(|&date| date >= calendar.first_date());
        let sessions = calendar.sessions(dates[0], *dates.last().unwrap());
        let expected: Vec<Date> = sessions.map(|session| session.date).collect();
        assert!(dates.len() > 8_000, "{series} has {} dates", dates.len());
        assert_eq!(dates, expected, "{series}");
    }
}
