//! `[notify]`: where alerts go, which of them, and when nobody is to be told.

use super::document::KeyPath;
use super::error::Problem;
use super::kafka::Property;
use super::reader::Reader;
use rotation_engine::alert::{Notify, Severity, State};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};
use wildmatch::WildMatch;

mod mute;
mod target;
#[cfg(test)]
mod tests;

pub use mute::Mute;
pub(crate) use mute::{MuteSpec, muted_until};
pub(crate) use target::is_url as is_address;
pub(crate) use target::{AlertmanagerSpec, DeliverySpec, PagerdutySpec, SlackSpec, WebhookSpec};
pub use target::{Delivery, SecretUnavailable, Target, TargetKind, fetch};

/// The most targets, so that where each stands fits beside the offset that is committed.
pub const TARGETS_MAX: usize = 16;

/// The most routes.
pub const ROUTES_MAX: usize = 256;

/// The longest name of a target, a mute window or the notifier.
const NAME_MAX: usize = 40;

/// Where alerts go.
#[derive(Clone, Debug, Default)]
pub struct NotifyConfig {
    /// What the consumer group and the transactional id have behind the group's prefix.
    pub name: String,
    /// The targets, ordered by name.
    pub targets: Vec<Target>,
    /// The routes, in their order.
    pub routes: Vec<Route>,
    /// Positions of the targets of events that no route matches.
    pub default: Vec<usize>,
    /// Windows in which nobody is told, whichever the route.
    pub mute: Vec<Mute>,
}

/// Which events go where.
#[derive(Clone, Debug)]
pub struct Route {
    /// At least so severe.
    pub severity: Severity,
    /// At least so loud.
    pub notify: Notify,
    /// Names of rules; none: all.
    pub rules: Vec<WildMatch>,
    /// Names of universes; none: all.
    pub universes: Vec<WildMatch>,
    /// Subjects; none: all.
    pub subjects: Vec<WildMatch>,
    /// States; none: all.
    pub states: Vec<State>,
    /// Positions of the targets.
    pub targets: Vec<usize>,
    /// Whether later routes are looked at too.
    pub goes_on: bool,
    /// Parts of other episodes as well.
    pub parts: bool,
    /// Whether what was told is followed to its end.
    pub follow: bool,
    /// Windows in which it tells nobody.
    pub mute: Vec<Mute>,
}

/// `[notify]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotifySpec {
    /// Name of the notifier: its consumer group is `GROUP.NAME`. Two notifiers over one topic need two names. Default
    /// `notify`.
    name: Option<String>,
    /// Targets of the events that no route matches. Default: none.
    default: Option<OneOrMany>,
    /// Mute windows of all routes, by name. Default: none.
    mute: Option<OneOrMany>,
}

/// `[[notify.routes]]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteSpec {
    /// The targets, by name; none: such events go nowhere.
    #[serde(default)]
    targets: OneOrMany,
    /// Only events of this severity or a higher one: `info`, `warning` or `critical`. Default `info`.
    severity: Option<Severity>,
    /// Only events told this loudly or louder: `digest`, `chat` or `page`. Default `digest`.
    notify: Option<Notify>,
    /// Only these rules; `*` stands for any letters, `?` for one. Default: all.
    rules: Option<OneOrMany>,
    /// Only these universes, in the same way. Default: all.
    universes: Option<OneOrMany>,
    /// Only these subjects, in the same way. Default: all.
    subjects: Option<OneOrMany>,
    /// Only events of these states. Default: all.
    states: Option<Vec<State>>,
    /// Whether later routes are looked at as well. Default false: the first route that matches decides.
    #[serde(rename = "continue")]
    goes_on: Option<bool>,
    /// Whether events of parts of another episode (`parent_episode`) are told too. Default false.
    parts: Option<bool>,
    /// Whether a target that was told of an episode is also told when it eases, is corrected or ends, even where the
    /// route does not match that event. Default true.
    follow: Option<bool>,
    /// Mute windows of this route, by name. Default: none.
    mute: Option<OneOrMany>,
}

/// A text, or a list of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text in quotes or a list of them")]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        OneOrMany::Many(Vec::new())
    }
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

