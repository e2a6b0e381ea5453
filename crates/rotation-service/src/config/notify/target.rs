//! `[notify.targets.NAME]`: who is told, how to reach them, and how long it is tried.

use super::Property;
use crate::config::document::KeyPath;
use crate::config::error::Problem;
use crate::config::reader::{Reader, field_names};
use crate::notify::template;
use rotation_engine::clock::parse_span;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

mod spec;

pub(crate) use spec::{AlertmanagerSpec, DeliverySpec, PagerdutySpec, SlackSpec, WebhookSpec};
use spec::{EnvSpec, FileSpec, SecretSpec};

const TYPES: [&str; 4] = ["alertmanager", "pagerduty", "slack", "webhook"];

/// Where PagerDuty takes events.
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// Someone who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// How it is delivered to.
    pub delivery: Delivery,
}

/// What a target is. `Debug` does not show secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Alertmanager, API v2.
    Alertmanager {
        /// Each instance's address.
        urls: Vec<String>,
        /// The token that requests bring.
        bearer: Option<Property>,
        /// Time between two repetitions of what stands.
        resend_every: Duration,
        /// What stands is said to end so long after each repetition.
        hold: Duration,
    },
    /// PagerDuty, Events API v2.
    Pagerduty {
        /// Where events are taken.
        url: String,
        /// The integration's key.
        routing_key: Property,
    },
    /// An incoming webhook as Slack has them.
    Slack {
        /// Its address, a secret.
        url: Property,
    },
    /// Any other.
    Webhook {
        /// Its address.
        url: Property,
        /// What bodies are signed with.
        secret: Option<Property>,
        /// The token that requests bring.
        bearer: Option<Property>,
        /// What the body is made from; none: the event as published.
        template: Option<String>,
        /// What the body is.
        content_type: String,
    },
}

impl TargetKind {
    /// The word for it in files.
    pub fn name(&self) -> &'static str {
        match self {
            TargetKind::Alertmanager { .. } => "alertmanager",
            TargetKind::Pagerduty { .. } => "pagerduty",
            TargetKind::Slack { .. } => "slack",
            TargetKind::Webhook { .. } => "webhook",
        }
    }

    /// Its secrets, by key.
    pub fn secrets(&self) -> Vec<(&'static str, &Property)> {
        match self {
            TargetKind::Alertmanager { bearer, .. } => {
                bearer.iter().map(|value| ("bearer", value)).collect()
            }
            TargetKind::Pagerduty { routing_key, .. } => vec![("routing_key", routing_key)],
            TargetKind::Slack { url } => vec![("url", url)],
            TargetKind::Webhook {
                url,
                secret,
                bearer,
                ..
            } => {
                let more = [("secret", secret.as_ref()), ("bearer", bearer.as_ref())];
                let more = more
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?)));
                std::iter::once(("url", url)).chain(more).collect()
            }
        }
    }
}

