//! A broker that lets in by certificate, password and access control list, with listeners that are wrong on purpose.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Result;

use super::acls::{self, Acl};
use super::{Broker, jars, server};
use crate::certificates::{self, Authority, Validity};
use crate::leashed::{Leashed, start_on_free_ports};
use crate::skipped;

/// Listeners beside the one for the test itself, which needs nothing and may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// TLS, no client certificate asked for.
    Tls,
    /// TLS with a client certificate: the user is its subject.
    Mutual,
    /// TLS and SASL/SCRAM-SHA-512.
    Scram,
    /// TLS whose certificate is not valid any more.
    Expired,
    /// TLS whose certificate is for another host.
    Misnamed,
}

/// All of them, with the names that Kafka knows them by.
const LISTENERS: [(Listener, &str); 5] = [
    (Listener::Tls, "TLS"),
    (Listener::Mutual, "MUTUAL"),
    (Listener::Scram, "SCRAM"),
    (Listener::Expired, "EXPIRED"),
    (Listener::Misnamed, "MISNAMED"),
];

/// Users there are for SCRAM: `user-0` and so on.
pub const USERS: usize = 40;

/// The password of a SCRAM user.
#[must_use]
pub fn password(user: &str) -> String {
    format!("password-of-{user}")
}

/// The broker, its authorities, and a folder for certificates.
#[derive(Debug)]
pub struct SecureBroker {
    broker: Broker,
    ports: [u16; 5],
    /// Signs what broker and clients trust.
    pub authority: Authority,
    /// Signs what nobody here trusts.
    pub stranger: Authority,
    folder: tempfile::TempDir,
}

impl SecureBroker {
    /// The broker shared by the tests of this process; `None` where none can be had, the test recorded as skipped.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    #[must_use]
    pub fn get() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<SecureBroker>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match Self::start() {
            Ok(broker) => broker,
            Err(error) => panic!("no usable Kafka broker: {error:#}"),
        });
        if shared.is_none() {
            skipped::skip("no Kafka broker of our own: Apache Kafka could not be fetched");
        }
        shared.as_ref()
    }

    fn start() -> Result<Option<Self>> {
        let Some(libs) = jars::find()? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("trusted")?;
        let stranger = Authority::new("stranger")?;
        let stores = Stores::write(&authority, folder.path())?;
        let launch = |ports: [u16; 7]| {
            let [broker, controller, rest @ ..] = ports;
            let more = properties(broker, controller, rest, &stores);
            Leashed::start("kafka", |folder| {
                server::command(&libs, folder, broker, controller, &more, &scram())
            })
        };
        let ready = |[broker, ..]: [u16; 7], server: &Leashed| server::await_start(broker, server);
        let ([broker, _, ports @ ..], server) = start_on_free_ports(launch, ready)?;
        let broker = Broker {
            bootstrap: server::address(broker),
            server: Some(server),
        };
        Ok(Some(Self {
            broker,
            ports,
            authority,
            stranger,
            folder,
        }))
    }

    /// The broker as the test itself sees it, allowed everything.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The address of a listener.
    #[must_use]
    pub fn address(&self, listener: Listener) -> String {
        let at = LISTENERS
            .iter()
            .position(|(known, _)| *known == listener)
            .unwrap_or_default();
        server::address(self.ports[at])
    }

    /// Where certificates are written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Allows a user something, and waits until the broker goes by it.
    ///
    /// # Errors
    ///
    /// When the broker refuses or does not answer.
    pub fn allow(&self, user: &str, acls: &[Acl]) -> Result<()> {
        acls::allow(&self.broker.bootstrap, user, acls)
    }

    /// Takes a permission away, and waits until the broker goes by that.
    ///
    /// # Errors
    ///
    /// When the user does not have it, or the broker does not answer.
    pub fn forbid(&self, user: &str, acl: &Acl) -> Result<()> {
        acls::forbid(&self.broker.bootstrap, user, acl)
    }
}

/// What the listeners show and trust.
struct Stores {
    trusted: PathBuf,
    fine: PathBuf,
    expired: PathBuf,
    misnamed: PathBuf,
}

impl Stores {
    fn write(authority: &Authority, folder: &Path) -> Result<Self> {
        let hosts = ["127.0.0.1", "localhost"];
        let sign = |name: &str, hosts: &[&str], validity| {
            authority
                .sign(name, hosts, validity)?
                .write_pair(folder, name)
        };
        Ok(Self {
            trusted: authority.write(folder)?,
            fine: sign("broker", &hosts, Validity::Now)?,
            expired: sign("broker-expired", &hosts, Validity::Expired)?,
            misnamed: sign("broker-elsewhere", &["kafka.example"], Validity::Now)?,
        })
    }
}

fn scram() -> Vec<String> {
    let users = (0..USERS).map(|number| format!("user-{number}"));
    users
        .map(|user| format!("SCRAM-SHA-512=[name={user},password={}]", password(&user)))
        .collect()
}

/// What is said beside the properties of the plain broker; what is said again holds.
fn properties(broker: u16, controller: u16, ports: [u16; 5], stores: &Stores) -> String {
    let all = || LISTENERS.iter().zip(ports);
    let addresses: String = all()
        .map(|((_, name), port)| format!(",{name}://{}", server::address(port)))
        .collect();
    let protocols: String = LISTENERS
        .iter()
        .map(|(listener, name)| match listener {
            Listener::Scram => format!(",{name}:SASL_SSL"),
            _ => format!(",{name}:SSL"),
        })
        .collect();
    let plain = server::address(broker);
    let mut text = format!(
        "listeners=PLAINTEXT://{plain},CONTROLLER://{}{addresses}\n\
         advertised.listeners=PLAINTEXT://{plain}{addresses}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.scram.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
        server::address(controller)
    );
    for (listener, name) in LISTENERS {
        let store = match listener {
            Listener::Expired => &stores.expired,
            Listener::Misnamed => &stores.misnamed,
            Listener::Tls | Listener::Mutual | Listener::Scram => &stores.fine,
        };
        let auth = if listener == Listener::Mutual {
            "required"
        } else {
            "none"
        };
        let prefix = format!("listener.name.{}.ssl", name.to_lowercase());
        text.push_str(&format!(
            "{prefix}.keystore.type=PEM\n{prefix}.keystore.location={}\n\
             {prefix}.truststore.type=PEM\n{prefix}.truststore.location={}\n{prefix}.client.auth={auth}\n",
            store.display(),
            stores.trusted.display(),
        ));
    }
    text
}

/// The properties that a client of a SCRAM user sets, as a table of the configuration.
#[must_use]
pub fn scram_client(user: &str, password_file: &Path, authority: &Path) -> String {
    format!(
        "[kafka.properties]\n\"security.protocol\" = \"SASL_SSL\"\n\"ssl.ca.location\" = {authority:?}\n\
         \"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\"sasl.username\" = \"{user}\"\n\
         \"sasl.password\" = {{ file = {password_file:?} }}\n"
    )
}

/// Writes a password into a file that only its owner may read.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_secret(folder: &Path, name: &str, secret: &str) -> Result<PathBuf> {
    certificates::write(folder, name, secret.as_bytes())
}
