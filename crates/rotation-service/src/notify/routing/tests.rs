use super::*;
use crate::config::Config;
use crate::notify::sample;
use proptest::prelude::*;
use rotation_engine::alert::{Notify, Severity, State};

const UNIVERSE: &str = "\n[universe.us.series]\nA = {}\nB = {}\n[universe.us.rules.r]\nkind = \"relative_streak\"\n\
                        leader = \"A\"\nlaggard = \"B\"\n";

fn config(section: &str) -> NotifyConfig {
    let targets = "[notify.targets.a]\ntype = \"webhook\"\nurl = \"http://a\"\n\
                   [notify.targets.b]\ntype = \"webhook\"\nurl = \"http://b\"\n\
                   [notify.windows.day]\nfrom = \"08:00\"\nto = \"20:00\"\n";
    let text = format!("{section}\n{targets}{UNIVERSE}");
    Config::parse(&text, "")
        .unwrap_or_else(|errors| panic!("{errors}"))
        .notify
        .unwrap()
}

/// The name of each target that is told; `~` before it where it is muted.
fn told(config: &NotifyConfig, alert: &Alert) -> String {
    let at = "2026-01-15T12:00:00Z".parse().unwrap();
    let verdicts = route(config, alert, at).into_iter().zip(&config.targets);
    let names = verdicts.filter_map(|(verdict, target)| match verdict {
        Verdict::No => None,
        Verdict::Tell { .. } => Some(target.name.clone()),
        Verdict::Mute { .. } => Some(format!("~{}", target.name)),
    });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_route_that_matches_decides_unless_it_says_continue() {
    let mut alert = sample::event().alert;
    alert.parent_episode = None;
    alert.severity = Severity::Warning;
    alert.notify = Notify::Chat;
    alert.state = State::Opened;
    let plain = alert.clone();
    let check = |section: &str, alert: &Alert, expected: &str| {
        assert_eq!(told(&config(section), alert), expected, "{section}");
    };
    let r = "[[notify.routes]]\n";
    let to_a = format!("{r}targets = \"a\"\n");
    for (keys, matches) in [
        ("", true),
        ("severity = \"warning\"", true),
        ("severity = \"critical\"", false),
        ("notify = \"chat\"", true),
        ("notify = \"page\"", false),
        ("rules = \"small-*\"", true),
        ("rules = [\"other\", \"small-cap-strea?\"]", true),
        ("rules = \"small\"", false),
        ("universes = \"us\"", true),
        ("universes = [\"eu\", \"jp\"]", false),
        ("subjects = \"RUT/*\"", true),
        ("states = [\"opened\"]", true),
        ("states = [\"resolved\", \"retracted\"]", false),
        (
            "severity = \"warning\"\nrules = \"small-*\"\nuniverses = \"eu\"",
            false,
        ),
    ] {
        check(
            &format!("{to_a}{keys}"),
            &plain,
            if matches { "a" } else { "" },
        );
    }
    check(&format!("{to_a}{r}targets = \"b\""), &plain, "a");
    check(
        &format!("{to_a}continue = true\n{r}targets = \"b\""),
        &plain,
        "a b",
    );
    check(
        &format!("{to_a}severity = \"critical\"\n{r}targets = \"b\""),
        &plain,
        "b",
    );
    let default = "[notify]\ndefault = \"b\"\n";
    check(&format!("{default}{to_a}"), &plain, "a");
    check(
        &format!("{default}{to_a}severity = \"critical\""),
        &plain,
        "b",
    );
    check(&format!("{default}{r}severity = \"warning\""), &plain, "");
    // Muted by one route, told by another.
    check(&format!("{to_a}mute = \"day\""), &plain, "~a");
    check(
        &format!("{to_a}mute = \"day\"\ncontinue = true\n{r}targets = [\"a\", \"b\"]"),
        &plain,
        "a b",
    );
    check(
        "[notify]\nmute = \"day\"\ndefault = [\"a\", \"b\"]\n",
        &plain,
        "~a ~b",
    );
}

#[test]
fn replays_go_nowhere_and_parts_only_where_asked_for() {
    let mut part = sample::event().alert;
    let all = "[notify]\ndefault = \"b\"\n[[notify.routes]]\ntargets = \"a\"\n";
    assert_eq!(told(&config(all), &part), "");
    assert_eq!(told(&config(&format!("{all}parts = true")), &part), "a");
    assert_eq!(told(&config("[notify]\ndefault = \"b\""), &part), "");
    part.replay = true;
    assert_eq!(told(&config(&format!("{all}parts = true")), &part), "");
}

proptest! {
    #[test]
    fn routing_is_total_and_a_function(
        routes in prop::collection::vec((0_u8..3, 0_u8..3, "[a-z*?]{0,3}", any::<bool>(), any::<bool>(), 0_u8..4), 0..6),
        default in any::<bool>(),
        (severity, notify, rule) in (0_usize..3, 0_usize..3, "[a-z]{1,3}"),
        (is_part, replay, millis) in (any::<bool>(), any::<bool>(), 0_i64..4_000_000_000_000),
    ) {
        let severities = ["info", "warning", "critical"];
        let levels = ["digest", "chat", "page"];
        let mut text = if default { "[notify]\ndefault = \"a\"\n".to_owned() } else { String::new() };
        for (severity, notify, rules, goes_on, mute, targets) in &routes {
            let targets = ["[]", "[\"a\"]", "[\"b\"]", "[\"a\", \"b\"]"][usize::from(*targets)];
            let mute = if *mute { "mute = \"day\"\n" } else { "" };
            text.push_str(&format!(
                "[[notify.routes]]\nseverity = \"{}\"\nnotify = \"{}\"\nrules = \"{rules}\"\ncontinue = {goes_on}\n\
                 targets = {targets}\n{mute}",
                severities[usize::from(*severity)], levels[usize::from(*notify)],
            ));
        }
        let config = config(&text);
        let mut alert = sample::event().alert;
        alert.severity = [Severity::Info, Severity::Warning, Severity::Critical][severity];
        alert.notify = [Notify::Digest, Notify::Chat, Notify::Page][notify];
        alert.rule = rule;
        alert.replay = replay;
        if !is_part {
            alert.parent_episode = None;
        }
        let at = Timestamp::from_millisecond(millis).unwrap();
        let verdicts = route(&config, &alert, at);
        prop_assert_eq!(verdicts.len(), config.targets.len());
        prop_assert_eq!(&verdicts, &route(&config, &alert, at));
        if replay || is_part {
            prop_assert!(verdicts.iter().all(|verdict| *verdict == Verdict::No));
        }
        for verdict in verdicts {
            if let Verdict::Mute { until, .. } = verdict {
                prop_assert!(until > at);
            }
        }
    }
}
