//! What `policy_cycle` says of itself.

use super::{Move, Params, REVERSED, Run, Seen, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::clock::date_key;
use crate::detector::{Account, Change, Unit, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let run = match change {
            Change::Resolve(_) => self.ended.as_ref(),
            _ => self.run.as_ref(),
        };
        let against = match run.map(|run| run.direction) {
            Some(Direction::Down) => "a hike",
            Some(Direction::Up) => "a cut",
            None => "a move",
        };
        Account {
            evidence: self.evidence(params, run),
            headline: self.headline(params, run, change),
            reverses: format!("{against}, or {} days without a move", params.end_days),
            direction: run.map(|run| run.direction),
        }
    }

    fn evidence(&self, params: &Params, run: Option<&Run>) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let Some(seen) = self.seen else {
            return evidence;
        };
        put("rate", round(seen.rate, 6).into());
        put("rate_since", seen.since.into());
        put("days_unchanged", seen.days_unchanged().into());
        put("paused", self.is_paused.into());
        if let Some([low, high]) = params.neutral {
            put("stance", stance(seen.rate, low, high).into());
        }
        if let Some(terminal) = params.terminal {
            put("to_terminal_bp", basis_points(terminal - seen.rate).into());
        }
        let Some(run) = run else {
            return evidence;
        };
        put("moves", nouns(run.direction).into());
        put("length", run.length.into());
        put("start", run.start.into());
        put("end", run.newest.date.into());
        put("from", round(run.from, 6).into());
        put("to", round(run.newest.to, 6).into());
        put("sum_bp", basis_points(run.sum()).into());
        put("last_bp", basis_points(run.newest.by).into());
        put("pivot", run.is_pivot.into());
        put("last_moves", self.moves_of(run).into());
        if let Some(before) = self.ended.as_ref().filter(|before| *before != run) {
            let previous = Evidence::from([
                ("moves".to_owned(), nouns(before.direction).into()),
                ("length".to_owned(), before.length.into()),
                ("end".to_owned(), before.newest.date.into()),
            ]);
            put("previous", previous.into());
        }
        evidence
    }

    /// The last moves of a run, the newest last.
    fn moves_of(&self, run: &Run) -> Vec<Fact> {
        let dates = run.start..=run.newest.date;
        let moves = self.moves.iter();
        let own =
            moves.filter(|step| dates.contains(&step.date) && step.direction() == run.direction);
        own.map(|step| step.fact()).collect()
    }

    fn headline(&self, params: &Params, run: Option<&Run>, change: &Change) -> String {
        let series = &params.series;
        let Some(seen) = self.seen else {
            return format!("{series} has no rate yet");
        };
        let rate = text::value(seen.rate, Unit::Percent);
        let Some(run) = run else {
            return format!("{series} unchanged at {rate} since {}", seen.since);
        };
        let sum = text::difference(run.sum().abs(), Unit::Percent);
        let moves = match run.length {
            1 => format!("a {} of {sum}", noun(run.direction)),
            length => format!("{length} {} of {sum}", nouns(run.direction)),
        };
        let newest = run.newest;
        if let (Change::Resolve(REVERSED), Some(now)) = (change, &self.run) {
            let verb = verb(now.direction);
            let by = text::difference(now.newest.by.abs(), Unit::Percent);
            return format!("{series} {verb} by {by} to {rate}; it ends {moves}");
        }
        if matches!(change, Change::Resolve(_)) {
            return format!(
                "{series} at {rate}: {moves} are over, the last on {}",
                newest.date
            );
        }
        if newest.date != seen.today {
            let days = seen.days_unchanged();
            return format!("{series} unchanged at {rate} for {days} days after {moves}");
        }
        let by = text::difference(newest.by.abs(), Unit::Percent);
        let verb = verb(run.direction);
        match (&self.ended, run.length) {
            (Some(before), 1) if run.is_pivot => format!(
                "{series} {verb} by {by} to {rate}, the first {} after the {} that ended {}",
                noun(run.direction),
                nouns(before.direction),
                before.newest.date
            ),
            (_, 1) => format!("{series} {verb} by {by} to {rate}"),
            (_, length) => {
                let time = text::ordinal(length);
                let (start, time) = (run.start, format!("for the {time} time in a row"));
                format!("{series} {verb} {time}, by {by} to {rate}; {sum} since {start}")
            }
        }
    }
}

impl Seen {
    fn days_unchanged(&self) -> i64 {
        date_key(self.today) - date_key(self.since)
    }
}

impl Run {
    fn sum(&self) -> f64 {
        self.newest.to - self.from
    }
}

impl Move {
    fn fact(self) -> Fact {
        Fact::Group(Evidence::from([
            ("date".to_owned(), self.date.into()),
            ("bp".to_owned(), basis_points(self.by).into()),
        ]))
    }
}

fn basis_points(percent: f64) -> f64 {
    round(percent * 100.0, 6)
}

fn stance(rate: f64, low: f64, high: f64) -> &'static str {
    match () {
        () if rate < low => "accommodative",
        () if rate > high => "restrictive",
        () => "neutral",
    }
}

fn noun(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "hike",
        Direction::Down => "cut",
    }
}

fn nouns(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "hikes",
        Direction::Down => "cuts",
    }
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "rose",
        Direction::Down => "was cut",
    }
}
