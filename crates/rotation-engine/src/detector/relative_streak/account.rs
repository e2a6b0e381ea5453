//! What `relative_streak` says of itself.

use super::{Params, Reached, Run, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let run = match change {
            Change::Resolve(_) => self.ended.as_ref(),
            _ => self.run.as_ref(),
        };
        let mut evidence = self.evidence(run);
        match change {
            Change::Open(_) | Change::Escalate(_) => {
                let Reached {
                    length,
                    since_years,
                } = self.reached;
                evidence.extend(length.map(|length| ("reached_length".to_owned(), length.into())));
                evidence.extend(
                    since_years.map(|years| ("reached_since_years".to_owned(), years.into())),
                );
            }
            Change::Ease(_) | Change::Quiet | Change::Hold | Change::Resolve(_) => {}
        }
        let Params {
            leader, laggard, ..
        } = params;
        Account {
            evidence,
            headline: self.headline(params, run, change),
            reverses: format!("a session in which {leader} does not beat {laggard}"),
            direction: Some(Direction::Up),
        }
    }

    fn evidence(&self, run: Option<&Run>) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("margin_bp", round(self.margin_bp, 2).into());
        put("length", run.map_or(0, |run| run.length).into());
        let (Some(run), Some(seen)) = (run, self.seen) else {
            return evidence;
        };
        let [leader, laggard] = run.returns();
        put("start", run.start.into());
        put("end", run.end.into());
        put("leader_return", round(leader, 6).into());
        put("laggard_return", round(laggard, 6).into());
        put("tightest_margin_bp", round(run.tightest_bp, 2).into());
        match run.longest_since {
            Some(past) => {
                let mut since = Evidence::new();
                since.insert("end".to_owned(), past.end.into());
                since.insert("length".to_owned(), past.length.into());
                if past.length == run.length {
                    since.insert("matches".to_owned(), true.into());
                }
                put("longest_since", since.into());
            }
            None => {
                put("longest_on_record_since", seen.first.into());
            }
        }
        evidence
    }

    fn headline(&self, params: &Params, run: Option<&Run>, change: &Change) -> String {
        let Params {
            leader, laggard, ..
        } = params;
        let Some(run) = run else {
            return format!("{leader} has no run against {laggard}");
        };
        let [ahead, behind] = run.returns().map(text::signed_percent);
        if matches!(change, Change::Resolve(_)) {
            let sessions = text::counted(run.length, "session");
            let lost_by = round(-self.margin_bp, 2);
            let (verb, by) = if lost_by > 0.0 {
                ("fell behind", format!("; lost the session by {lost_by} bp"))
            } else {
                ("only equalled", String::new())
            };
            return format!(
                "{leader} {verb} {laggard} after {sessions}, {ahead} against {behind}{by}"
            );
        }
        let rank = match (run.longest_since, self.seen) {
            (Some(past), _) if past.length == run.length => {
                format!("matches the {} that ended {}", past.length, past.end)
            }
            (Some(past), _) => format!("longest since the {} that ended {}", past.length, past.end),
            (None, Some(seen)) => format!("longest on record, which begins {}", seen.first),
            (None, None) => "longest on record".to_owned(),
        };
        let session = text::ordinal(run.length);
        format!(
            "{leader} beat {laggard} for the {session} session, {ahead} against {behind}; {rank}"
        )
    }
}

impl Run {
    fn returns(&self) -> [f64; 2] {
        [0, 1].map(|input| self.closes[input] / self.closes_before[input] - 1.0)
    }
}
