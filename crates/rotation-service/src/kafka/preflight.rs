//! A look before the service starts: can we get in, and may we do all that we shall have to do?
//!
//! librdkafka tries again whatever happens, and says the reasons aside. Here they are heard and told in one sentence,
//! before a group is joined. Nothing is written: of writing only the permission is asked for, by the step of a
//! transaction that comes before its first record, and the transaction is aborted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::KafkaSettings;
use super::certificates::{fault_of_broker, fault_of_client};
use super::ear::{Ear, Remark};
use super::refusal::{Needs, Refusal, Resource, is_denied, is_topic_denied};

/// For the cluster to answer at all; it may be starting.
const PATIENCE: Duration = Duration::from_secs(30);
/// For a cause that may pass to pass: of several brokers another may let us in.
const GRACE: Duration = Duration::from_secs(1);
/// For one answer of a cluster that is known to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks.
const STEP: Duration = Duration::from_millis(100);

/// Connects, and says why where it cannot.
///
/// # Errors
///
/// What is wrong with address, certificates or password, once for all brokers.
pub fn connect(settings: &KafkaSettings) -> Result<(), Refusal> {
    let client = match onlooker(settings) {
        Ok(client) => client,
        Err(error) => return Err(unusable(settings, &error)),
    };
    let begun = Instant::now();
    let mut since: Option<Instant> = None;
    loop {
        let answer = client.fetch_metadata(Some(&settings.topics.ticks), STEP * 5);
        while client.poll(STEP / 10).is_some() {}
        match answer {
            Ok(_) => return Ok(()),
            Err(error) if is_denied(&error) => return Ok(()),
            Err(_) => {}
        }
        let heard = client.context().heard();
        let lasting = heard.iter().find(|remark| is_lasting(remark));
        // A broker that is going down closes connections too, and then is not there.
        let closed = heard.last().filter(|remark| is_closed_at_once(remark));
        let (cause, grace) = match (lasting, closed) {
            (Some(remark), _) => (Some(remark), GRACE),
            (None, closed) => (closed, ANSWER),
        };
        match cause {
            Some(remark) if since.get_or_insert_with(Instant::now).elapsed() >= grace => {
                return Err(refusal(settings, remark, &heard));
            }
            Some(_) => {}
            None => since = None,
        }
        if begun.elapsed() >= PATIENCE {
            return Err(unreachable(settings, heard.last()));
        }
    }
}

fn unreachable(settings: &KafkaSettings, last: Option<&Remark>) -> Refusal {
    Refusal::Unreachable {
        brokers: settings.brokers.join(", "),
        seconds: PATIENCE.as_secs(),
        said: last.map_or("nobody answers".to_owned(), |remark| parts(&remark.text).1),
    }
}