/// Reads the section; nothing where there is none.
pub(super) fn read(
    reader: &mut Reader<'_>,
    mut table: Table,
    at: &KeyPath,
    folder: &Path,
) -> Option<NotifyConfig> {
    let before = reader.faults();
    let targets = reader.table(&mut table, at, "targets").unwrap_or_default();
    let windows = table
        .remove("windows")
        .unwrap_or(Value::Table(Table::new()));
    // What has a fault of its own is not a fault of those who name it.
    let named: Vec<String> = targets.keys().cloned().collect();
    let routes = table.remove("routes");
    let known = ["name", "default", "mute", "targets", "routes", "windows"];
    reader.only_known(&mut table, at, &known);
    let targets = read_targets(reader, targets, &at.key("targets"), folder);
    let written = windows.as_table().into_iter().flat_map(Table::keys);
    let written = written.cloned().collect();
    let names = Names {
        targets: named,
        windows: mute::read_all(reader, windows, &at.key("windows")),
        written,
    };
    let spec: NotifySpec = reader.read(table, at)?;
    let name = spec.name.unwrap_or_else(|| "notify".to_owned());
    let taken = ["sampler", "universe", "tail", "redrive"];
    if !is_name(&name) || taken.contains(&name.as_str()) {
        let expected = format!("{}, and none of {}", name_bound(), taken.join(", "));
        reader.bad_value(&at.key("name"), &expected, &name);
    }
    let default = spec.default.unwrap_or_default().list();
    let default = names.targets(reader, &at.key("default"), &default);
    let mute = spec.mute.unwrap_or_default().list();
    let mute = names.windows(reader, &at.key("mute"), &mute);
    let routes = read_routes(reader, routes, &at.key("routes"), &names);
    let config = NotifyConfig {
        name,
        targets,
        routes,
        default,
        mute,
    };
    (reader.faults() == before).then_some(config)
}

fn read_targets(reader: &mut Reader<'_>, table: Table, at: &KeyPath, folder: &Path) -> Vec<Target> {
    if table.len() > TARGETS_MAX {
        let (expected, found) = (format!("at most {TARGETS_MAX} targets"), table.len());
        let found = found.to_string();
        reader.fault(at, Problem::Value { expected, found });
        return Vec::new();
    }
    let mut targets = Vec::new();
    for (name, value) in table {
        let at = at.key(&name);
        if !is_name(&name) {
            let expected = name_bound();
            let found = format!("\"{name}\"");
            reader.fault(&at, Problem::Value { expected, found });
            continue;
        }
        match value {
            Value::Table(table) => targets.extend(target::read(reader, &name, table, &at, folder)),
            _ => reader.bad_value(&at, "a table", ""),
        }
    }
    targets
}

/// What routes may name.
struct Names {
    targets: Vec<String>,
    windows: BTreeMap<String, Mute>,
    /// The names of all windows, those with faults among them.
    written: Vec<String>,
}

impl Names {
    fn targets(&self, reader: &mut Reader<'_>, at: &KeyPath, named: &[String]) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for name in named {
            match self.targets.iter().position(|target| target == name) {
                Some(at) if !found.contains(&at) => found.push(at),
                Some(_) => {}
                None => {
                    let known = self.targets.iter().map(String::as_str);
                    reader.fault(at, Problem::unknown_value(name, known));
                }
            }
        }
        found
    }

    fn windows(&self, reader: &mut Reader<'_>, at: &KeyPath, named: &[String]) -> Vec<Mute> {
        let mut found = Vec::new();
        for name in named {
            match self.windows.get(name) {
                Some(window) => found.push(window.clone()),
                None if self.written.contains(name) => {}
                None => {
                    let known = self.written.iter().map(String::as_str);
                    reader.fault(at, Problem::unknown_value(name, known));
                }
            }
        }
        found
    }
}

fn read_routes(
    reader: &mut Reader<'_>,
    value: Option<Value>,
    at: &KeyPath,
    names: &Names,
) -> Vec<Route> {
    let list = match value {
        None => Vec::new(),
        Some(Value::Array(list)) if list.len() <= ROUTES_MAX => list,
        Some(_) => {
            let expected = format!("at most {ROUTES_MAX} tables, [[notify.routes]]");
            reader.bad_value(at, &expected, "");
            Vec::new()
        }
    };
    let mut routes = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let at = at.index(index);
        match value {
            Value::Table(table) => routes.extend(read_route(reader, table, &at, names)),
            _ => reader.bad_value(&at, "a table", ""),
        }
    }
    routes
}

fn read_route(reader: &mut Reader<'_>, table: Table, at: &KeyPath, names: &Names) -> Option<Route> {
    let spec: RouteSpec = reader.read(table, at)?;
    let globs = |list: Option<OneOrMany>| -> Vec<WildMatch> {
        let list = list.unwrap_or_default().list();
        list.iter().map(|pattern| WildMatch::new(pattern)).collect()
    };
    let mute = spec.mute.unwrap_or_default().list();
    Some(Route {
        severity: spec.severity.unwrap_or(Severity::Info),
        notify: spec.notify.unwrap_or(Notify::Digest),
        rules: globs(spec.rules),
        universes: globs(spec.universes),
        subjects: globs(spec.subjects),
        states: spec.states.unwrap_or_default(),
        targets: names.targets(reader, &at.key("targets"), &spec.targets.list()),
        goes_on: spec.goes_on.unwrap_or(false),
        parts: spec.parts.unwrap_or(false),
        follow: spec.follow.unwrap_or(true),
        mute: names.windows(reader, &at.key("mute"), &mute),
    })
}

fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(legal)
}

fn name_bound() -> String {
    format!("1 to {NAME_MAX} small letters, digits, \"_\" or \"-\"")
}
