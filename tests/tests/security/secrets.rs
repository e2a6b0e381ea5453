//! Secrets are in no log, no error, no output of `check` and not on `/metrics`, at whatever level is logged.

use std::path::Path;
use std::process::Command;

use rotation_tests::broker::secure::{
    Listener, SecureBroker, password, scram_client, write_secret,
};
use rotation_tests::certificates::Validity;
use rotation_tests::service::{Deployment, binary};

use super::{UNIVERSE, authority, everything};

/// In every secret of these tests, so that one search finds any of them.
const CANARY: &str = "canary";

/// Runs a command to its end; its exit code and all that it printed.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary())
        .args(args)
        .env("RUST_LOG", "trace")
        .env("ROTATION_TEST_SECRET", "canary-environment")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn expect_silence(what: &str, text: &str) {
    assert!(
        !text.to_lowercase().contains(CANARY),
        "{what} tells a secret:\n{text}"
    );
}

/// A configuration with a secret in every place that takes one.
fn all_places(folder: &Path) -> String {
    let password = write_secret(folder, "password", "canary-file").unwrap();
    let token = write_secret(folder, "token", "canary-token-0123456789").unwrap();
    format!(
        "[kafka.properties]\n\
         \"sasl.password\" = \"canary-literal\"\n\
         \"ssl.key.password\" = {{ env = \"ROTATION_TEST_SECRET\" }}\n\
         \"ssl.keystore.password\" = {{ file = {password:?} }}\n\
         \"ssl.key.pem\" = \"-----BEGIN PRIVATE KEY-----canary-----END PRIVATE KEY-----\"\n\
         \"sasl.oauthbearer.client.secret\" = \"canary-oauth\"\n\
         \"sasl.oauthbearer.config\" = \"principal=canary\"\n\
         [http]\ntoken_file = {token:?}\n{UNIVERSE}"
    )
}

#[test]
fn check_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_secret(folder.path(), "rotation.toml", &all_places(folder.path())).unwrap();
    let (code, text) = run(&["check", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("sasl.password = [redacted]"), "{text}");
    expect_silence("check", &text);
}

#[test]
fn what_is_wrong_with_a_file_is_told_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        // Not TOML, in the line of the secret or beside it.
        "\"sasl.password\" = \"canary",
        "\"sasl.password\" = canary",
        "\"sasl.password\" \"canary\"",
        "\"sasl.password\" = \"canary\" \"canary\"",
        "\"sasl.password\" = \"canary\\q\"",
        "\"sasl.password\" = 'canary\n",
        "\"sasl.password\" = \"canary\"\n\"sasl.password\" = \"canary\"",
        "\"sasl.password\" = { file = \"canary\"",
        "\"sasl.password\" = [\"canary\"",
        "sasl.password = canary-canary",
        "\"sasl.password\" = 2026-canary",
        // TOML, and wrong.
        "\"sasl.password\" = [\"canary\"]",
        "\"sasl.password\" = { value = \"canary\" }",
        "\"sasl.password\" = { env = \"A\", value = \"canary\" }",
        "\"sasl.pasword\" = \"canary\"",
        "sasl.password = \"canary\"",
        "password = \"canary\"",
        "[kafka]\n\"sasl.password\" = \"canary\"",
        "[kafka]\nproperties = \"sasl.password=canary\"",
        "[kafka]\nproperties = [\"sasl.password=canary\"]",
        "[http]\ntoken = \"canary\"",
    ];
    for (number, lines) in wrong.iter().enumerate() {
        let table = if lines.starts_with('[') {
            ""
        } else {
            "[kafka.properties]\n"
        };
        let name = format!("wrong-{number}.toml");
        let file =
            write_secret(folder.path(), &name, &format!("{table}{lines}\n{UNIVERSE}")).unwrap();
        for command in [&["check"][..], &["run", "--config"]] {
            let (code, text) = run(&[command, &[file.to_str().unwrap()]].concat());
            assert_eq!(code, Some(2), "{lines}: {text}");
            expect_silence(lines, &text);
        }
    }
}

