//! One attempt to deliver: over HTTP, and what the answer means.

use super::event::{Event, Look, short};
use super::ledger::Notice;
use super::marks;
use super::payload::{alertmanager, pagerduty, slack, webhook};
use crate::config::notify::{Target, TargetKind, fetch, is_address};
use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// The most of an answer that is read.
const ANSWER_MAX: u64 = 16 * 1024;
/// The most characters of an answer that are told.
const ANSWER_SHOWN: usize = 200;
/// Longest pause that a target may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The target has it.
    Taken,
    /// It may go well another time, and after that pause if the target says so.
    Failed {
        why: String,
        pause: Option<Duration>,
    },
    /// The target will never take it.
    Refused(String),
}

/// Delivers to one target. It holds secrets.
pub(crate) struct Sender {
    agent: Agent,
    to: To,
}

/// The kinds of targets, with their secrets fetched.
enum To {
    Alertmanager {
        urls: Vec<String>,
        bearer: Option<String>,
        hold: Duration,
    },
    Pagerduty {
        url: String,
        routing_key: String,
    },
    Slack {
        url: String,
    },
    Webhook {
        url: String,
        secret: Option<String>,
        bearer: Option<String>,
        template: Option<String>,
        content_type: String,
    },
}

impl Sender {
    /// Fetches the target's secrets.
    ///
    /// # Errors
    /// A secret that cannot be had or used, or certificates that cannot be read.
    pub(crate) fn new(target: &Target) -> anyhow::Result<Sender> {
        let get =
            |key: &'static str, value: &crate::config::Property| fetch(&target.name, key, value);
        let maybe = |key, value: &Option<crate::config::Property>| {
            value.as_ref().map(|value| get(key, value)).transpose()
        };
        let address = |value| -> anyhow::Result<String> {
            let url = get("url", value)?;
            if !is_address(&url) {
                let name = &target.name;
                bail!(
                    "notify.targets.{name}.url: expected an address, found something else (not shown: it may be a secret)"
                );
            }
            Ok(url)
        };
        let to = match &target.kind {
            TargetKind::Alertmanager {
                urls, bearer, hold, ..
            } => To::Alertmanager {
                urls: urls.clone(),
                bearer: maybe("bearer", bearer)?,
                hold: *hold,
            },
            TargetKind::Pagerduty { url, routing_key } => To::Pagerduty {
                url: url.clone(),
                routing_key: get("routing_key", routing_key)?,
            },
            TargetKind::Slack { url } => To::Slack { url: address(url)? },
            TargetKind::Webhook {
                url,
                secret,
                bearer,
                template,
                content_type,
            } => To::Webhook {
                url: address(url)?,
                secret: maybe("secret", secret)?,
                bearer: maybe("bearer", bearer)?,
                template: template.clone(),
                content_type: content_type.clone(),
            },
        };
        let agent = agent(target)?;
        Ok(Sender { agent, to })
    }

    /// Tries to deliver a notice once.
    pub(crate) fn notice(&self, notice: &Notice) -> Outcome {
        let id = &notice.event.alert.id;
        match &self.to {
            To::Alertmanager { hold, .. } => {
                self.alerts(&alertmanager::notice(notice, now_millis(), *hold))
            }
            To::Pagerduty { url, routing_key } => {
                let body = pagerduty::event(notice, routing_key);
                self.json(url, None, id, &body)
            }
            To::Slack { url } => self.json(url, None, id, &slack::message(notice)),
            To::Webhook {
                url,
                secret,
                bearer,
                template,
                content_type,
            } => {
                let body = match webhook::body(notice, template.as_deref()) {
                    Ok(body) => body,
                    Err(fault) => {
                        return Outcome::Refused(format!(
                            "the template does not fit the event: {fault}"
                        ));
                    }
                };
                let id = webhook::header(id);
                let seconds = now_millis() / 1000;
                let mut headers = vec![
                    ("content-type", content_type.clone()),
                    ("idempotency-key", id.clone()),
                    ("webhook-id", id.clone()),
                    ("webhook-timestamp", seconds.to_string()),
                ];
                if let Some(secret) = secret {
                    let signature = webhook::signature(secret, &id, seconds, &body);
                    headers.push(("webhook-signature", signature));
                }
                self.post(url, bearer.as_deref(), &headers, &body)
            }
        }
    }

