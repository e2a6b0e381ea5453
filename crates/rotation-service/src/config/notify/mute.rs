//! `[notify.windows.NAME]`: spans of the wall clock in which nobody is told.

use super::{is_name, name_bound};
use crate::config::document::KeyPath;
use crate::config::error::Problem;
use crate::config::reader::Reader;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Value;

/// Windows that touch are one; more of them than this in a row are taken to end here.
const CHAIN_MAX: usize = 400;

/// `[notify.windows.NAME]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MuteSpec {
    /// Time of day at which the window begins, as `22:00`. Default: midnight.
    from: Option<String>,
    /// Time of day at which it ends; on the next day where it is not after `from`. Default: midnight.
    to: Option<String>,
    /// The days on which it begins: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Default: all.
    weekdays: Option<Vec<String>>,
    /// The first date on which it begins. Default: ever.
    first: Option<String>,
    /// The last date on which it begins. Default: for ever.
    last: Option<String>,
    /// The time zone of all this, such as `America/New_York`. Default `UTC`.
    timezone: Option<String>,
}

/// A mute window.
#[derive(Clone, Debug, PartialEq)]
pub struct Mute {
    /// Its name.
    pub name: String,
    from: Time,
    to: Time,
    weekdays: Vec<Weekday>,
    first: Option<Date>,
    last: Option<Date>,
    timezone: TimeZone,
}

impl Mute {
    /// The end of the window that an instant is in; none where it is in none.
    pub fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let date = at.to_zoned(self.timezone.clone()).date();
        let yesterday = date.yesterday().ok();
        let spans = [yesterday, Some(date)].into_iter().flatten();
        let ends = spans.filter_map(|date| {
            let (from, to) = self.span(date)?;
            (from <= at && at < to).then_some(to)
        });
        ends.max()
    }

    /// The window that begins on a date.
    fn span(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let within = self.first.is_none_or(|first| first <= date)
            && self.last.is_none_or(|last| date <= last);
        if !within || !self.weekdays.contains(&date.weekday()) {
            return None;
        }
        let end = match self.to > self.from {
            true => date,
            false => date.checked_add(1.day()).ok()?,
        };
        let instant = |date: Date, time: Time| {
            let zoned = date.to_datetime(time).to_zoned(self.timezone.clone());
            Some(zoned.ok()?.timestamp())
        };
        Some((instant(date, self.from)?, instant(end, self.to)?))
    }
}

/// The end of the span in which at least one of the windows mutes, from an instant on; none where none does then.
pub(crate) fn muted_until<'a>(
    windows: impl Iterator<Item = &'a Mute> + Clone,
    at: Timestamp,
) -> Option<Timestamp> {
    let mut end = None;
    for _ in 0..CHAIN_MAX {
        let now = end.unwrap_or(at);
        match windows.clone().filter_map(|window| window.until(now)).max() {
            Some(later) => end = Some(later),
            None => break,
        }
    }
    end
}

/// Reads the windows by name.
pub(super) fn read_all(
    reader: &mut Reader<'_>,
    value: Value,
    at: &KeyPath,
) -> BTreeMap<String, Mute> {
    let mut windows = BTreeMap::new();
    let Value::Table(table) = value else {
        reader.bad_value(at, "a table", "");
        return windows;
    };
    for (name, value) in table {
        let at = at.key(&name);
        if !is_name(&name) {
            let expected = name_bound();
            let found = format!("\"{name}\"");
            reader.fault(&at, Problem::Value { expected, found });
            continue;
        }
        let window = match value {
            Value::Table(table) => {
                let spec = reader.read(table, &at);
                spec.and_then(|spec| read(reader, &name, spec, &at))
            }
            _ => {
                reader.bad_value(&at, "a table", "");
                None
            }
        };
        windows.extend(window.map(|window| (name, window)));
    }
    windows
}

fn read(reader: &mut Reader<'_>, name: &str, spec: MuteSpec, at: &KeyPath) -> Option<Mute> {
    let before = reader.faults();
    let mut parsed =
        |key: &str, text: Option<&str>, expected: &str, is_good: &dyn Fn(&str) -> bool| {
            if let Some(text) = text.filter(|text| !is_good(text)) {
                reader.bad_value(&at.key(key), expected, text);
            }
        };
    let time = |text: &str| Time::strptime("%H:%M", text).ok();
    let date = |text: &str| text.parse::<Date>().ok();
    let zone = |name: &str| TimeZone::get(name).ok();
    let clock = "a time of day such as \"22:00\"";
    parsed("from", spec.from.as_deref(), clock, &|text| {
        time(text).is_some()
    });
    parsed("to", spec.to.as_deref(), clock, &|text| {
        time(text).is_some()
    });
    let day = "a date such as 2026-01-31";
    parsed("first", spec.first.as_deref(), day, &|text| {
        date(text).is_some()
    });
    parsed("last", spec.last.as_deref(), day, &|text| {
        date(text).is_some()
    });
    let place = "a time zone such as \"America/New_York\"";
    parsed("timezone", spec.timezone.as_deref(), place, &|text| {
        zone(text).is_some()
    });
    let all: Vec<String> = WEEKDAYS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let written = spec.weekdays.unwrap_or(all);
    for day in written.iter().filter(|day| weekday(day).is_none()) {
        let known = WEEKDAYS.iter().map(|(name, _)| *name);
        reader.fault(&at.key("weekdays"), Problem::unknown_value(day, known));
    }
    if written.is_empty() {
        reader.bad_value(&at.key("weekdays"), "at least one day", "none");
    }
    if reader.faults() > before {
        return None;
    }
    Some(Mute {
        name: name.to_owned(),
        from: spec.from.as_deref().and_then(time).unwrap_or_default(),
        to: spec.to.as_deref().and_then(time).unwrap_or_default(),
        weekdays: written.iter().filter_map(|day| weekday(day)).collect(),
        first: spec.first.as_deref().and_then(date),
        last: spec.last.as_deref().and_then(date),
        timezone: zone(spec.timezone.as_deref().unwrap_or("UTC"))?,
    })
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn weekday(name: &str) -> Option<Weekday> {
    let found = WEEKDAYS.iter().find(|(known, _)| *known == name);
    found.map(|(_, day)| *day)
}