#[test]
fn what_is_wrong_with_a_flag_is_told_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = write_secret(folder.path(), "rotation.toml", UNIVERSE).unwrap();
    let file = file.to_str().unwrap();
    for property in [
        "canary",
        "sasl.password:canary",
        "sasl.pasword=canary",
        "enable.idempotence=canary",
    ] {
        let (code, text) = run(&["run", "--config", file, "-X", property]);
        assert_eq!(code, Some(2), "{property}: {text}");
        expect_silence(property, &text);
    }
    let token = write_secret(folder.path(), "token", "canary").unwrap();
    let (code, text) = run(&[
        "run",
        "--config",
        file,
        "--token-file",
        token.to_str().unwrap(),
    ]);
    assert_eq!(code, Some(2), "{text}");
    // The path is told, the content is not.
    expect_silence("a short token", &text);
}

/// The token of the HTTP address.
const TOKEN: &str = "canary-token-0123456789";

/// Runs the service with its client's properties and more flags, everything logged; all that it told. It comes to work
/// where `is_right`, and ends by itself elsewhere.
fn told(
    secure: &'static SecureBroker,
    listener: Listener,
    client: &str,
    flags: &[&str],
    is_right: bool,
) -> String {
    let deployment = Deployment::new(secure.broker(), 2, &format!("{client}{UNIVERSE}")).unwrap();
    let user = if listener == Listener::Mutual {
        "CN=client-of-secrets"
    } else {
        "user-6"
    };
    secure.allow(user, &everything(&deployment)).unwrap();
    let token_file = write_secret(secure.folder(), "token", TOKEN).unwrap();
    let address = secure.address(listener);
    let fixed = [
        "--brokers",
        &address,
        "--token-file",
        token_file.to_str().unwrap(),
        "-X",
        "debug=all",
    ];
    let environment = [
        ("RUST_LOG", "debug"),
        ("ROTATION_TEST_SECRET", "canary-environment"),
    ];
    let mut service = deployment
        .run_in("one", &[&fixed, flags].concat(), &environment)
        .unwrap();
    if !is_right {
        let (code, log) = service.await_end().unwrap();
        assert_eq!(code, Some(3), "{log}");
        return log;
    }
    service.await_ready().unwrap();
    let (status, page) = service.get("/metrics").unwrap();
    assert_eq!(status, 401, "{page}");
    let (status, metrics) = service.get_with("/metrics", Some(TOKEN)).unwrap();
    assert_eq!(status, 200, "{metrics}");
    let log = service.whole_log();
    assert!(
        log.contains("DEBUG"),
        "nothing of the client is logged:\n{log}"
    );
    service.terminate().unwrap();
    page + &metrics + &log
}

#[test]
fn a_running_service_tells_no_secret_at_any_level() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let trusted = authority(secure);
    let signed = secure
        .authority
        .sign("client-of-secrets", &[], Validity::Now)
        .unwrap();
    let store = signed
        .write_store(secure.folder(), "client-store", "canary-store")
        .unwrap();
    let keystore = |password: &str| {
        format!(
            "[kafka.properties]\n\"security.protocol\" = \"SSL\"\n\"ssl.ca.location\" = {trusted:?}\n\
             \"ssl.keystore.location\" = {store:?}\n\"ssl.keystore.password\" = \"{password}\"\n\
             \"ssl.key.password\" = {{ env = \"ROTATION_TEST_SECRET\" }}\n"
        )
    };
    let right = write_secret(secure.folder(), "right-6", &password("user-6")).unwrap();
    let wrong = write_secret(secure.folder(), "wrong-6", "canary-wrong").unwrap();
    let scram = |file: &Path| scram_client("user-6", file, &trusted);
    let flag = format!("sasl.password={}", password("user-6"));
    let cases: [(_, _, &[&str], _); 5] = [
        (Listener::Scram, scram(&right), &[], true),
        (Listener::Scram, scram(&wrong), &[], false),
        (Listener::Scram, scram(&wrong), &["-X", &flag], true),
        (Listener::Mutual, keystore("canary-store"), &[], true),
        (Listener::Mutual, keystore("canary-wrong"), &[], false),
    ];
    let password = password("user-6");
    let secrets = [
        &password,
        "canary-wrong",
        "canary-store",
        "canary-environment",
        TOKEN,
    ];
    for (listener, client, flags, is_right) in cases {
        let seen = told(secure, listener, &client, flags, is_right);
        for secret in secrets {
            let line = seen.lines().find(|line| line.contains(secret));
            assert_eq!(
                line, None,
                "a secret is told ({listener:?}, {flags:?}, right: {is_right})"
            );
        }
    }
}
