//! Templates of webhook bodies, in the language of Jinja.

use super::sample;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde_json::Value as Json;

/// The most steps of a template: one that would loop for ever is a fault.
const FUEL: u64 = 1_000_000;

/// Whether a template can be read and fits an event that has every field.
///
/// # Errors
/// What is wrong with it, in a line.
pub(crate) fn check(source: &str) -> Result<(), String> {
    let event = sample::event();
    let strict = UndefinedBehavior::Strict;
    made(source, &event.bytes, event.link.as_deref(), strict).map(drop)
}

/// What a template makes of an event; a field that the event does not have is empty.
///
/// # Errors
/// What cannot be done.
pub(crate) fn render(source: &str, event: &[u8], link: Option<&str>) -> Result<String, String> {
    made(source, event, link, UndefinedBehavior::Chainable)
}

fn made(
    source: &str,
    event: &[u8],
    link: Option<&str>,
    undefined: UndefinedBehavior,
) -> Result<String, String> {
    let mut event: Json = serde_json::from_slice(event).map_err(|error| error.to_string())?;
    if let Some(link) = link {
        event["link"] = link.into();
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    let rendered = environment.render_str(source, Value::from_serialize(&event));
    rendered.map_err(|error| {
        let line = error
            .line()
            .map_or(String::new(), |line| format!(" in its line {line}"));
        let what = error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned);
        format!("{what}{line}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_checked_against_every_field() {
        let check = |source: &str, fault: Option<&str>| match (check(source), fault) {
            (Ok(()), None) => {}
            (Err(found), Some(expected)) => assert!(found.contains(expected), "{source}: {found}"),
            (found, _) => panic!("{source}: {found:?}"),
        };
        check(
            r#"{"text": {{ data.headline|tojson }}, "link": {{ link|tojson }}}"#,
            None,
        );
        check("{% if data.runbook %}{{ data.runbook }}{% endif %}", None);
        check("{{ data.headlin }}", Some("undefined value"));
        check("{{ data.headline|tojsn }}", Some("tojsn"));
        check("{% if %}", Some("line 1"));
        check(
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
            Some("fuel"),
        );
    }

    #[test]
    fn fields_that_an_event_lacks_are_empty() {
        let event = br#"{"id": "a/1", "data": {"headline": "it's <so>"}}"#;
        let made = render(
            "{{ id }}: {{ data.headline }}{{ data.runbook }}{{ link }}",
            event,
            None,
        );
        assert_eq!(made.unwrap(), "a/1: it's <so>");
    }
}
