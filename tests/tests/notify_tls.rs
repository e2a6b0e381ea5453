//! Targets over TLS: told where the certificate is one of the authorities that are trusted, and for that host; and not
//! told anything otherwise.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use rotation_tests::certificates::{Authority, Validity};
use rotation_tests::notify::UNIVERSE;
use rotation_tests::service::binary;

/// A server that takes what is posted to it, and says what that was; its address.
fn serve(folder: &Path, pair: &Path) -> (u16, Receiver<String>) {
    assert!(pair.starts_with(folder));
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor
        .set_private_key_file(pair, SslFiletype::PEM)
        .unwrap();
    acceptor
        .set_certificate_file(pair, SslFiletype::PEM)
        .unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that does not trust us goes away.
            let Ok(mut stream) = acceptor.accept(stream) else {
                continue;
            };
            let mut text = String::new();
            let mut piece = [0; 4096];
            while !text.ends_with('}') {
                let Ok(length @ 1..) = stream.read(&mut piece) else {
                    break;
                };
                text.push_str(&String::from_utf8_lossy(&piece[..length]));
            }
            let answer = b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).unwrap();
            // What is not there any more need not be told goodbye.
            let _ = stream.shutdown();
            tell.send(text).unwrap();
        }
    });
    (port, told)
}

/// `rotation notify --test` to an address, with this line in the target's section.
fn test(folder: &Path, port: u16, more: &str) -> Output {
    let file = folder.join("notify.toml");
    let section = format!(
        "[notify.targets.hook]\ntype = \"webhook\"\nurl = \"https://localhost:{port}/hook\"\n{more}\n{UNIVERSE}"
    );
    std::fs::write(&file, section).unwrap();
    let words = ["notify", "--test", "hook", "--config"];
    Command::new(binary())
        .args(words)
        .arg(&file)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let bytes = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_target_is_told_over_tls_where_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = Authority::new("ours").unwrap();
    let ca = authority.write(folder).unwrap();
    let trust = format!("ca_file = {ca:?}");
    let server = |name: &str, host: &str, validity| {
        let signed = authority.sign(name, &[host], validity).unwrap();
        let pair = signed.write_pair(folder, name).unwrap();
        serve(folder, &pair)
    };
    let (port, told) = server("good", "localhost", Validity::Now);
    let output = test(folder, port, &trust);
    assert_eq!(
        said(&output),
        "hook: opened: taken\nhook: resolved: taken\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let posted = told.recv().unwrap();
    assert!(posted.starts_with("POST /hook HTTP/1.1\r\n"), "{posted}");
    assert!(posted.contains("rotation.alert.opened.v1"), "{posted}");
    assert_eq!(told.iter().take(1).count(), 1);

    let untold = |port, told: &Receiver<String>, more: &str, why: &str| {
        let output = test(folder, port, more);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains(why),
            "expected {why}: {}",
            said(&output)
        );
        assert!(told.try_recv().is_err(), "it was told all the same");
    };
    // Nobody whom browsers trust has signed it; it is for another host; it has expired.
    untold(port, &told, "", "UnknownIssuer");
    let (port, told) = server("elsewhere", "elsewhere.test", Validity::Now);
    untold(port, &told, &trust, "not valid for name");
    let (port, told) = server("old", "localhost", Validity::Expired);
    untold(port, &told, &trust, "expired");

    let output = test(folder, port, "ca_file = \"absent.pem\"");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("notify.targets.hook.ca_file: cannot read"),
        "{}",
        said(&output)
    );
}
