//! The permissions that the documents list: they are enough, and each of them is needed.

use std::path::PathBuf;
use std::time::Duration;

use rotation_engine::alert::{Severity, State};
use rotation_tests::broker::secure::{Listener, SecureBroker};
use rotation_tests::broker::{Acl, Operation, Resource};
use rotation_tests::hooks::Hooks;
use rotation_tests::notify::event;
use rotation_tests::service::Deployment;
use rotation_tests::workspace;

use super::{UNIVERSE, client, refusal, show, start};

/// An entry of the page, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    process: String,
    resource: Resource,
    name: String,
    operation: Operation,
}

/// The entries that the page lists for a process.
fn listed(process: &str) -> Vec<Entry> {
    let page = std::fs::read_to_string(workspace::root().join("docs/KAFKA-SECURITY.md")).unwrap();
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let entries = rows.map(|row| {
        let cells: Vec<&str> = row
            .split(" | ")
            .map(|cell| cell.trim_matches('`'))
            .collect();
        let [process, resource, name, operation] = cells.as_slice() else {
            panic!("{row}");
        };
        let resource = match *resource {
            "Topic" => Resource::Topic,
            "Group" => Resource::Group,
            "TransactionalId" => Resource::TransactionalId,
            other => panic!("{other}"),
        };
        let operation = match *operation {
            "Read" => Operation::Read,
            "Write" => Operation::Write,
            other => panic!("{other}"),
        };
        Entry {
            process: (*process).to_owned(),
            resource,
            name: (*name).to_owned(),
            operation,
        }
    });
    let entries: Vec<Entry> = entries.filter(|entry| entry.process == process).collect();
    assert!(!entries.is_empty(), "the page lists nothing for {process}");
    entries
}

/// Entries under the names of a deployment.
fn acls(deployment: &Deployment, entries: &[Entry]) -> Vec<Acl> {
    entries
        .iter()
        .map(|entry| Acl::new(entry.resource, &named(deployment, entry), entry.operation))
        .collect()
}

fn named(deployment: &Deployment, entry: &Entry) -> String {
    let [ticks, bars, alerts, state, dead, readings] = &deployment.topics;
    match entry.name.as_str() {
        "market.ticks" => ticks.clone(),
        "rotation.bars" => bars.clone(),
        "rotation.alerts" => alerts.clone(),
        "rotation.readings" => readings.clone(),
        "rotation.state" => state.clone(),
        "rotation.dead-letters" => dead.clone(),
        other => other
            .replacen("rotation", deployment.prefix(), 1)
            .replace("INSTANCE", "one"),
    }
}

fn deployment(secure: &'static SecureBroker, user: &str) -> Deployment {
    Deployment::new(
        secure.broker(),
        2,
        &format!("{}{UNIVERSE}", client(secure, user)),
    )
    .unwrap()
}

#[test]
fn each_listed_permission_is_needed_and_its_lack_is_told_by_name() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let address = secure.address(Listener::Scram);
    let mut user = 8;
    for stage in ["sampler", "universe"] {
        let entries = listed(stage);
        for (lacking, entry) in entries.iter().enumerate() {
            let name = format!("user-{user}");
            user += 1;
            let deployment = deployment(secure, &name);
            let mut given = entries.clone();
            given.remove(lacking);
            secure.allow(&name, &acls(&deployment, &given)).unwrap();
            let error = refusal(start(&deployment, &address, &["--stage", stage]));
            let kind = match entry.resource {
                Resource::Topic => "topic",
                Resource::Group => "group",
                Resource::TransactionalId => "transactional id",
            };
            let case = format!(
                "{stage} without {:?} on {kind} {}",
                entry.operation, entry.name
            );
            show(&case, &error, &[(deployment.prefix(), "rotation")]);
            let expected = format!(
                "Kafka does not allow {:?} on {kind} `{}` as user `{name}`: add that permission \
                 (docs/KAFKA-SECURITY.md lists them all)",
                entry.operation,
                named(&deployment, entry)
            );
            assert_eq!(error, expected, "{case}");
            let written = secure
                .broker()
                .read_committed(&deployment.topics[2])
                .unwrap();
            assert!(written.is_empty(), "{case}: {} alerts", written.len());
        }
    }
}

