//! An event of the alert topic, as targets are told of it.

use crate::view::episode_link;
use rotation_engine::alert::{Alert, Fact, Notify, Severity};
use rotation_engine::time::EventTime;
use rotation_wire::alerts::{AlertError, AlertEvent};
use std::fmt::Write;

/// An event where it was read.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) alert: Alert,
    /// The bytes as published.
    pub(crate) bytes: Vec<u8>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When it was published, in milliseconds since 1970.
    pub(crate) published: i64,
    /// Its page.
    pub(crate) link: Option<String>,
}

/// What of an episode a target may sort by, and what an alert of Alertmanager is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) severity: Severity,
    pub(crate) notify: Notify,
}

impl Look {
    pub(crate) fn of(alert: &Alert) -> Look {
        Look {
            severity: alert.severity,
            notify: alert.notify,
        }
    }

    pub(crate) fn notify_name(self) -> &'static str {
        match self.notify {
            Notify::Digest => "digest",
            Notify::Chat => "chat",
            Notify::Page => "page",
        }
    }
}

impl Event {
    /// Reads an event.
    pub(crate) fn read(bytes: &[u8], public_url: Option<&str>) -> Result<Event, AlertError> {
        let alert = AlertEvent::decode(bytes)?.alert;
        let link = public_url.map(|url| episode_link(url, &alert.episode));
        Ok(Event {
            alert,
            bytes: bytes.to_vec(),
            key: None,
            partition: 0,
            offset: 0,
            published: 0,
            link,
        })
    }

    /// When its episode began.
    pub(crate) fn since(&self) -> EventTime {
        let nanos = self.alert.duration_seconds.saturating_mul(1_000_000_000);
        self.alert.as_of.saturating_sub(nanos)
    }

    /// What it stands on, in a line: the first plain values of the evidence.
    pub(crate) fn evidence(&self) -> String {
        const SHOWN: usize = 12;
        let mut text = String::new();
        for (key, fact) in self.alert.evidence.iter().take(SHOWN) {
            let value = match fact {
                Fact::Flag(flag) => flag.to_string(),
                Fact::Count(count) => count.to_string(),
                Fact::Number(number) => number.to_string(),
                Fact::Text(text) => short(text, 60),
                Fact::Group(_) | Fact::List(_) => continue,
            };
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{key} {value}");
        }
        text
    }
}

/// A text cut to so many characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
