//! The configuration.

use rotation_engine::plan::{RULES_MAX, SERIES_MAX};
use rotation_engine::sampler::Sampler;
use rotation_engine::universe::Universe;
use rotation_service::config::{Config, FAULTS_MAX, UNIVERSES_MAX, describe};

/// What is valid can be run and described; what is not names the file, and lines that it has.
pub(super) fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Other files are not of concern, and not everything that a name may stand for ends.
    if text.contains("file") {
        return;
    }
    match Config::parse(&text, "rules.toml") {
        Ok(config) => {
            assert!((1..=UNIVERSES_MAX).contains(&config.universes.len()));
            for plan in &config.universes {
                assert!((1..=SERIES_MAX).contains(&plan.series.len()));
                assert!((1..=RULES_MAX).contains(&plan.rules.len()));
                drop(Universe::new(plan.clone()));
                drop(Sampler::new(plan.clone(), 0, 1));
            }
            assert!(!describe(&config).is_empty());
            let again = Config::parse(&text, "rules.toml").expect("it was valid before");
            for (plan, again) in config.universes.iter().zip(&again.universes) {
                assert_eq!((&plan.name, plan.digest), (&again.name, again.digest));
                assert_eq!(plan.rules, again.rules);
            }
        }
        Err(errors) => {
            assert!((1..=FAULTS_MAX + 1).contains(&errors.errors.len()));
            let lines = text.split('\n').count();
            for error in &errors.errors {
                assert!(
                    error.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{error:?}"
                );
            }
            assert!(errors.to_string().starts_with("rules.toml:"), "{errors}");
        }
    }
}