#[test]
fn the_listed_permissions_are_enough_for_the_whole_service() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let address = secure.address(Listener::Scram);
    // One deployment, and for each process a user with what the page lists for it and nothing more.
    let common = deployment(secure, "user-2");
    let users = [
        ("sampler", "user-2"),
        ("universe", "user-3"),
        ("replay", "user-4"),
        ("tail", "user-5"),
    ];
    for (process, user) in users {
        secure
            .allow(user, &acls(&common, &listed(process)))
            .unwrap();
    }
    let text = std::fs::read_to_string(common.config()).unwrap();
    let config = |process: &str, user: &str| {
        let path = common.folder().join(format!("{process}.toml"));
        let own = text.replace(&client(secure, "user-2"), &client(secure, user));
        std::fs::write(&path, own).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let configs = users.map(|(process, user)| config(process, user));
    let run = |stage: &str, config: &str| {
        let args = ["--brokers", &address, "--stage", stage];
        common.run_with(config.as_ref(), "one", &args, &[]).unwrap()
    };
    let mut services = [run("sampler", &configs[0]), run("universe", &configs[1])];
    let file = common.folder().join("ticks.ndjson");
    let ticks: Vec<String> = [80.0, 90.0, 99.9, 100.5, 101.0]
        .iter()
        .enumerate()
        .map(|(at, price)| {
            format!("{{\"symbol\":\"A\",\"time\":\"2026-01-15T15:00:{at:02}Z\",\"price\":{price},\"seq\":{at}}}\n")
        })
        .collect();
    std::fs::write(&file, ticks.concat()).unwrap();
    let [_, _, replay, tail] = &configs;
    let file = file.to_str().unwrap();
    common
        .command(["replay", file, "--config", replay, "--brokers", &address])
        .unwrap();
    common.await_done(&mut services).unwrap();
    let events = common.alerts().unwrap();
    let expected = rotation_tests::service::count(&events);
    assert!(expected > 0, "no alert came of it");
    let limit = expected.to_string();
    let seen = common
        .command([
            "tail",
            "--config",
            tail,
            "--brokers",
            &address,
            "--from-beginning",
            "--limit",
            &limit,
        ])
        .unwrap();
    assert_eq!(seen.lines().count(), expected, "{seen}");
    for service in services {
        service.terminate().unwrap();
    }
}

/// A target that takes everything, and the configuration of a user who may tell it.
fn notifying(secure: &'static SecureBroker, user: &str, hooks: &Hooks) -> (Deployment, PathBuf) {
    let deployment = deployment(secure, user);
    let section = format!(
        "[notify]\ndefault = \"hook\"\n[notify.targets.hook]\ntype = \"webhook\"\nurl = \"{}\"\n",
        hooks.url("/hook")
    );
    let config = deployment.with_notify(&section).unwrap();
    (deployment, config)
}