/// How a target is delivered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// For one attempt.
    pub timeout: Duration,
    /// An event that was not taken for so long becomes a dead letter.
    pub give_up_after: Duration,
    /// Longest first pause between attempts.
    pub retry_min: Duration,
    /// Longest pause between attempts.
    pub retry_max: Duration,
    /// Certificates of the authorities that are trusted, PEM; none: those of the web.
    pub ca_file: Option<PathBuf>,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretUnavailable {
    /// The environment lacks it.
    #[error(
        "notify.targets.{target}.{key}: expected the environment variable {variable} to be set"
    )]
    Env {
        /// The target.
        target: String,
        /// The key.
        key: &'static str,
        /// The variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("notify.targets.{target}.{key}: cannot read {}", path.display())]
    File {
        /// The target.
        target: String,
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The value of a secret, fetched now.
///
/// # Errors
/// When the variable is not set or the file cannot be read.
pub fn fetch(
    target: &str,
    key: &'static str,
    value: &Property,
) -> Result<String, SecretUnavailable> {
    match value {
        Property::Plain(value) => Ok(value.clone()),
        Property::Env(variable) => std::env::var(variable).map_err(|_| SecretUnavailable::Env {
            target: target.to_owned(),
            key,
            variable: variable.clone(),
        }),
        Property::File(path) => {
            crate::secrets::read(path).map_err(|source| SecretUnavailable::File {
                target: target.to_owned(),
                key,
                path: path.clone(),
                source,
            })
        }
    }
}

/// Reads a target; its name was looked at.
pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    mut table: Table,
    at: &KeyPath,
    folder: &Path,
) -> Option<Target> {
    let kind = match table.remove("type") {
        Some(Value::String(kind)) if TYPES.contains(&kind.as_str()) => kind,
        Some(Value::String(kind)) => {
            reader.fault(&at.key("type"), Problem::unknown_value(&kind, TYPES));
            return None;
        }
        Some(_) => {
            reader.bad_value(&at.key("type"), "a text in quotes", "");
            return None;
        }
        None => {
            reader.fault(at, Problem::Missing("type".to_owned()));
            return None;
        }
    };
    let before = reader.faults();
    let common = field_names::<DeliverySpec>();
    let own = match kind.as_str() {
        "alertmanager" => field_names::<AlertmanagerSpec>(),
        "pagerduty" => field_names::<PagerdutySpec>(),
        "slack" => field_names::<SlackSpec>(),
        _ => field_names::<WebhookSpec>(),
    };
    let known: Vec<&str> = ["type"].iter().chain(common).chain(own).copied().collect();
    reader.only_known(&mut table, at, &known);
    let (common, own): (Table, Table) = table
        .into_iter()
        .partition(|(key, _)| common.contains(&key.as_str()));
    let common: Option<DeliverySpec> = reader.read(common, at);
    let mut of = Of { reader, at, folder };
    let delivery = common.map(|spec| of.delivery(spec));
    let kind = match kind.as_str() {
        "alertmanager" => of.alertmanager(own),
        "pagerduty" => of.pagerduty(own),
        "slack" => of.slack(own),
        _ => of.webhook(own),
    };
    let target = Target {
        name: name.to_owned(),
        kind: kind?,
        delivery: delivery?,
    };
    (reader.faults() == before).then_some(target)
}

/// Reads the keys of one target.
struct Of<'a, 'b> {
    reader: &'a mut Reader<'b>,
    at: &'a KeyPath,
    folder: &'a Path,
}

impl Of<'_, '_> {
    fn delivery(&mut self, spec: DeliverySpec) -> Delivery {
        let timeout = self.span("timeout", spec.timeout, "10s", "100ms", "2m");
        let give_up_after = self.span("give_up_after", spec.give_up_after, "24h", "1s", "30d");
        let retry_min = self.span("retry_min", spec.retry_min, "1s", "10ms", "10m");
        let retry_max = self.span("retry_max", spec.retry_max, "1m", "10ms", "1h");
        Delivery {
            timeout,
            give_up_after,
            retry_min,
            retry_max: retry_max.max(retry_min),
            ca_file: spec.ca_file.map(|path| self.folder.join(path)),
        }
    }

    fn alertmanager(&mut self, table: Table) -> Option<TargetKind> {
        let spec: AlertmanagerSpec = self.reader.read(table, self.at)?;
        if spec.urls.is_empty() || !spec.urls.iter().all(|url| is_url(url)) {
            let expected = "at least one address such as \"http://alertmanager:9093\"";
            self.reader.bad_value(&self.at.key("urls"), expected, "");
        }
        let resend_every = self.span("resend_every", spec.resend_every, "1m", "100ms", "1h");
        let hold = self.span("hold", spec.hold, "15m", "1s", "7d");
        if hold < 3 * resend_every {
            let expected = "at least three times resend_every";
            self.reader.bad_value(&self.at.key("hold"), expected, "15m");
        }
        let urls = spec.urls.into_iter();
        Some(TargetKind::Alertmanager {
            urls: urls
                .map(|url| url.trim_end_matches('/').to_owned())
                .collect(),
            bearer: self.secret("bearer", spec.bearer),
            resend_every,
            hold,
        })
    }

    fn pagerduty(&mut self, table: Table) -> Option<TargetKind> {
        let spec: PagerdutySpec = self.reader.read(table, self.at)?;
        let url = spec.url.unwrap_or_else(|| PAGERDUTY_URL.to_owned());
        if !is_url(&url) {
            self.reader.bad_value(&self.at.key("url"), URL, &url);
        }
        let routing_key = self.secret("routing_key", Some(spec.routing_key))?;
        Some(TargetKind::Pagerduty { url, routing_key })
    }

    fn slack(&mut self, table: Table) -> Option<TargetKind> {
        let spec: SlackSpec = self.reader.read(table, self.at)?;
        let url = self.secret("url", Some(spec.url))?;
        Some(TargetKind::Slack { url })
    }

    fn webhook(&mut self, table: Table) -> Option<TargetKind> {
        let spec: WebhookSpec = self.reader.read(table, self.at)?;
        let url = match spec.url {
            SecretSpec::Text(url) => {
                if !is_url(&url) {
                    self.reader.bad_value(&self.at.key("url"), URL, &url);
                }
                Some(Property::Plain(url))
            }
            other => self.secret("url", Some(other)),
        };
        let template = match (spec.template, spec.template_file) {
            (Some(_), Some(_)) => {
                let expected = "either template or template_file";
                self.reader.bad_value(self.at, expected, "both");
                None
            }
            (Some(text), None) => self.template("template", text),
            (None, Some(file)) => match crate::config::read_bounded(&self.folder.join(&file)) {
                Ok(text) => self.template("template_file", text),
                Err(error) => {
                    let expected = format!("a file that can be read ({error})");
                    let found = file.display().to_string();
                    self.reader
                        .bad_value(&self.at.key("template_file"), &expected, &found);
                    None
                }
            },
            (None, None) => None,
        };
        let content_type = spec.content_type.unwrap_or_else(|| {
            let plain = rotation_wire::alerts::CONTENT_TYPE;
            template
                .as_ref()
                .map_or(plain, |_| "application/json")
                .to_owned()
        });
        if !content_type.chars().all(|c| matches!(c, ' '..='~')) || !content_type.contains('/') {
            let expected = "a media type such as \"application/json\"";
            self.reader
                .bad_value(&self.at.key("content_type"), expected, &content_type);
        }
        Some(TargetKind::Webhook {
            url: url?,
            secret: self.secret("secret", spec.secret),
            bearer: self.secret("bearer", spec.bearer),
            template,
            content_type,
        })
    }

    fn template(&mut self, key: &str, text: String) -> Option<String> {
        match template::check(&text) {
            Ok(()) => Some(text),
            Err(fault) => {
                let expected = format!("a template that an event fits ({fault})");
                self.reader.bad_value(&self.at.key(key), &expected, "");
                None
            }
        }
    }

    /// Where a secret is to be had; what is there instead is not shown.
    fn secret(&mut self, key: &str, spec: Option<SecretSpec>) -> Option<Property> {
        let found = match spec? {
            SecretSpec::Env(EnvSpec { env }) if !env.is_empty() => return Some(Property::Env(env)),
            SecretSpec::File(FileSpec { file }) if !file.as_os_str().is_empty() => {
                return Some(Property::File(self.folder.join(file)));
            }
            SecretSpec::Text(_) => "a text (not shown: it may be a secret)",
            _ => "something else (not shown: it may be a secret)",
        };
        let problem = Problem::Value {
            expected: "{ env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
            found: found.to_owned(),
        };
        self.reader.fault(&self.at.key(key), problem);
        None
    }

    /// A length of time within bounds.
    fn span(
        &mut self,
        key: &str,
        text: Option<String>,
        default: &str,
        min: &str,
        max: &str,
    ) -> Duration {
        let parse = |text: &str| {
            let nanos = parse_span(text)
                .ok()
                .and_then(|nanos| u64::try_from(nanos).ok());
            nanos.map(Duration::from_nanos)
        };
        let bound = |text: &str| parse(text).expect("the bounds are lengths of time");
        let text = text.unwrap_or_else(|| default.to_owned());
        match parse(&text) {
            Some(span) if bound(min) <= span && span <= bound(max) => span,
            _ => {
                let expected =
                    format!("a length of time from {min} to {max}, such as \"{default}\"");
                self.reader.bad_value(&self.at.key(key), &expected, &text);
                bound(default)
            }
        }
    }
}

const URL: &str = "an address such as \"https://example.org/hook\"";

/// Whether it is an address of HTTP with a host.
pub(crate) fn is_url(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let plain = |c: char| matches!(c, '!'..='~');
    host.is_some_and(|host| !host.is_empty()) && text.chars().all(plain)
}
