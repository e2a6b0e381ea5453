//! Targets as written.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// What all targets have as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliverySpec {
    /// For one attempt, answer included. Default `10s`.
    pub(super) timeout: Option<String>,
    /// An event that was not taken for so long becomes a dead letter. Default `24h`.
    pub(super) give_up_after: Option<String>,
    /// Longest pause after the first failed attempt; the pause is drawn from zero to it, and it doubles with each
    /// attempt. Default `1s`.
    pub(super) retry_min: Option<String>,
    /// Longest pause between two attempts. Default `1m`.
    pub(super) retry_max: Option<String>,
    /// A file with the certificates of the authorities that are trusted, PEM. A relative path is looked for beside the
    /// configuration. Default: the authorities that browsers trust.
    pub(super) ca_file: Option<PathBuf>,
}

/// Alertmanager, API v2. What stands is posted again and again, as Prometheus does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertmanagerSpec {
    /// The address of each instance of the cluster, such as `["http://alertmanager:9093"]`.
    pub(super) urls: Vec<String>,
    /// A token for `Authorization: Bearer`: `{ env = "NAME" }` or `{ file = "PATH" }`. Default: none.
    pub(super) bearer: Option<SecretSpec>,
    /// Time between two posts of what stands. Default `1m`.
    pub(super) resend_every: Option<String>,
    /// Each post says that the alert ends so much later: for so long Alertmanager goes on where the notifier is away.
    /// At least three times `resend_every`. Default `15m`.
    pub(super) hold: Option<String>,
}

/// PagerDuty, Events API v2. An episode is an incident's alert: its id is the `dedup_key`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PagerdutySpec {
    /// The integration key: `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub(super) routing_key: SecretSpec,
    /// Where events are taken. Default `https://events.pagerduty.com/v2/enqueue`.
    pub(super) url: Option<String>,
}

/// An incoming webhook as Slack, Mattermost and others have them: a message an event.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlackSpec {
    /// Its address, which is a secret: `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub(super) url: SecretSpec,
}

/// Any other: the event as published, or what a template makes of it, in a POST.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSpec {
    /// Its address; where that is a secret, `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[schemars(with = "AddressSpec")]
    pub(super) url: SecretSpec,
    /// The key that bodies are signed with (HMAC-SHA256): `{ env = "NAME" }` or `{ file = "PATH" }`. Default: none.
    pub(super) secret: Option<SecretSpec>,
    /// A token for `Authorization: Bearer`: `{ env = "NAME" }` or `{ file = "PATH" }`. Default: none.
    pub(super) bearer: Option<SecretSpec>,
    /// A template of the body, in the language of Jinja; it sees the event's attributes and `link`. Default: the event
    /// as published.
    pub(super) template: Option<String>,
    /// Instead: a file with the template, beside the configuration.
    pub(super) template_file: Option<PathBuf>,
    /// The `Content-Type` of the body. Default `application/cloudevents+json; charset=UTF-8`, with a template
    /// `application/json`.
    pub(super) content_type: Option<String>,
}

/// A value, or where it is to be had.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SecretSpec {
    /// The value itself: refused where it is a secret.
    #[schemars(skip)]
    Text(String),
    /// The value of an environment variable.
    Env(EnvSpec),
    /// What a file holds.
    File(FileSpec),
    /// Not shown in a message: it may be a secret.
    #[schemars(skip)]
    Other(serde::de::IgnoredAny),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvSpec {
    pub(super) env: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSpec {
    pub(super) file: PathBuf,
}

/// The schema of an address that need not be a secret.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is its schema that counts")]
enum AddressSpec {
    Text(String),
    Env(EnvSpec),
    File(FileSpec),
}