#[test]
fn the_listed_permissions_are_enough_to_notify_and_each_is_needed() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let address = secure.address(Listener::Scram);
    let hooks = Hooks::start().unwrap();
    let args = ["--brokers", address.as_str(), "--begin", "oldest"];
    let entries = listed("notify");
    let (deployment, config) = notifying(secure, "user-31", &hooks);
    secure
        .allow("user-31", &acls(&deployment, &entries))
        .unwrap();
    let mut notifier = deployment.notify(&config, "one", &args).unwrap();
    notifier.await_ready().unwrap();
    let opened = event("r", 1, State::Opened, Severity::Info);
    deployment.publish([opened]).unwrap();
    hooks
        .await_taken("/hook", 1, Duration::from_secs(60))
        .unwrap();
    // What is no event goes to the dead letters.
    let stranger = [(None, "k", "{}", None)];
    deployment
        .broker
        .produce(&deployment.topics[2], stranger)
        .unwrap();
    while deployment
        .broker
        .read_committed(&deployment.topics[4])
        .unwrap()
        .is_empty()
    {
        notifier.alive().unwrap();
    }
    notifier.terminate().unwrap();
    for (lacking, entry) in entries.iter().enumerate() {
        let user = format!("user-{}", 32 + lacking);
        let (deployment, config) = notifying(secure, &user, &hooks);
        let mut given = entries.clone();
        given.remove(lacking);
        secure.allow(&user, &acls(&deployment, &given)).unwrap();
        let stranger = [(None, "k", "{}", None)];
        deployment
            .broker
            .produce(&deployment.topics[2], stranger)
            .unwrap();
        let notifier = deployment.notify(&config, "one", &args).unwrap();
        let (code, log) = notifier.await_end().unwrap();
        assert_eq!(code, Some(3), "without {entry:?}:\n{log}");
        assert!(log.contains("does not allow"), "without {entry:?}:\n{log}");
        println!("notify without {:?} on {}", entry.operation, entry.name);
        println!(
            "  {}",
            log.lines()
                .last()
                .unwrap()
                .replace(deployment.prefix(), "rotation")
        );
    }
}

#[test]
fn a_permission_taken_away_ends_a_running_service() {
    let Some(secure) = SecureBroker::get() else {
        return;
    };
    let address = secure.address(Listener::Scram);
    let cases = [
        ("sampler", "market.ticks", Operation::Read),
        ("sampler", "rotation.bars", Operation::Write),
        ("universe", "rotation.alerts", Operation::Write),
        ("universe", "rotation.state", Operation::Write),
        ("universe", "rotation.universe", Operation::Read),
        ("universe", "rotation/universe/INSTANCE", Operation::Write),
    ];
    for (number, (stage, name, operation)) in cases.into_iter().enumerate() {
        let user = format!("user-{}", 24 + number);
        let deployment = deployment(secure, &user);
        let entries = [listed("sampler"), listed("universe")].concat();
        let is_taken = |entry: &&Entry| {
            entry.process == stage && entry.name == name && entry.operation == operation
        };
        let taken = entries.iter().find(is_taken).unwrap();
        let mut given = acls(&deployment, &entries);
        // Both stages write the same state and the same dead letters.
        given.sort_by_key(|acl| format!("{acl:?}"));
        given.dedup();
        secure.allow(&user, &given).unwrap();
        let mut service = start(&deployment, &address, &[]);
        service.await_ready().unwrap();
        secure
            .forbid(&user, &acls(&deployment, std::slice::from_ref(taken))[0])
            .unwrap();
        let ticks = [90.0, 99.9, 100.5].iter().enumerate().map(|(at, price)| {
            let tick =
                format!("{{\"symbol\":\"A\",\"time\":\"2026-01-15T15:00:{at:02}Z\",\"price\":{price},\"seq\":{at}}}");
            (None, "A", tick, None)
        });
        secure
            .broker()
            .produce(&deployment.topics[0], ticks)
            .unwrap();
        let error = refusal(service);
        let case = format!("{stage} loses {operation:?} on {name} while it runs");
        show(&case, &error, &[(deployment.prefix(), "rotation")]);
        let named = named(&deployment, taken);
        assert!(error.starts_with("stage "), "{case}: {error}");
        assert!(
            error.contains(&format!("Kafka does not allow {operation:?} on ")),
            "{case}: {error}"
        );
        assert!(error.contains(&format!("`{named}`")), "{case}: {error}");
        assert!(
            error.contains(&format!("as user `{user}`: add that permission")),
            "{case}: {error}"
        );
    }
}
