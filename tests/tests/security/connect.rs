//! Certificates and passwords: who is let in, and what is said to who is not.

use std::path::Path;

use rotation_tests::broker::secure::{
    Listener, SecureBroker, password, scram_client, write_secret,
};
use rotation_tests::certificates::{Authority, Signed, Validity};
use rotation_tests::service::Deployment;

use super::{UNIVERSE, authority, everything, refusal, show, start};

/// TLS with what is trusted.
fn tls(trusted: &Path, more: &str) -> String {
    format!(
        "[kafka.properties]\n\"security.protocol\" = \"SSL\"\n\"ssl.ca.location\" = {trusted:?}\n{more}"
    )
}

fn sign(authority: &Authority, name: &str, validity: Validity) -> Signed {
    authority.sign(name, &[], validity).unwrap()
}

/// A client certificate in two files, its key under a password where one is given.
fn pair(secure: &SecureBroker, signed: &Signed, name: &str, password: Option<&str>) -> String {
    let certificate = signed.write_certificate(secure.folder(), name).unwrap();
    let key = signed.write_key(secure.folder(), name, password).unwrap();
    let mut text =
        format!("\"ssl.certificate.location\" = {certificate:?}\n\"ssl.key.location\" = {key:?}\n");
    if let Some(password) = password {
        text.push_str(&format!("\"ssl.key.password\" = {password:?}\n"));
    }
    text
}

/// The case, the listener, the client's properties, and what the error has to say.
type Wrong = (&'static str, Listener, String, Vec<&'static str>);

/// What is wrong with passwords, and with what the broker shows.
fn wrong_there(secure: &SecureBroker) -> Vec<Wrong> {
    let trusted = authority(secure);
    let foreign = secure.stranger.write(secure.folder()).unwrap();
    let bad = write_secret(secure.folder(), "bad", "not the password").unwrap();
    let login = "check sasl.username, sasl.password and sasl.mechanism";
    vec![
        (
            "wrong password",
            Listener::Scram,
            scram_client("user-0", &bad, &trusted),
            vec!["cannot log in", "as user `user-0`", login],
        ),
        (
            "unknown user",
            Listener::Scram,
            scram_client("nobody", &bad, &trusted),
            vec!["cannot log in", "as user `nobody`", login],
        ),
        (
            "unknown authority of the broker",
            Listener::Tls,
            tls(&foreign, ""),
            vec![
                "(CN=broker) is signed by `CN=trusted`, an authority that is not in ssl.ca.location",
            ],
        ),
        (
            "expired broker certificate",
            Listener::Expired,
            tls(&trusted, ""),
            vec![
                "(CN=broker-expired) expired on",
                "the broker needs a new one",
            ],
        ),
        (
            "broker certificate for another host",
            Listener::Misnamed,
            tls(&trusted, ""),
            vec!["(CN=broker-elsewhere) is for `kafka.example`, not for `127.0.0.1`"],
        ),
    ]
}

/// What is wrong with our own certificate, or with how we speak.
fn wrong_here(secure: &SecureBroker) -> Vec<Wrong> {
    let trusted = authority(secure);
    let expired = sign(&secure.authority, "client-expired", Validity::Expired);
    let stranger = sign(&secure.stranger, "client-foreign", Validity::Now);
    let expired = pair(secure, &expired, "client-expired", None);
    let stranger = pair(secure, &stranger, "client-foreign", None);
    vec![
        (
            "no client certificate",
            Listener::Mutual,
            tls(&trusted, ""),
            vec![
                "asks for a client certificate, and none is configured: set ssl.certificate.location",
            ],
        ),
        (
            "expired client certificate",
            Listener::Mutual,
            tls(&trusted, &expired),
            vec![
                "the client certificate in",
                "(CN=client-expired) expired on",
            ],
        ),
        (
            "foreign client certificate",
            Listener::Mutual,
            tls(&trusted, &stranger),
            vec![
                "does not accept the client certificate in",
                "signed by `CN=stranger`",
            ],
        ),
        (
            "plaintext to a TLS port",
            Listener::Tls,
            String::new(),
            vec!["expects another security.protocol than PLAINTEXT"],
        ),
        (
            "TLS without a login to a SASL port",
            Listener::Scram,
            tls(&trusted, ""),
            vec!["expects another security.protocol than SSL"],
        ),
    ]
}

#[test]
fn who_is_not_let_in_is_told_why_in_one_line() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let folder = secure.folder().to_str().unwrap();
    for (case, listener, client, expected) in [wrong_there(secure), wrong_here(secure)].concat() {
        let deployment =
            Deployment::new(secure.broker(), 2, &format!("{client}{UNIVERSE}")).unwrap();
        let address = secure.address(listener);
        let error = refusal(start(&deployment, &address, &[]));
        show(case, &error, &[(&address, "BROKER"), (folder, "FOLDER")]);
        assert!(error.contains(&address), "{case}: {error}");
        for part in expected {
            assert!(error.contains(part), "{case}: no {part:?} in {error:?}");
        }
        assert!(!error.contains("not the password"), "{error}");
    }
    // TLS to a port that does not speak it: the one that the test itself uses.
    let client = tls(&authority(secure), "");
    let deployment = Deployment::new(secure.broker(), 2, &format!("{client}{UNIVERSE}")).unwrap();
    let address = secure.broker().bootstrap();
    let error = refusal(start(&deployment, address, &[]));
    show("TLS to a plaintext port", &error, &[(address, "BROKER")]);
    assert!(error.contains("the listener does not speak TLS"), "{error}");
}

#[test]
fn who_has_certificate_or_password_is_let_in() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let trusted = authority(secure);
    let signed = sign(&secure.authority, "client", Validity::Now);
    let store = signed
        .write_store(secure.folder(), "client", "store-password")
        .unwrap();
    let store = format!(
        "\"ssl.keystore.location\" = {store:?}\n\"ssl.keystore.password\" = \"store-password\"\n"
    );
    let right = write_secret(secure.folder(), "right", &password("user-1")).unwrap();
    let cases = [
        (Listener::Tls, tls(&trusted, "")),
        (
            Listener::Mutual,
            tls(&trusted, &pair(secure, &signed, "plain", None)),
        ),
        (
            Listener::Mutual,
            tls(
                &trusted,
                &pair(secure, &signed, "locked", Some("key-password")),
            ),
        ),
        (Listener::Mutual, tls(&trusted, &store)),
        (Listener::Scram, scram_client("user-1", &right, &trusted)),
    ];
    for (listener, client) in cases {
        let deployment =
            Deployment::new(secure.broker(), 2, &format!("{client}{UNIVERSE}")).unwrap();
        if listener != Listener::Tls {
            let user = if listener == Listener::Mutual {
                "CN=client"
            } else {
                "user-1"
            };
            secure.allow(user, &everything(&deployment)).unwrap();
        }
        let mut service = start(&deployment, &secure.address(listener), &[]);
        service.await_ready().unwrap();
        service.terminate().unwrap();
    }
}