/// Asks for every permission that stages need beyond seeing their topics, which exist, without reading a record of an
/// input or writing one.
///
/// # Errors
///
/// The first that is missing. What cannot be asked for now is left to the stage itself.
pub fn permissions(settings: &KafkaSettings, needs: &[Needs]) -> Result<(), Refusal> {
    std::thread::scope(|scope| {
        let ask = |needs| {
            [
                scope.spawn(move || may_join(settings, needs)),
                scope.spawn(move || may_read(settings, needs, &needs.input)),
                scope.spawn(move || may_read(settings, needs, &settings.topics.state)),
                scope.spawn(move || may_write(settings, needs)),
            ]
        };
        let asked: Vec<_> = needs.iter().flat_map(ask).collect();
        let answers = asked.into_iter().map(std::thread::ScopedJoinHandle::join);
        let mut answers =
            answers.map(|answer| answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        answers.find(Result::is_err).unwrap_or(Ok(()))
    })
}

/// A client that belongs to no group.
fn onlooker(settings: &KafkaSettings) -> Result<BaseConsumer<Ear>, KafkaError> {
    let mut config = settings.client();
    config.remove("statistics.interval.ms");
    config.create_with_context(Ear::default())
}

/// A client that cannot even be made: a certificate or a key that cannot be read, most likely.
fn unusable(settings: &KafkaSettings, error: &KafkaError) -> Refusal {
    Refusal::Connection {
        broker: settings.brokers.join(", "),
        cause: format!("{error}; check [kafka.properties]"),
    }
}

/// Whether a remark is of what does not pass by waiting.
fn is_lasting(remark: &Remark) -> bool {
    use RDKafkaErrorCode::{
        Authentication, SSL, SaslAuthenticationFailed, UnsupportedSASLMechanism,
    };
    let by_code = matches!(
        remark.code,
        Some(Authentication | SSL | SaslAuthenticationFailed | UnsupportedSASLMechanism)
    );
    by_code || speaks_plain(remark) || speaks_tls(remark) || is_alert(remark)
}

/// We speak plainly to one who expects TLS or a login.
fn speaks_plain(remark: &Remark) -> bool {
    remark
        .text
        .contains("incorrect security.protocol configuration")
        || remark
            .text
            .contains("broker might require SASL authentication")
}

/// The broker closed the connection on our first request: it did not understand it, or wanted a login before.
fn is_closed_at_once(remark: &Remark) -> bool {
    let state = |state: &str| remark.text.contains(&format!("in state {state}"));
    remark.text.contains("Disconnected") && (state("APIVERSION_QUERY") || state("UP"))
}

/// We speak TLS to one who does not.
fn speaks_tls(remark: &Remark) -> bool {
    remark.text.contains("PLAINTEXT broker listener")
        || remark.text.contains("wrong version number")
}

/// The broker ended the handshake with a message of TLS: it does not like our certificate.
fn is_alert(remark: &Remark) -> bool {
    remark.text.contains("alert")
        || remark
            .text
            .contains("client SSL authentication might be required")
}

fn refusal(settings: &KafkaSettings, remark: &Remark, heard: &[Remark]) -> Refusal {
    use RDKafkaErrorCode::{Authentication, SaslAuthenticationFailed, UnsupportedSASLMechanism};
    let (broker, said) = parts(&remark.text);
    let broker = broker.unwrap_or_else(|| settings.brokers.join(", "));
    let protocol = settings
        .properties
        .get("security.protocol")
        .map_or("PLAINTEXT", String::as_str);
    let cause = match remark.code {
        Some(Authentication | SaslAuthenticationFailed | UnsupportedSASLMechanism) => {
            return Refusal::Login {
                broker,
                who: settings.who(),
                said,
            };
        }
        _ if speaks_plain(remark) || is_closed_at_once(remark) => {
            let other = match protocol {
                "SSL" | "SASL_PLAINTEXT" => "SASL_SSL",
                _ => "SSL or SASL_SSL",
            };
            format!(
                "the broker ends the connection: its listener expects another security.protocol than {protocol}, \
                 such as {other}, unless it is just going down"
            )
        }
        _ if speaks_tls(remark) => {
            format!("the listener does not speak TLS, which security.protocol {protocol} asks for")
        }
        _ => match fault_of_broker(&broker, &settings.properties) {
            Some(fault) => fault,
            None if heard.iter().any(is_alert) => fault_of_client(&settings.properties),
            None => said,
        },
    };
    Refusal::Connection { broker, cause }
}

/// The broker that a remark of the client names, and what it says of it, without the client's own bookkeeping. It looks
/// like this: `[thrd:…]: ssl://host:port/id: what happened (after 3ms in state …)`.
fn parts(text: &str) -> (Option<String>, String) {
    let text = match text.strip_prefix("[thrd:") {
        Some(rest) => rest.split_once("]: ").map_or(rest, |(_, rest)| rest),
        None => text,
    };
    let named = text.split_once(": ").and_then(|(name, said)| {
        let name = name.rsplit_once("://").map_or(name, |(_, name)| name);
        let (address, _) = name.split_once('/')?;
        address.contains(':').then(|| (address.to_owned(), said))
    });
    let (address, said) = named.map_or((None, text), |(address, said)| (Some(address), said));
    let said = said.split(" (after ").next().unwrap_or(said);
    (address, said.trim_end_matches(['.', ':', ' ']).to_owned())
}

/// Asks whether a stage may see its topics, which is allowed along with reading and with writing.
///
/// # Errors
///
/// The first that it may not see.
pub fn visible(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    let Ok(client) = onlooker(settings) else {
        return Ok(());
    };
    let state = &settings.topics.state;
    let read = [&needs.input, state].map(|topic| (topic, "Read"));
    let written = needs.outputs.iter().map(|topic| (topic, "Write"));
    for (topic, operation) in read.into_iter().chain(written) {
        let Ok(metadata) = client.fetch_metadata(Some(topic), ANSWER) else {
            continue;
        };
        let code = metadata.topics().iter().find_map(|found| found.error());
        if code.map(RDKafkaErrorCode::from) == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            return Err(settings.denies(operation, Resource::Topic(topic.clone())));
        }
    }
    Ok(())
}

/// A client of a stage's group that never joins it.
fn reader(settings: &KafkaSettings, needs: &Needs) -> Result<BaseConsumer<Ear>, KafkaError> {
    let config = settings.state_reader(&needs.stage, "read_uncommitted");
    config.create_with_context(Ear::default())
}

