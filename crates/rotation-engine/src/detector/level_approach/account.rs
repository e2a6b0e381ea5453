//! What `level_approach` says of itself.

use super::{
    CLOSED_BEYOND, Decimal, Episode, Params, Phase, RETREATED, Side, State, TOUCHED, VELOCITIES_MIN,
};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, Names, Unit, text};
use std::cmp::Ordering;

impl State {
    pub(super) fn tell(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let unit = names.units.first().copied().unwrap_or_default();
        let edge = |edge: Decimal| text::value(self.edges.value(edge), unit);
        let (arm, through) = (edge(self.edges.arm), edge(self.edges.through));
        let (back, past) = match params.from {
            Side::Below => ("below", "above"),
            Side::Above => ("above", "below"),
        };
        let what = if self.is_session { "close" } else { "value" };
        Account {
            evidence: self.evidence(params, unit, change),
            headline: self.headline(params, unit, change),
            reverses: format!("a {what} {back} {arm} (retreated) or {past} {through} (through)"),
            direction: Some(match params.from {
                Side::Below => Direction::Up,
                Side::Above => Direction::Down,
            }),
        }
    }

    /// How far short of the level the last value is; negative past it.
    fn distance(&self) -> Decimal {
        self.edges.level.minus(self.at)
    }

    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.phase == Phase::Open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, unit: Unit, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let (suffix, scale) = match unit {
            Unit::Percent => ("_bp", 100.0),
            Unit::Price | Unit::Ratio | Unit::Number => ("", 1.0),
        };
        let distance = self.distance().to_f64();
        put("level", params.level.into());
        put(
            &format!("distance{suffix}"),
            round(distance * scale, 6).into(),
        );
        put("velocity_sessions", params.velocity_sessions.into());
        if let Some(velocity) = self.velocity {
            let signed = self.edges.signed(velocity * scale);
            put(&format!("velocity{suffix}"), round(signed, 6).into());
            if velocity > 0.0 && distance > 0.0 {
                put("sessions_to_touch", round(distance / velocity, 1).into());
            }
        }
        if let Some(z) = self.velocity_z() {
            put("velocity_z", round(self.edges.signed(z), 2).into());
        }
        if let Some(episode) = self.told(change) {
            let mut peak = Evidence::new();
            peak.insert("value".to_owned(), self.edges.value(episode.peak).into());
            peak.insert("date".to_owned(), episode.peak_date.into());
            put("peak", peak.into());
            put("armed_since", episode.armed_since.into());
            put("touched", episode.is_touched.into());
            put("closed_beyond", episode.is_closed_beyond.into());
        } else if let Phase::Armed(since) = self.phase {
            put("armed_since", since.into());
        }
        evidence
    }

    /// The last velocity among those before it, in robust standard deviations toward the level.
    fn velocity_z(&self) -> Option<f64> {
        let velocity = self
            .velocity
            .filter(|_| self.velocities.len() >= VELOCITIES_MIN)?;
        self.velocities.robust_z(velocity)
    }

    fn headline(&self, params: &Params, unit: Unit, change: &Change) -> String {
        let series = &params.series;
        let (value, level) = (
            text::value(self.value, unit),
            text::value(params.level, unit),
        );
        let distance = self.distance();
        let gap = text::difference(distance.to_f64().abs(), unit);
        let place = match distance.cmp(&Decimal::ZERO) {
            Ordering::Greater => format!("{gap} from {level}"),
            Ordering::Equal => format!("the level {level}"),
            Ordering::Less => format!("{gap} past {level}"),
        };
        let peak = self.told(change).map(|episode| {
            let peak = text::value(self.edges.value(episode.peak), unit);
            format!("{peak} on {}", episode.peak_date)
        });
        match (change, peak) {
            (Change::Resolve(RETREATED), Some(peak)) => {
                format!("{series} retreated to {value}, {place}; it came to {peak}")
            }
            (Change::Resolve(_), Some(_)) => format!("{series} went through {level}, to {value}"),
            (Change::Open(CLOSED_BEYOND) | Change::Escalate(CLOSED_BEYOND), _) => {
                format!(
                    "{series} closed past {level}, at {value}{}",
                    self.pace(params, unit)
                )
            }
            (Change::Open(TOUCHED) | Change::Escalate(_), _) => {
                format!(
                    "{series} touched {level}, at {value}{}",
                    self.pace(params, unit)
                )
            }
            (_, _) => {
                format!("{series} at {value}, {place}{}", self.pace(params, unit))
            }
        }
    }

    /// The velocity in words, where it is known.
    fn pace(&self, params: &Params, unit: Unit) -> String {
        let Some(velocity) = self.velocity else {
            return String::new();
        };
        let sign = if self.edges.signed(velocity) < 0.0 {
            "−"
        } else {
            "+"
        };
        let pace = text::difference(velocity.abs(), unit);
        let over = text::counted(params.velocity_sessions, "session");
        format!("; {sign}{pace} a session over {over}")
    }
}
