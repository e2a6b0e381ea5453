//! Incoming webhooks as Slack has them: `text` for notifications and those who cannot show blocks, and `blocks`.
//!
//! Such a webhook does not say which message it made, so there are no threads.

use crate::notify::event::short;
use crate::notify::ledger::Notice;
use serde_json::{Value, json};

/// The longest text of a block that Slack takes, with room for what is around it.
const TEXT_MAX: usize = 2_800;

/// The message of a notice.
pub(crate) fn message(notice: &Notice) -> Value {
    let event = &notice.event;
    let alert = &event.alert;
    let severity = notice.look.severity.name().to_uppercase();
    let head = format!("{severity} {}", alert.state.name());
    let headline = escaped(&short(&alert.headline, TEXT_MAX));
    let title = match &event.link {
        Some(link) => format!("*{head}*: <{link}|{}>", headline.replace('|', "/")),
        None => format!("*{head}*: {headline}"),
    };
    let mut context = vec![
        format!("{}/{}", escaped(&alert.universe), escaped(&alert.rule)),
        escaped(&short(&alert.subject, 200)),
        format!(
            "{} {} against {}",
            alert.value,
            escaped(&alert.unit),
            alert.threshold
        ),
        format!("as of {}", alert.as_of),
    ];
    if let Some(until) = notice.held_until {
        context.push(format!("kept back until {until}"));
    }
    if let Some(runbook) = &alert.runbook {
        context.push(format!("<{runbook}|runbook>"));
    }
    let mut blocks = vec![section(&title)];
    if !alert.state.is_final() && !alert.reverses.is_empty() {
        blocks.push(section(&format!(
            "Ends with: {}",
            escaped(&short(&alert.reverses, TEXT_MAX))
        )));
    }
    blocks.push(json!({
        "type": "context",
        "elements": [{ "type": "mrkdwn", "text": short(&context.join(" · "), TEXT_MAX) }],
    }));
    json!({ "text": format!("{head}: {headline}"), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// The three characters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