/// Asks for the group's offsets, which those may who may read in it.
fn may_join(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    let Ok(client) = reader(settings, needs) else {
        return Ok(());
    };
    let deadline = Instant::now() + ANSWER;
    while Instant::now() < deadline {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&needs.input, 0);
        let error = match client.committed_offsets(asked, STEP * 5) {
            Ok(found) => found.elements().iter().find_map(|each| each.error().err()),
            Err(error) => Some(error),
        };
        let Some(error) = error else {
            return Ok(());
        };
        // Who may not see the group waits for its coordinator in vain, and is told why aside.
        while client.poll(STEP / 10).is_some() {}
        let code = Some(RDKafkaErrorCode::GroupAuthorizationFailed);
        let is_told = client
            .context()
            .heard()
            .iter()
            .any(|remark| remark.code == code);
        if is_told || error.rdkafka_error_code() == code {
            let group = settings.stage_group(&needs.stage);
            return Err(settings.denies("Read", Resource::Group(group)));
        }
    }
    Ok(())
}

/// Reads at the end of a topic, where nothing is.
fn may_read(settings: &KafkaSettings, needs: &Needs, topic: &str) -> Result<(), Refusal> {
    let Ok(client) = reader(settings, needs) else {
        return Ok(());
    };
    let mut end = TopicPartitionList::new();
    let added = end.add_partition_offset(topic, 0, Offset::End);
    if added.and_then(|()| client.assign(&end)).is_err() {
        return Ok(());
    }
    let deadline = Instant::now() + ANSWER;
    while Instant::now() < deadline {
        match client.poll(STEP) {
            Some(Err(error)) if is_topic_denied(&error) => {
                return Err(settings.denies("Read", Resource::Topic(topic.to_owned())));
            }
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(_)) | None => {}
        }
    }
    Ok(())
}

/// Adds the output topics to a transaction, which asks for the permission to write them, and aborts it. The records
/// that the client wants for that stay in its queue, and are thrown away with the transaction.
fn may_write(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    let mut config: ClientConfig = settings.stage_producer(&needs.stage);
    let timeout = config
        .get("transaction.timeout.ms")
        .and_then(|timeout| timeout.parse::<u64>().ok());
    // Records would be sent shortly before the transaction times out; it is over long before.
    let linger = Duration::from_millis(timeout.unwrap_or(10_000) / 10 * 9);
    config
        .set("linger.ms", linger.as_millis().to_string())
        // Says when a topic has become part of the transaction.
        .set("debug", "eos")
        .set_log_level(RDKafkaLogLevel::Debug);
    let Ok(producer) = config.create_with_context::<_, ThreadedProducer<Ear>>(Ear::default())
    else {
        return Ok(());
    };
    let refused = |error: &KafkaError| settings.denied(needs, error);
    let ready = producer
        .init_transactions(ANSWER)
        .and_then(|()| producer.begin_transaction());
    if let Err(error) = ready {
        return refused(&error).map_or(Ok(()), Err);
    }
    let mut open: BTreeSet<String> = needs.written(settings).into_iter().collect();
    for topic in &open {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0).key(b"-");
        drop(producer.send(record));
    }
    let deadline = Instant::now() + ANSWER.min(linger / 2);
    let mut refused = None;
    while !open.is_empty() && refused.is_none() && Instant::now() < deadline {
        std::thread::sleep(STEP / 20);
        for remark in producer.context().heard() {
            open.retain(|topic| {
                !remark
                    .text
                    .contains(&format!("{topic} [0] registered with transaction"))
            });
            if let Some(topic) = unauthorized(&remark.text) {
                refused = Some(settings.denies("Write", Resource::Topic(topic)));
            }
        }
    }
    drop(producer.abort_transaction(ANSWER));
    refused.map_or(Ok(()), Err)
}

/// The topic of a remark that says that a transaction may not write it.
fn unauthorized(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Failed to add partition \"")?;
    let (topic, why) = rest.split_once('"')?;
    why.contains("uthorization failed")
        .then(|| topic.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_read() {
        for (text, address, said) in [
            (
                "[thrd:ssl://127.0.0.1:9093/bootstrap]: ssl://127.0.0.1:9093/bootstrap: SSL handshake failed: why (after 7ms in state X)",
                Some("127.0.0.1:9093"),
                "SSL handshake failed: why",
            ),
            (
                "sasl_ssl://[::1]:9093/1: SASL authentication error: no.",
                Some("[::1]:9093"),
                "SASL authentication error: no",
            ),
            (
                "[thrd:a:1/2]: a:1/2: Disconnected: closed (after 1ms in state Y)",
                Some("a:1"),
                "Disconnected: closed",
            ),
            (
                "[thrd:main]: something else: entirely",
                None,
                "something else: entirely",
            ),
            ("", None, ""),
        ] {
            assert_eq!(
                parts(text),
                (address.map(str::to_owned), said.to_owned()),
                "{text}"
            );
        }
        let denied = "[thrd:main]: TxnCoordinator/1: Failed to add partition \"rotation.alerts\" [0] to transaction: \
                      Broker: Topic authorization failed";
        assert_eq!(unauthorized(denied).as_deref(), Some("rotation.alerts"));
        assert_eq!(
            unauthorized("Failed to add partition \"a\" [0] to transaction: Broker: Unknown topic"),
            None
        );
    }
}
