//! The expressions of the shipped dashboards and rules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace;

/// What Grafana would put for the variables of the dashboards.
const VARIABLES: [(&str, &str); 6] = [
    ("$__rate_interval", "1m"),
    ("$__interval", "15s"),
    ("$universe", ".*"),
    ("$rule", ".*"),
    ("$level", ".*"),
    ("$instance", ".*"),
];

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a panel of a dashboard, in an annotation or in a variable.
    Dashboard,
    /// In a recording rule.
    Recording,
    /// One side of a comparison in an alerting rule, which as a whole returns nothing while all is well.
    AlertOperand,
}

/// An expression that should return data while the service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// What it is part of.
    pub source: Source,
    /// File name and title of the panel, or name of the annotation, variable or rule.
    pub place: String,
    /// `PromQL`, with Grafana's variables replaced.
    pub expression: String,
}

/// The expressions of all dashboards and rules under `deploy`, rules first.
///
/// # Errors
///
/// When a file cannot be read or is not of the form expected.
pub fn all_expressions() -> Result<Vec<Expression>> {
    let mut found = Vec::new();
    for file in rule_files()? {
        rules(&file, &mut found).with_context(|| format!("in {}", file.display()))?;
    }
    for (file, dashboard) in dashboards()? {
        panels(&file, &dashboard["panels"], &mut found);
        for annotation in array(&dashboard["annotations"]["list"]) {
            let written = annotation["target"]["expr"].as_str().unwrap_or_default();
            found.push(asked(&file, &annotation["name"], written));
        }
        for variable in array(&dashboard["templating"]["list"]) {
            if variable["type"] == "query" {
                let query = variable["query"]["query"].as_str().unwrap_or_default();
                let values = label_values(query)
                    .with_context(|| format!("{file}: a variable asks for {query:?}"))?;
                found.push(asked(&file, &variable["name"], &values));
            }
        }
    }
    Ok(found)
}

/// The dashboards with their file names.
///
/// # Errors
///
/// When a file cannot be read or is not JSON.
pub fn dashboards() -> Result<Vec<(String, Value)>> {
    let files = files("deploy/grafana/dashboards", "json")?;
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file)?;
        let dashboard =
            serde_json::from_str(&text).with_context(|| format!("in {}", file.display()))?;
        Ok((file_name(&file), dashboard))
    };
    files.into_iter().map(read).collect()
}

/// The values of a label, as an expression: what Grafana's `label_values(series, label)` asks for.
fn label_values(query: &str) -> Option<String> {
    let inside = query.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (series, label) = inside.rsplit_once(',')?;
    Some(format!("count by ({}) ({series})", label.trim()))
}

/// An expression of a dashboard.
fn asked(file: &str, name: &Value, written: &str) -> Expression {
    let expression = VARIABLES
        .iter()
        .fold(written.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
    Expression {
        source: Source::Dashboard,
        place: format!("{file}: {}", name.as_str().unwrap_or_default()),
        expression,
    }
}

/// The files of recording and alerting rules.
///
/// # Errors
///
/// When their folder cannot be read.
pub fn rule_files() -> Result<Vec<PathBuf>> {
    files("deploy/prometheus/rules", "yml")
}

fn files(folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join(folder);
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|is| is == extension));
    files.sort();
    Ok(files)
}

fn file_name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn rules(file: &Path, found: &mut Vec<Expression>) -> Result<()> {
    let document: Value = serde_saphyr::from_str(&fs::read_to_string(file)?)?;
    for group in array(&document["groups"]) {
        for rule in array(&group["rules"]) {
            let expression = rule["expr"].as_str().context("a rule without expr")?;
            let named = rule["record"].as_str().or(rule["alert"].as_str());
            let place = format!(
                "{}: {}",
                file_name(file),
                named.context("a rule without name")?
            );
            let (source, parts) = match rule["record"].as_str() {
                Some(_) => (Source::Recording, vec![expression.to_owned()]),
                None => (Source::AlertOperand, operands(expression)),
            };
            found.extend(parts.into_iter().map(|expression| Expression {
                source,
                place: place.clone(),
                expression,
            }));
        }
    }
    Ok(())
}

/// The panels, those in rows included.
fn panels(file: &str, panels: &Value, found: &mut Vec<Expression>) {
    for panel in array(panels) {
        for target in array(&panel["targets"]) {
            let written = target["expr"].as_str().unwrap_or_default();
            found.push(asked(file, &panel["title"], written));
        }
        self::panels(file, &panel["panels"], found);
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The series an alert compares: `a > 1 and on (x) b == 0` compares `a` and `b`.
///
/// Looks at what is outside of parentheses and braces only; numbers are left out.
fn operands(expression: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for token in tokens(expression) {
        match token {
            "(" | "{" | "[" => depth += 1,
            ")" | "}" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let splits = matches!(
            token,
            "and" | "or" | "unless" | ">" | "<" | ">=" | "<=" | "==" | "!="
        );
        if depth == 0 && splits {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(token);
        }
    }
    parts
        .iter()
        .map(|part| without_matching(part.trim()).trim().to_owned())
        .filter(|part| !part.is_empty() && part.parse::<f64>().is_err())
        .collect()
}

/// Cuts `on (…)` or `ignoring (…)`, which belongs to the operator before.
fn without_matching(part: &str) -> &str {
    let listed = ["on", "ignoring"]
        .iter()
        .find_map(|word| part.strip_prefix(word)?.trim_start().strip_prefix('('));
    listed
        .and_then(|list| list.split_once(')'))
        .map_or(part, |(_, rest)| rest)
}

/// Words, operators, strings, blanks and single signs, which put together give the expression again.
fn tokens(expression: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.');
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            '>' | '<' | '=' | '!' if matches!(rest.as_bytes().get(1), Some(b'=' | b'~')) => 2,
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::{label_values, operands};

    #[test]
    fn values_of_a_label_are_asked_for() {
        let check = |query: &str, expected: Option<&str>| {
            assert_eq!(label_values(query).as_deref(), expected, "{query}");
        };
        check("label_values(a, x)", Some("count by (x) (a)"));
        check(
            "label_values(a{x=~\"b\", y=\"c\"}, z)",
            Some("count by (z) (a{x=~\"b\", y=\"c\"})"),
        );
        check("query_result(a)", None);
    }

    #[test]
    fn an_alert_is_cut_into_what_it_compares() {
        let check = |expression: &str, expected: &[&str]| {
            assert_eq!(operands(expression), expected, "{expression}");
        };
        check("a > 5", &["a"]);
        check(r#"up{job="rotation"} == 0"#, &[r#"up{job="rotation"}"#]);
        check(
            "a{x=~\"and > 1\"} >= 1e3 and b < 0.001",
            &["a{x=~\"and > 1\"}", "b"],
        );
        check(
            "s:a:sum == 0 and on (u) s:b > 0\nand on () c == 1",
            &["s:a:sum", "s:b", "c"],
        );
        check("sum by (x) (a > bool 1) > 3", &["sum by (x) (a > bool 1)"]);
        check("a - b > c", &["a - b", "c"]);
        check("android > 1", &["android"]);
    }
}
