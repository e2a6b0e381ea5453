//! Who gets in: certificates, passwords and access control lists, on Apache Kafka and with the program as it is built.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_tests::broker::secure::{
    Listener, SecureBroker, password, scram_client, write_secret,
};
use rotation_tests::broker::{Acl, Operation, Resource};
use rotation_tests::certificates::Validity;
use rotation_tests::service::Deployment;

const UNIVERSE: &str = "
[universe.us]
calendar = \"24x7\"
[universe.us.series]
A = {}
B = {}
[universe.us.rules.touch]
kind = \"level_approach\"
clock = \"tick\"
series = \"A\"
level = 100.0
";

#[test]
fn experiment() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let ca = secure.authority.write(secure.folder()).unwrap();
    let foreign = secure.stranger.write(secure.folder()).unwrap();
    let good = write_secret(secure.folder(), "good", &password("user-0")).unwrap();
    let bad = write_secret(secure.folder(), "bad", "wrong").unwrap();
    let ssl = |ca: &std::path::Path, more: &str| {
        format!(
            "[kafka.properties]\n\"security.protocol\" = \"SSL\"\n\"ssl.ca.location\" = {ca:?}\n{more}"
        )
    };
    let cert = |name: &str, validity, authority: &rotation_tests::certificates::Authority| {
        let signed = authority.sign(name, &[], validity).unwrap();
        let crt = signed.write_certificate(secure.folder(), name).unwrap();
        let key = signed.write_key(secure.folder(), name, None).unwrap();
        format!("\"ssl.certificate.location\" = {crt:?}\n\"ssl.key.location\" = {key:?}\n")
    };
    let cases = [
        ("fine", Listener::Tls, ssl(&ca, "")),
        (
            "wrong password",
            Listener::Scram,
            scram_client("user-0", &bad, &ca),
        ),
        (
            "unknown user",
            Listener::Scram,
            scram_client("nobody", &bad, &ca),
        ),
        ("unknown ca", Listener::Tls, ssl(&foreign, "")),
        ("expired", Listener::Expired, ssl(&ca, "")),
        ("hostname", Listener::Misnamed, ssl(&ca, "")),
        ("no client cert", Listener::Mutual, ssl(&ca, "")),
        (
            "client cert expired",
            Listener::Mutual,
            ssl(
                &ca,
                &cert("client-expired", Validity::Expired, &secure.authority),
            ),
        ),
        (
            "client cert foreign",
            Listener::Mutual,
            ssl(
                &ca,
                &cert("client-foreign", Validity::Now, &secure.stranger),
            ),
        ),
        (
            "client cert fine",
            Listener::Mutual,
            ssl(&ca, &cert("client-fine", Validity::Now, &secure.authority)),
        ),
        ("plaintext to tls", Listener::Tls, String::new()),
        (
            "no acl at all",
            Listener::Scram,
            scram_client("user-0", &good, &ca),
        ),
    ];
    let _ = (Acl::new(Resource::Topic, "", Operation::Read), 0);
    for (name, listener, client) in cases {
        let deployment =
            Deployment::new(secure.broker(), 2, &format!("{client}{UNIVERSE}")).unwrap();
        let address = secure.address(listener);
        let service = deployment.run("one", &["--brokers", &address]).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(8));
        eprintln!("=== {name}\n{}\n", service.log());
    }
}
