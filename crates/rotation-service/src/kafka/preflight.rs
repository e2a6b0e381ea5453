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
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::KafkaSettings;
use super::certificates::{fault_of_broker, fault_of_client};
use super::ear::{Ear, Remark};
use super::refusal::{Needs, Refusal, Resource, is_denied};

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
    let client = match reader(settings, &settings.group) {
        Ok(client) => client,
        Err(error) => return Err(unusable(settings, &error)),
    };
    let begun = Instant::now();
    let mut since: Option<Instant> = None;
    loop {
        let answer = client.fetch_metadata(Some(&settings.topics.ticks), STEP * 5);
        while client.poll(Duration::ZERO).is_some() {}
        match answer {
            Ok(_) => return Ok(()),
            Err(error) if is_denied(&error) => return Ok(()),
            Err(_) => {}
        }
        let heard = client.context().heard();
        if let Some(remark) = heard.iter().find(|remark| is_lasting(remark)) {
            if since.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                return Err(refusal(settings, remark, &heard));
            }
        } else if begun.elapsed() >= PATIENCE {
            let said = heard.last().map_or("nobody answers", |remark| &remark.text);
            return Err(Refusal::Unreachable {
                brokers: settings.brokers.join(", "),
                seconds: PATIENCE.as_secs(),
                said: plain(said),
            });
        }
    }
}

/// Asks for every permission that a stage needs beyond seeing its topics, which exist, without reading a record of its
/// input or writing one.
///
/// # Errors
///
/// The first that is missing. What cannot be asked for now is left to the stage itself.
pub fn permissions(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    may_join(settings, needs)?;
    may_read(settings, needs)?;
    may_write(settings, needs)
}

fn reader(settings: &KafkaSettings, group: &str) -> Result<BaseConsumer<Ear>, KafkaError> {
    let mut config = settings.client();
    config.remove("statistics.interval.ms");
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create_with_context(Ear::default())
}

/// A client that cannot even be made: a certificate or a key that cannot be read, most likely.
fn unusable(settings: &KafkaSettings, error: &KafkaError) -> Refusal {
    Refusal::Connection {
        broker: settings.brokers.join(", "),
        cause: format!("{error}; check [kafka.properties]"),
    }
}

fn denied(settings: &KafkaSettings, operation: &'static str, resource: Resource) -> Refusal {
    Refusal::Denied {
        operation,
        resource,
        who: settings.who(),
    }
}

/// Whether a remark is of what does not pass by waiting.
fn is_lasting(remark: &Remark) -> bool {
    use RDKafkaErrorCode::{
        Authentication, SSL, SaslAuthenticationFailed, UnsupportedSASLMechanism,
    };
    let code = remark.code;
    let by_code = matches!(
        code,
        Some(Authentication | SSL | SaslAuthenticationFailed | UnsupportedSASLMechanism)
    );
    by_code || (code.is_some() && (speaks_plain(remark) || speaks_tls(remark) || is_alert(remark)))
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
    let broker = address(&remark.text).unwrap_or_else(|| settings.brokers.join(", "));
    let said = plain(&remark.text);
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
        _ if speaks_plain(remark) => format!(
            "the broker ends the connection: its listener expects another security.protocol than {protocol}, such as SSL or SASL_SSL"
        ),
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

/// The broker that a remark of the client names: `[thrd:…]: ssl://host:port/id: …`.
fn address(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let end = rest.find(['/', ' '])?;
    Some(rest[..end].trim_end_matches(':').to_owned())
}

/// A remark without the client's own bookkeeping: which thread, which broker, how long in which state.
fn plain(text: &str) -> String {
    let text = match text.split_once("://") {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, said)| said),
        None => text,
    };
    let text = text.split(" (after ").next().unwrap_or(text);
    text.trim_end_matches(['.', ':', ' ']).to_owned()
}

/// Asks whether a stage may see its topics, which is allowed along with reading and with writing.
///
/// # Errors
///
/// The first that it may not see.
pub fn visible(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    let Ok(client) = reader(settings, &settings.stage_group(&needs.stage)) else {
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
            return Err(denied(settings, operation, Resource::Topic(topic.clone())));
        }
    }
    Ok(())
}

/// The group's offsets can be asked for by those who may read in it.
fn may_join(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    let group = settings.stage_group(&needs.stage);
    let Ok(client) = reader(settings, &group) else {
        return Ok(());
    };
    let mut asked = TopicPartitionList::new();
    asked.add_partition(&needs.input, 0);
    let found = client.committed_offsets(asked, ANSWER);
    let error = match found {
        Ok(found) => found.elements().iter().find_map(|each| each.error().err()),
        Err(error) => Some(error),
    };
    match error {
        Some(error) if is_denied(&error) => Err(denied(settings, "Read", Resource::Group(group))),
        _ => Ok(()),
    }
}

/// Reads at the ends of input and state, where nothing is.
fn may_read(settings: &KafkaSettings, needs: &Needs) -> Result<(), Refusal> {
    for topic in [&needs.input, &settings.topics.state] {
        let Ok(client) = reader(settings, &settings.stage_group(&needs.stage)) else {
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
                Some(Err(error)) if is_denied(&error) => {
                    return Err(denied(settings, "Read", Resource::Topic(topic.clone())));
                }
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(_)) | None => {}
            }
        }
    }
    Ok(())
}

/// Adds the output topics to a transaction, which asks for the permission to write them, and aborts it. The records that
/// the client wants for that stay in its queue, and are thrown away with the transaction.
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
    let Ok(producer) = config.create_with_context::<_, BaseProducer<Ear>>(Ear::default()) else {
        return Ok(());
    };
    let refused = |error: &KafkaError| settings.denied(needs, error, true);
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
        producer.poll(STEP / 10);
        for remark in producer.context().heard() {
            open.retain(|topic| {
                !remark
                    .text
                    .contains(&format!("{topic} [0] registered with transaction"))
            });
            if let Some(topic) = unauthorized(&remark.text) {
                refused = Some(denied(settings, "Write", Resource::Topic(topic)));
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
