//! Who gets in, and what each may do: certificates, passwords and access control lists, on Apache Kafka and with the
//! program as it is built.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "security/connect.rs"]
mod connect;
#[path = "security/permissions.rs"]
mod permissions;
#[path = "security/secrets.rs"]
mod secrets;

use std::path::PathBuf;

use rotation_tests::broker::secure::{SecureBroker, password, scram_client, write_secret};
use rotation_tests::broker::{Acl, Operation, Resource};
use rotation_tests::service::{Deployment, Service};

/// A watched series, so that a tick is enough for an alert.
const UNIVERSE: &str = r#"
[universe.us]
calendar = "24x7"
[universe.us.series]
A = {}
[universe.us.rules.touch]
kind = "level_approach"
clock = "tick"
series = "A"
level = 100.0
"#;

/// More log lines than these would be a loop.
const LINES_MAX: usize = 25;
/// More remarks of the client than these would be a busy one.
const ATTEMPTS_MAX: usize = 30;

/// The configuration of a SCRAM user with its right password.
fn client(secure: &SecureBroker, user: &str) -> String {
    let file = write_secret(secure.folder(), user, &password(user)).unwrap();
    scram_client(user, &file, &authority(secure))
}

fn authority(secure: &SecureBroker) -> PathBuf {
    secure.authority.write(secure.folder()).unwrap()
}

/// The one line in which a process says why it ends; it ends as Kafka's failures do, without having gone in circles.
fn refusal(service: Service) -> String {
    let (code, log) = service.await_end().unwrap();
    assert_eq!(code, Some(3), "{log}");
    let is_remark = |line: &&str| line.contains("DEBUG");
    let attempts = log.lines().filter(is_remark).count();
    assert!(
        attempts <= ATTEMPTS_MAX,
        "{attempts} remarks of the client:\n{log}"
    );
    let told: Vec<&str> = log.lines().filter(|line| !is_remark(line)).collect();
    assert!(told.len() <= LINES_MAX, "{} lines:\n{log}", told.len());
    let errors: Vec<&str> = told
        .iter()
        .filter_map(|line| line.strip_prefix("rotation: "))
        .collect();
    let [error] = errors.as_slice() else {
        panic!("expected one error:\n{log}");
    };
    (*error).to_owned()
}

/// Starts it so that each remark of the client is a line of the log.
fn start(deployment: &Deployment, brokers: &str, args: &[&str]) -> Service {
    let args = [&["--brokers", brokers], args].concat();
    let filter = [("RUST_LOG", "info,rotation_service::kafka=debug")];
    deployment.run_in("one", &args, &filter).unwrap()
}

/// A line of the matrix, with the names that differ from run to run made plain.
fn show(case: &str, error: &str, plain: &[(&str, &str)]) {
    let error = plain.iter().fold(error.to_owned(), |text, (found, plain)| {
        text.replace(found, plain)
    });
    eprintln!("| {case} | {error} |");
}

/// Every operation on everything of a deployment.
fn everything(deployment: &Deployment) -> Vec<Acl> {
    let group = deployment.prefix();
    let mut all = Vec::new();
    for topic in &deployment.topics {
        all.extend(
            [Operation::Read, Operation::Write]
                .map(|operation| Acl::new(Resource::Topic, topic, operation)),
        );
    }
    for stage in ["sampler", "universe"] {
        all.push(Acl::new(
            Resource::Group,
            &format!("{group}.{stage}"),
            Operation::Read,
        ));
        let id = format!("{group}/{stage}/one");
        all.push(Acl::new(Resource::TransactionalId, &id, Operation::Write));
    }
    all
}
