//! Which targets an event goes to: a function of the configuration, the event, and when it was published.

use crate::config::notify::{Mute, NotifyConfig, Route, muted_until};
use jiff::Timestamp;
use rotation_engine::alert::Alert;
use wildmatch::WildMatch;

/// What becomes of an event at one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No route brings it there.
    No,
    /// It is told.
    Tell {
        /// What eases or ends it is told too.
        follow: bool,
    },
    /// It would be told, were it not for a mute window that ends then.
    Mute {
        /// The end of the window.
        until: Timestamp,
        /// What eases or ends it is told too.
        follow: bool,
    },
}

/// The verdict for each target, in their order. Where two routes differ, the louder wins.
pub(crate) fn route(config: &NotifyConfig, alert: &Alert, published: Timestamp) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::No; config.targets.len()];
    if alert.replay {
        return verdicts;
    }
    let is_part = alert.parent_episode.is_some();
    let mut is_matched = false;
    for route in &config.routes {
        if !matches(route, alert) {
            continue;
        }
        is_matched = true;
        if route.parts || !is_part {
            let until = mute(config, &route.mute, published);
            for &target in &route.targets {
                verdicts[target] = louder(verdicts[target], verdict(until, route.follow));
            }
        }
        if !route.goes_on {
            break;
        }
    }
    if !is_matched && !is_part {
        let until = mute(config, &[], published);
        for &target in &config.default {
            verdicts[target] = verdict(until, true);
        }
    }
    verdicts
}

fn verdict(until: Option<Timestamp>, follow: bool) -> Verdict {
    match until {
        Some(until) => Verdict::Mute { until, follow },
        None => Verdict::Tell { follow },
    }
}

fn louder(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Tell { follow: a }, Verdict::Tell { follow: b }) => {
            Verdict::Tell { follow: a || b }
        }
        (tell @ Verdict::Tell { .. }, _) | (_, tell @ Verdict::Tell { .. }) => tell,
        (
            Verdict::Mute { until, follow },
            Verdict::Mute {
                until: sooner,
                follow: also,
            },
        ) => Verdict::Mute {
            until: until.min(sooner),
            follow: follow || also,
        },
        (mute, Verdict::No) | (Verdict::No, mute) => mute,
    }
}

fn mute(config: &NotifyConfig, own: &[Mute], at: Timestamp) -> Option<Timestamp> {
    muted_until(config.mute.iter().chain(own), at)
}

fn matches(route: &Route, alert: &Alert) -> bool {
    let any = |patterns: &[WildMatch], text: &str| {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
    };
    alert.severity >= route.severity
        && alert.notify >= route.notify
        && any(&route.rules, &alert.rule)
        && any(&route.universes, &alert.universe)
        && any(&route.subjects, &alert.subject)
        && (route.states.is_empty() || route.states.contains(&alert.state))
}

#[cfg(test)]
mod tests;
