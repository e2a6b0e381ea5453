//! Annotated series, as the Turing Change Point Dataset writes them: `annotations.json`, and `NAME.json` a series.

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// A series and what people marked in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotated {
    /// The name of its file.
    pub name: String,
    /// One value an index; none where it is missing.
    pub values: Vec<Option<f64>>,
    /// Of each annotator the indices at which a new segment begins, from 0.
    pub annotations: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Document {
    n_obs: usize,
    series: Vec<Dimension>,
}

#[derive(Deserialize)]
struct Dimension {
    raw: Vec<Option<f64>>,
}

/// Reads every annotated series of a folder, by name.
///
/// # Errors
/// A file that is missing or of another form, a series of several dimensions, an annotation outside its series.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Annotated>> {
    let annotated: BTreeMap<String, BTreeMap<String, Vec<usize>>> =
        document(&folder.join("annotations.json"))?;
    ensure!(
        !annotated.is_empty(),
        "{}: no annotated series",
        folder.display()
    );
    let series = annotated.into_iter().map(|(name, annotators)| {
        let path = folder.join(format!("{name}.json"));
        let Document { n_obs, mut series } = document(&path)?;
        ensure!(
            series.len() == 1,
            "{}: expected a series of one dimension, found {}",
            path.display(),
            series.len()
        );
        let values = series.remove(0).raw;
        ensure!(
            values.len() == n_obs,
            "{}: expected n_obs = {n_obs} values, found {}",
            path.display(),
            values.len()
        );
        let annotations: Vec<Vec<usize>> = annotators.into_values().collect();
        let outside = annotations.iter().flatten().find(|mark| **mark >= n_obs);
        ensure!(
            outside.is_none(),
            "{name}: expected annotations below {n_obs}, found {}",
            outside.copied().unwrap_or_default()
        );
        Ok(Annotated {
            name,
            values,
            annotations,
        })
    });
    series.collect()
}

fn document<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn series_come_with_their_annotations_and_gaps() {
        let files = folder(&[
            ("annotations.json", r#"{"a": {"6": [2], "7": []}}"#),
            (
                "a.json",
                r#"{"name": "a", "n_obs": 3, "n_dim": 1, "series": [{"label": "V", "raw": [1, null, 2.5]}]}"#,
            ),
        ]);
        let expected = Annotated {
            name: "a".to_owned(),
            values: vec![Some(1.0), None, Some(2.5)],
            annotations: vec![vec![2], vec![]],
        };
        assert_eq!(read(files.path()).unwrap(), [expected]);
    }

    #[test]
    fn faults_name_the_file_and_what_was_found() {
        let series = r#"{"n_obs": 1, "series": [{"raw": [1]}]}"#;
        let two = r#"{"n_obs": 1, "series": [{"raw": [1]}, {"raw": [1]}]}"#;
        let short = r#"{"n_obs": 2, "series": [{"raw": [1]}]}"#;
        let marks = r#"{"a": {"6": []}}"#;
        for (annotations, series, expected) in [
            ("{}", series, "no annotated series"),
            (
                marks,
                two,
                "a.json: expected a series of one dimension, found 2",
            ),
            (marks, short, "a.json: expected n_obs = 2 values, found 1"),
            (
                r#"{"a": {"6": [1]}}"#,
                series,
                "a: expected annotations below 1, found 1",
            ),
            (r#"{"b": {"6": []}}"#, series, "cannot read"),
            ("[", series, "annotations.json"),
        ] {
            let files = folder(&[("annotations.json", annotations), ("a.json", series)]);
            let error = format!("{:#}", read(files.path()).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
