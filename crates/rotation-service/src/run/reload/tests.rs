use super::*;
use crate::stage::Reloads;

const FILE: &str = r#"
[universe.us.series]
A = {}
B = {}
[universe.us.rules.streak]
kind = "relative_streak"
leader = "A"
laggard = "B"
open_at = 5
"#;

fn config(text: &str) -> Config {
    Config::parse(text, "test.toml").unwrap()
}

#[test]
fn what_may_change_while_it_runs_and_what_may_not() {
    let before = config(FILE);
    let live = [
        ("open_at = 5", "open_at = 6"),
        (
            "open_at = 5",
            "open_at = 5\nseverity = { opened = \"warning\" }",
        ),
        (
            "[universe.us.series]",
            "[universe.us]\nskew = \"9s\"\n[universe.us.series]",
        ),
        ("rules.streak", "rules.other"),
    ];
    for (from, to) in live {
        let after = config(&FILE.replace(from, to));
        assert_eq!(restarts(&before, &after), [""; 0], "{to}");
        assert_ne!(config_digest(&before), config_digest(&after), "{to}");
    }
    let not = [
        (
            "[universe.us.series]",
            "[kafka]\ngroup = \"other\"\n[universe.us.series]",
            "[kafka]",
        ),
        (
            "[universe.us.series]",
            "[http]\nlisten = \"127.0.0.1:1\"\n[universe.us.series]",
            "[http]",
        ),
        (
            "[universe.us.series]",
            "[universe.us]\nlateness = \"9s\"\n[universe.us.series]",
            "universe us: ",
        ),
        ("A = {}", "A = {}\nC = {}", "universe us: "),
        (
            "open_at = 5",
            "open_at = 5\nclock = \"1m\"",
            "universe us: ",
        ),
        (
            "universe.us.",
            "universe.eu.",
            "the universes are others: eu instead of us",
        ),
    ];
    for (from, to, reason) in not {
        let reasons = restarts(&before, &config(&FILE.replace(from, to)));
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].starts_with(reason), "{reasons:?}");
    }
}

/// A stage that takes or refuses what it is asked for.
fn stage(name: &str, answer: Result<(), String>, taken: &Arc<Mutex<Vec<String>>>) -> Reloaded {
    let reloads = Reloads::default();
    let served = reloads.clone();
    std::thread::spawn(move || {
        while Arc::strong_count(&served.0) > 1 {
            if let Some(request) = served.take() {
                request.answer.send(answer.clone()).unwrap();
            }
            std::thread::yield_now();
        }
    });
    let (name, taken) = (name.to_owned(), taken.clone());
    let of = name.clone();
    Reloaded {
        name,
        reloads,
        make: Box::new(move |config| {
            let rule = config.universes[0].rules[0].name.clone();
            taken.lock().unwrap().push(format!("{of} {rule}"));
            Box::new(|_| unreachable!("no task is made here"))
        }),
    }
}

#[test]
fn all_stages_take_a_configuration_or_none() {
    let after = FILE.replace("rules.streak", "rules.other");
    let cases = [
        (Ok(()), Ok(()), vec!["sampler other", "universe other"]),
        (
            Ok(()),
            Err("no".to_owned()),
            vec!["sampler other", "universe other", "sampler streak"],
        ),
        (Err("no".to_owned()), Ok(()), vec!["sampler other"]),
    ];
    for (first, second, expected) in cases {
        let taken = Arc::default();
        let is_fine = first.is_ok() && second.is_ok();
        let stages = vec![
            stage("sampler", first, &taken),
            stage("universe", second, &taken),
        ];
        let after = after.clone();
        let load: Load = Box::new(move || Ok(config(&after)));
        let metrics = Metrics::new();
        let reloader = Reloader::new(load, &config(FILE), &metrics, stages, None);
        assert_eq!(reloader.reload().is_ok(), is_fine);
        assert_eq!(*taken.lock().unwrap(), expected);
        let digest = config_digest(&reloader.in_force.lock().unwrap());
        let scraped = metrics.scrape(0.0);
        assert!(scraped.contains(&format!("rotation_config_info{{digest=\"{digest}\"}} 1")));
        let outcome = if is_fine { "applied" } else { "refused" };
        let counted = format!("rotation_config_reloads_total{{outcome=\"{outcome}\"}} 1");
        assert!(scraped.contains(&counted), "{scraped}");
    }
}

#[test]
fn a_bad_file_and_one_that_needs_a_restart_reach_no_stage() {
    let faults: [(Load, bool); 2] = [
        (
            Box::new(|| anyhow::bail!("config.toml:7: open_at: expected 1 or more")),
            true,
        ),
        (
            Box::new(|| Ok(config(&FILE.replace("A = {}", "A = {}\nC = {}")))),
            false,
        ),
    ];
    for (load, is_bad) in faults {
        let taken = Arc::default();
        let stages = vec![stage("sampler", Ok(()), &taken)];
        let reloader = Reloader::new(load, &config(FILE), &Metrics::new(), stages, None);
        let refused = reloader.reload().unwrap_err();
        assert_eq!(matches!(refused, Refused::Bad(_)), is_bad, "{refused}");
        assert_eq!(matches!(refused, Refused::Restart(_)), !is_bad, "{refused}");
        assert!(taken.lock().unwrap().is_empty());
    }
}
