//! Computing an event anew for somebody who asks by HTTP.

use super::shape::Explanation;
use crate::explain::{Answer, answer};
use crate::kafka::KafkaSettings;
use rotation_engine::plan::UniversePlan;
use std::fmt::Write;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long an answer is waited for.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoExplanation {
    /// No such event.
    Unknown(String),
    /// Not now, or not any more.
    Unavailable(String),
}

/// Computes one event at a time.
pub(crate) struct Explainer {
    settings: KafkaSettings,
    plans: RwLock<Vec<Arc<UniversePlan>>>,
    /// What the command line has after the id.
    arguments: String,
    /// Where people reach the page.
    public_url: Option<String>,
    turn: Arc<Semaphore>,
}

impl Explainer {
    /// By these rules, from these topics; `arguments` is what the command line says of where they are.
    pub(crate) fn new(
        settings: KafkaSettings,
        plans: &[Arc<UniversePlan>],
        arguments: String,
        public_url: Option<String>,
    ) -> Explainer {
        Explainer {
            settings,
            plans: RwLock::new(plans.to_vec()),
            arguments,
            public_url,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    pub(super) fn set_plans(&self, plans: &[Arc<UniversePlan>]) {
        *self.plans.write().unwrap_or_else(PoisonError::into_inner) = plans.to_vec();
    }

    /// The command line that does the same.
    pub(super) fn command(&self, id: &str) -> String {
        format!("rotation explain {}{}", quoted(id), self.arguments)
    }

    /// Where the page shows an episode, as a line; nothing where it is not known.
    fn link(&self, episode: &str) -> String {
        let url = self.public_url.as_ref();
        url.map_or_else(String::new, |url| {
            format!("{}\n", episode_link(url, episode))
        })
    }

    /// Computes an event anew. One that takes too long goes on, and others wait for its end.
    pub(super) async fn explain(&self, id: String) -> Result<Explanation, NoExplanation> {
        let busy = "another event is being computed anew: ask again later";
        let turn = self.turn.clone().try_acquire_owned();
        let turn = turn.map_err(|_| NoExplanation::Unavailable(busy.to_owned()))?;
        let settings = self.settings.clone();
        let plans = self
            .plans
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let work = tokio::task::spawn_blocking(move || {
            let answer = answer(settings, plans, &id);
            drop(turn);
            answer
        });
        match tokio::time::timeout(LIMIT, work).await {
            Ok(Ok(Ok(Answer::Told {
                identical,
                text,
                episode,
            }))) => Ok(Explanation {
                identical,
                text: text + &self.link(&episode),
            }),
            Ok(Ok(Ok(Answer::Unknown(why)))) => Err(NoExplanation::Unknown(why)),
            Ok(Ok(Ok(Answer::Gone(why)))) => Err(NoExplanation::Unavailable(why)),
            Ok(Ok(Err(error))) => Err(NoExplanation::Unavailable(format!("{error:#}"))),
            Ok(Err(_)) => Err(NoExplanation::Unavailable(
                "the computation ended early".to_owned(),
            )),
            Err(_) => Err(NoExplanation::Unavailable(format!(
                "the bars log is long: it takes more than {} s to read; the command line has no such limit",
                LIMIT.as_secs()
            ))),
        }
    }
}

/// Where the page that people reach at an address shows an episode.
pub fn episode_link(public_url: &str, episode: &str) -> String {
    let mut link = format!("{public_url}/#/episode/");
    for byte in episode.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            link.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(link, "%{byte:02X}");
        }
    }
    link
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/:.,_+-=@%^".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
