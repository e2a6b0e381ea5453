//! What is wrong with a certificate: librdkafka says only that it could not be verified.
//!
//! So the handshake is done once more by OpenSSL, the library that librdkafka uses too, and asked for its reason.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::{X509, X509NameRef, X509Ref, X509StoreContextRef};

/// Longest wait for the broker.
const ANSWER: Duration = Duration::from_secs(3);

/// What OpenSSL has against the broker's certificate, and what to change; none where it has nothing.
pub(super) fn fault_of_broker(
    address: &str,
    properties: &BTreeMap<String, String>,
) -> Option<String> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = address
        .to_socket_addrs()
        .ok()?
        .find_map(|socket| TcpStream::connect_timeout(&socket, ANSWER).ok())?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    stream.set_write_timeout(Some(ANSWER)).ok()?;
    let found: Arc<Mutex<Option<String>>> = Arc::default();
    let note = found.clone();
    let trust = trust(properties);
    let named = host.to_owned();
    let connector = connector(properties, move |fine, context| {
        if !fine {
            let mut note = note.lock().unwrap_or_else(PoisonError::into_inner);
            note.get_or_insert_with(|| explain(context, &named, &trust));
        }
        fine
    })
    .ok()?;
    let checks_host = properties
        .get("ssl.endpoint.identification.algorithm")
        .is_none_or(|algorithm| algorithm != "none");
    let configured = connector.configure().ok()?.verify_hostname(checks_host);
    drop(configured.connect(host, stream));
    found.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn connector(
    properties: &BTreeMap<String, String>,
    verify: impl Fn(bool, &mut X509StoreContextRef) -> bool + Send + Sync + 'static,
) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    if let Some(location) = properties.get("ssl.ca.location") {
        if Path::new(location).is_dir() {
            builder.load_verify_locations(None, Some(Path::new(location)))?;
        } else {
            builder.set_ca_file(location)?;
        }
    }
    if let Some(pem) = properties.get("ssl.ca.pem") {
        for certificate in X509::stack_from_pem(pem.as_bytes())? {
            builder.cert_store_mut().add_cert(certificate)?;
        }
    }
    builder.set_verify_callback(SslVerifyMode::PEER, verify);
    Ok(builder.build())
}

/// Where the authorities that we trust are, for messages.
fn trust(properties: &BTreeMap<String, String>) -> String {
    match (
        properties.get("ssl.ca.location"),
        properties.get("ssl.ca.pem"),
    ) {
        (Some(location), _) => format!("ssl.ca.location ({location})"),
        (None, Some(_)) => "ssl.ca.pem".to_owned(),
        (None, None) => "the system's store; set ssl.ca.location".to_owned(),
    }
}

fn explain(context: &X509StoreContextRef, host: &str, trust: &str) -> String {
    use codes::*;
    let Some(certificate) = context.current_cert() else {
        return format!(
            "the broker's certificate is not valid: {}",
            context.error().error_string()
        );
    };
    let subject = name(certificate.subject_name());
    let shown = if context.error_depth() == 0 {
        format!("the broker's certificate ({subject})")
    } else {
        format!("the certificate of the broker's authority ({subject})")
    };
    match context.error().as_raw() {
        HAS_EXPIRED => {
            format!(
                "{shown} expired on {}: the broker needs a new one",
                certificate.not_after()
            )
        }
        NOT_YET_VALID => format!(
            "{shown} is not valid before {}: is the clock of this machine right?",
            certificate.not_before()
        ),
        HOSTNAME_MISMATCH | IP_ADDRESS_MISMATCH => format!(
            "{shown} is for {}, not for `{host}`: connect by a name that it is for, or have it issued for this one",
            hosts(certificate)
        ),
        SELF_SIGNED | SELF_SIGNED_IN_CHAIN | NO_ISSUER | NO_ISSUER_LOCALLY | UNVERIFIABLE_LEAF => {
            format!(
                "{shown} is signed by `{}`, an authority that is not in {trust}",
                name(certificate.issuer_name())
            )
        }
        _ => format!("{shown} is not valid: {}", context.error().error_string()),
    }
}

/// Results of a verification, as `openssl verify` numbers them.
mod codes {
    pub(super) const NO_ISSUER: i32 = 2;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const HAS_EXPIRED: i32 = 10;
    pub(super) const SELF_SIGNED: i32 = 18;
    pub(super) const SELF_SIGNED_IN_CHAIN: i32 = 19;
    pub(super) const NO_ISSUER_LOCALLY: i32 = 20;
    pub(super) const UNVERIFIABLE_LEAF: i32 = 21;
    pub(super) const HOSTNAME_MISMATCH: i32 = 62;
    pub(super) const IP_ADDRESS_MISMATCH: i32 = 64;
}

/// What may be wrong with our own certificate when the broker wants another.
pub(super) fn fault_of_client(properties: &BTreeMap<String, String>) -> String {
    if let Some(store) = properties.get("ssl.keystore.location") {
        return format!(
            "the broker does not accept the client certificate in {store}: is it still valid, and does the broker \
             trust who signed it?"
        );
    }
    let (shown, pem) = match (
        properties.get("ssl.certificate.location"),
        properties.get("ssl.certificate.pem"),
    ) {
        (Some(path), _) => (path.as_str(), std::fs::read(path).ok()),
        (None, Some(pem)) => ("ssl.certificate.pem", Some(pem.clone().into_bytes())),
        (None, None) => {
            return "the broker asks for a client certificate, and none is configured: set ssl.certificate.location \
                    and ssl.key.location, or ssl.keystore.location"
                .to_owned();
        }
    };
    let Some(certificate) = pem.and_then(|pem| X509::from_pem(&pem).ok()) else {
        return format!("the broker asks for a client certificate, and {shown} holds none in PEM");
    };
    let subject = name(certificate.subject_name());
    let is_over = Asn1Time::days_from_now(0).is_ok_and(|now| certificate.not_after() < now);
    if is_over {
        return format!(
            "the client certificate in {shown} ({subject}) expired on {}: it has to be renewed",
            certificate.not_after()
        );
    }
    format!(
        "the broker does not accept the client certificate in {shown} ({subject}), signed by `{}`: does the broker \
         trust that authority?",
        name(certificate.issuer_name())
    )
}

fn name(name: &X509NameRef) -> String {
    let entries = name.entries().filter_map(|entry| {
        let key = entry.object().nid().short_name().ok()?;
        let value = entry.data().to_string().ok()?;
        Some(format!("{key}={value}"))
    });
    entries.collect::<Vec<_>>().join(", ")
}

/// The hosts that a certificate is for.
fn hosts(certificate: &X509Ref) -> String {
    let names = certificate.subject_alt_names();
    let shown: Vec<String> = names
        .iter()
        .flatten()
        .filter_map(|name| match (name.dnsname(), name.ipaddress()) {
            (Some(name), _) => Some(format!("`{name}`")),
            (None, Some([a, b, c, d])) => Some(format!("`{a}.{b}.{c}.{d}`")),
            _ => None,
        })
        .collect();
    if shown.is_empty() {
        "no host".to_owned()
    } else {
        shown.join(", ")
    }
}
