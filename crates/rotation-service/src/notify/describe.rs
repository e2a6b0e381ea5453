//! Targets and routes as a person reads them: part of what `rotation check` prints. Secrets are not shown.

use crate::config::Property;
use crate::config::notify::{Mute, NotifyConfig, Route, Target, TargetKind};
use rotation_engine::alert::{Notify, Severity};
use rotation_engine::clock::format_span;
use std::time::Duration;

/// The section, line by line.
pub(crate) fn describe(config: &NotifyConfig, group: &str, line: &mut impl FnMut(String)) {
    line(format!("notify      as group {group}.{}", config.name));
    for target in &config.targets {
        line(format!(
            "  target {}: {}",
            target.name,
            describe_target(target)
        ));
    }
    let names = |targets: &[usize]| {
        let names: Vec<&str> = targets
            .iter()
            .map(|at| config.targets[*at].name.as_str())
            .collect();
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join(", ")
        }
    };
    for (at, route) in config.routes.iter().enumerate() {
        line(format!(
            "  route {}: {} -> {}",
            at + 1,
            describe_route(route),
            names(&route.targets)
        ));
    }
    line(format!("  any other event -> {}", names(&config.default)));
    if !config.mute.is_empty() {
        line(format!("  muted in {}", windows(&config.mute)));
    }
}

fn describe_target(target: &Target) -> String {
    let what = match &target.kind {
        TargetKind::Alertmanager {
            urls,
            resend_every,
            hold,
            ..
        } => format!(
            "alertmanager at {}, told again every {}, held for {}",
            urls.join(", "),
            span(*resend_every),
            span(*hold)
        ),
        TargetKind::Pagerduty { url, .. } => format!("pagerduty at {url}"),
        TargetKind::Slack { .. } => "slack".to_owned(),
        TargetKind::Webhook {
            url: Property::Plain(url),
            ..
        } => {
            // What is behind the path may be a key.
            format!("webhook at {}", url.split('?').next().unwrap_or_default())
        }
        TargetKind::Webhook { .. } => "webhook".to_owned(),
    };
    let secrets = target
        .kind
        .secrets()
        .into_iter()
        .filter_map(|(key, value)| match value {
            Property::Plain(_) => None,
            Property::Env(variable) => Some(format!("{key} from environment variable {variable}")),
            Property::File(path) => Some(format!("{key} from {}", path.display())),
        });
    let give_up = format!("given up after {}", span(target.delivery.give_up_after));
    let parts: Vec<String> = std::iter::once(what)
        .chain(secrets)
        .chain([give_up])
        .collect();
    parts.join(", ")
}

fn describe_route(route: &Route) -> String {
    let mut parts = Vec::new();
    if route.severity > Severity::Info {
        parts.push(format!("severity {} or more", route.severity.name()));
    }
    match route.notify {
        Notify::Digest => {}
        Notify::Chat => parts.push("notify chat or more".to_owned()),
        Notify::Page => parts.push("notify page".to_owned()),
    }
    for (what, patterns) in [
        ("rule", &route.rules),
        ("universe", &route.universes),
        ("subject", &route.subjects),
    ] {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        if !patterns.is_empty() {
            parts.push(format!("{what} {}", patterns.join(" or ")));
        }
    }
    if !route.states.is_empty() {
        let states: Vec<&str> = route.states.iter().map(|state| state.name()).collect();
        parts.push(format!("state {}", states.join(" or ")));
    }
    if parts.is_empty() {
        parts.push("every event".to_owned());
    }
    if route.parts {
        parts.push("parts too".to_owned());
    }
    if !route.follow {
        parts.push("not followed".to_owned());
    }
    if !route.mute.is_empty() {
        parts.push(format!("muted in {}", windows(&route.mute)));
    }
    if route.goes_on {
        parts.push("and on".to_owned());
    }
    parts.join(", ")
}

fn windows(windows: &[Mute]) -> String {
    let names: Vec<&str> = windows.iter().map(|window| window.name.as_str()).collect();
    names.join(", ")
}

fn span(span: Duration) -> String {
    format_span(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}
