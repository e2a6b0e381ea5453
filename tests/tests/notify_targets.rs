//! What each kind of target is sent, seen from its side: `rotation notify --test` to a web server on loopback.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::{Command, Output};

use openssl::base64::encode_block;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use rotation_tests::hooks::{Answer, Hooks, Request};
use rotation_tests::notify::UNIVERSE;
use rotation_tests::service::binary;
use serde_json::Value;

const SECRET: &str = "not-to-be-told-0123456789abcdef";

/// Sends the test to the one target, whose section goes on like this; the secret is in the environment.
fn test(section: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notify.toml");
    let text = format!(
        "[http]\npublic_url = \"https://rotation.example.org\"\n[notify.targets.one]\n{section}\n{UNIVERSE}"
    );
    std::fs::write(&file, text).unwrap();
    Command::new(binary())
        .args(["notify", "--test", "one", "--config"])
        .arg(&file)
        .env("NOTIFY_SECRET", SECRET)
        .output()
        .unwrap()
}

/// That both were taken, and the secret was not told.
fn is_taken(output: &Output) {
    let said = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    assert_eq!(said, "one: opened: taken\none: resolved: taken\n");
    assert_eq!(output.status.code(), Some(0));
}

fn json(request: &Request) -> Value {
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("rotation/"));
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn alertmanagers_of_a_cluster_are_all_told_and_one_is_enough() {
    let hooks = Hooks::start().unwrap();
    let section = format!(
        "type = \"alertmanager\"\nurls = [{:?}, {:?}]\nbearer = {{ env = \"NOTIFY_SECRET\" }}",
        hooks.url("/a"),
        hooks.url("/b/")
    );
    let (a, b) = ("/a/api/v2/alerts", "/b/api/v2/alerts");
    is_taken(&test(&section));
    let (of_a, of_b) = (hooks.requests(a), hooks.requests(b));
    assert_eq!((of_a.len(), of_b.len()), (2, 2));
    assert_eq!(of_a[0].body, of_b[0].body);
    assert_eq!(of_a[0].header("authorization"), format!("Bearer {SECRET}"));
    let alert = &json(&of_a[0])[0];
    assert_eq!(alert["labels"]["alertname"], "notify-test");
    let link = alert["generatorURL"].as_str().unwrap();
    let episode = alert["labels"]["episode"].as_str().unwrap();
    assert_eq!(
        link,
        format!("https://rotation.example.org/#/episode/{episode}")
    );

    hooks.always(a, Answer::Drop);
    is_taken(&test(&section));
    hooks.always(b, Answer::Status(503, vec![]));
    let output = test(&section);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("one: opened: not taken, would be tried again: "),
        "{said}"
    );
}

#[test]
fn pagerduty_is_told_to_trigger_and_to_resolve_one_alert() {
    let hooks = Hooks::start().unwrap();
    let section = format!(
        "type = \"pagerduty\"\nurl = {:?}\nrouting_key = {{ env = \"NOTIFY_SECRET\" }}",
        hooks.url("/v2/enqueue")
    );
    hooks.script("/v2/enqueue", [Answer::Status(202, vec![])]);
    is_taken(&test(&section));
    let sent: Vec<Value> = hooks.requests("/v2/enqueue").iter().map(json).collect();
    assert_eq!(
        (&sent[0]["event_action"], &sent[1]["event_action"]),
        (&"trigger".into(), &"resolve".into())
    );
    assert_eq!(sent[0]["dedup_key"], sent[1]["dedup_key"]);
    assert_eq!(sent[0]["routing_key"], SECRET);
    assert_eq!(sent[0]["payload"]["severity"], "info");
}

#[test]
fn a_chat_is_told_in_words() {
    let hooks = Hooks::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    // The address itself is the secret here, and so is in a file.
    std::fs::write(
        &file,
        format!("{}\n", hooks.url(&format!("/services/{SECRET}"))),
    )
    .unwrap();
    is_taken(&test(&format!(
        "type = \"slack\"\nurl = {{ file = {file:?} }}"
    )));
    let sent = hooks.requests(&format!("/services/{SECRET}"));
    let message = json(&sent[0]);
    let text = message["text"].as_str().unwrap();
    assert!(
        text.starts_with("INFO opened: A test of rotation notify"),
        "{text}"
    );
    // What is wrong with such an address is told without it.
    std::fs::write(&file, format!("http://127.0.0.1:1/{SECRET}")).unwrap();
    let output = test(&format!("type = \"slack\"\nurl = {{ file = {file:?} }}"));
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        said.contains("not taken") && !said.contains(SECRET),
        "{said}"
    );
}

#[test]
fn a_webhook_can_tell_by_the_signature_who_sent_it() {
    let hooks = Hooks::start().unwrap();
    let section = format!(
        "type = \"webhook\"\nurl = {:?}\nsecret = {{ env = \"NOTIFY_SECRET\" }}\n\
         template = '{{\"text\": {{{{ data.headline|tojson }}}}}}'",
        hooks.url("/hook")
    );
    is_taken(&test(&section));
    let sent = hooks.requests("/hook");
    let body = json(&sent[0]);
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("A test of rotation notify"), "{text}");
    let [first, second] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_ne!(first.header("webhook-id"), second.header("webhook-id"));
    for request in [first, second] {
        let signed = [
            request.header("webhook-id").as_bytes(),
            b".",
            request.header("webhook-timestamp").as_bytes(),
            b".",
            &request.body,
        ];
        let key = PKey::hmac(SECRET.as_bytes()).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        signer.update(&signed.concat()).unwrap();
        let expected = format!("v1,{}", encode_block(&signer.sign_to_vec().unwrap()));
        assert_eq!(request.header("webhook-signature"), expected);
        assert_eq!(
            request.header("idempotency-key"),
            request.header("webhook-id")
        );
    }
}