    /// Posts what stands again; only Alertmanager asks for that.
    pub(crate) fn standing<'a>(
        &self,
        standing: impl Iterator<Item = &'a (Arc<Event>, Look)>,
    ) -> Outcome {
        let To::Alertmanager { hold, .. } = &self.to else {
            return Outcome::Taken;
        };
        let now = now_millis();
        let alerts: Vec<Value> = standing
            .map(|(event, look)| alertmanager::standing(event, *look, now, *hold))
            .collect();
        self.alerts(&alerts)
    }

    /// Posts to every instance of the cluster; it is enough that one takes it.
    fn alerts(&self, alerts: &[Value]) -> Outcome {
        let To::Alertmanager { urls, bearer, .. } = &self.to else {
            return Outcome::Taken;
        };
        let body = serde_json::to_vec(alerts).expect("plain values");
        let headers = [("content-type", "application/json".to_owned())];
        let mut worst = None;
        let mut is_taken = false;
        for url in urls {
            let url = format!("{url}/api/v2/alerts");
            match self.post(&url, bearer.as_deref(), &headers, &body) {
                Outcome::Taken => is_taken = true,
                failed @ Outcome::Failed { .. } => worst = Some(failed),
                refused => worst = worst.or(Some(refused)),
            }
        }
        match worst {
            Some(failed) if !is_taken => failed,
            Some(failed) => {
                tracing::debug!(
                    ?failed,
                    "an instance of Alertmanager did not take what another took"
                );
                Outcome::Taken
            }
            None => Outcome::Taken,
        }
    }

    fn json(&self, url: &str, bearer: Option<&str>, id: &str, body: &Value) -> Outcome {
        let body = serde_json::to_vec(body).expect("plain values");
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("idempotency-key", webhook::header(id)),
        ];
        self.post(url, bearer, &headers, &body)
    }

    fn post(
        &self,
        url: &str,
        bearer: Option<&str>,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Outcome {
        let mut request = self.agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        match request.send(body) {
            Ok(answer) => judge(answer),
            Err(error) => Outcome::Failed {
                why: said(&error),
                pause: None,
            },
        }
    }
}

/// What an answer means.
fn judge(mut answer: Response<Body>) -> Outcome {
    let status = answer.status().as_u16();
    let pause = answer
        .headers()
        .get("retry-after")
        .and_then(|value| retry_after(value.to_str().ok()?, Timestamp::now()));
    // Read to its end where it is short, so that the connection can be used again. It decides nothing.
    let text = answer
        .body_mut()
        .with_config()
        .limit(ANSWER_MAX)
        .lossy_utf8(true)
        .read_to_string();
    if (200..300).contains(&status) {
        return Outcome::Taken;
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.unwrap_or_default().trim().chars().map(plain).collect();
    let text = short(&text, ANSWER_SHOWN);
    let colon = if text.is_empty() { "" } else { ": " };
    let why = format!("HTTP {status}{colon}{text}");
    match status {
        408 | 425 | 429 | 500.. => Outcome::Failed { why, pause },
        _ => Outcome::Refused(why),
    }
}

/// A pause in seconds, or until a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let pause = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(pause.min(PAUSE_MAX))
}

/// An error without the address, which may be a secret.
fn said(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address cannot be used".to_owned(),
        other => other.to_string(),
    }
}

fn agent(target: &Target) -> anyhow::Result<Agent> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = &target.delivery.ca_file {
        let key = format!("notify.targets.{}.ca_file", target.name);
        tls = tls.root_certs(authorities(path).context(key)?);
    }
    Ok(Agent::config_builder()
        .timeout_global(Some(target.delivery.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("rotation/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build()
        .into())
}

fn authorities(path: &Path) -> anyhow::Result<RootCerts> {
    let shown = path.display();
    let pem = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        match item.with_context(|| format!("{shown} is not PEM"))? {
            PemItem::Certificate(certificate) => found.push(certificate),
            _ => bail!("expected certificates alone in {shown}"),
        }
    }
    if found.is_empty() {
        bail!("expected at least one certificate in {shown}");
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}

/// Milliseconds since 1970 by the wall clock.
pub(crate) fn now_millis() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The instant that it is by the wall clock.
pub(crate) fn now() -> Timestamp {
    marks::timestamp(now_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_seconds_or_dates_and_bounded() {
        let now: Timestamp = "2026-01-15T21:00:00Z".parse().unwrap();
        let check = |value: &str, expected: Option<u64>| {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(value, now), expected, "{value}");
        };
        check("7", Some(7));
        check(" 0 ", Some(0));
        check("999999", Some(3600));
        check("Thu, 15 Jan 2026 21:00:30 GMT", Some(30));
        check("Thu, 15 Jan 2026 20:00:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }
}
