//! Conditions: compiled once, checked at load, asked at each section.

use crate::detector::ParamError;
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};
use cel::{Context, Env, Program, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// An expression in the Common Expression Language.
#[derive(Clone)]
pub struct Condition {
    source: String,
    program: Arc<Program>,
}

/// Line and character, from 1.
type Place = (u32, u32);

/// What an expression has to yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Yields {
    Truth,
    Number,
}

/// The standard functions and operators, made once.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Longest expression, in characters.
pub const LENGTH_MAX: usize = 4_096;

/// Most brackets that open in an expression: parsing is recursive, and what nests has a bracket or an operator each.
pub const BRACKETS_MAX: usize = 64;

/// Most characters of operators in an expression, dots among them: each may be a level of its tree.
pub const OPERATORS_MAX: usize = 512;

/// Words that CEL keeps for itself, and the names that every condition has.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "month",
    "weekday",
];

/// Whether a condition can use this name.
pub(super) fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let begins = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    begins
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !RESERVED.contains(&name)
}

impl Condition {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong, and at which character.
    pub fn new(source: &str) -> Result<Self, String> {
        bounded(source)?;
        match Program::compile(source) {
            Ok(program) if is_nested(program.expression(), false) => Err(
                "expected no all, exists, exists_one, map or filter inside of another: it might never end".to_owned(),
            ),
            Ok(program) => Ok(Condition {
                source: source.to_owned(),
                program: Arc::new(program),
            }),
            Err(errors) => {
                let first = errors.errors.first();
                let place = first.map_or((1, 1), |error| {
                    let number = |given: isize| u32::try_from(given).unwrap_or(1);
                    (number(error.pos.0), number(error.pos.1))
                });
                let message = first.map_or("", |error| error.msg.as_str());
                let message = message.lines().next().unwrap_or_default();
                Err(pointed(source, place, message))
            }
        }
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Tries every part of it with example values: unknown names and types that do not go together are found wherever
    /// they stand.
    pub(super) fn check(
        &self,
        key: &str,
        yields: Yields,
        names: &[(String, Value)],
    ) -> Result<(), ParamError> {
        let known: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        let fault = |place, message: &str| {
            let expected = match yields {
                Yields::Truth => "a condition that is true or false",
                Yields::Number => "an expression that is a number",
            };
            let expected = format!("{expected}, over {}", known.join(", "));
            ParamError::new(key, expected, pointed(&self.source, place, message))
        };
        let context = context(names);
        self.walk(self.program.expression(), &context)
            .map_err(|(place, message)| fault(place, &message))?;
        let whole = self.program.execute(&context);
        match (yields, whole) {
            (Yields::Truth, Ok(Value::Bool(_)))
            | (Yields::Number, Ok(Value::Float(_) | Value::Int(_))) => Ok(()),
            (_, Ok(other)) => Err(fault((1, 1), &format!("it yields a {}", other.type_of()))),
            (_, Err(error)) => Err(fault((1, 1), &error.to_string())),
        }
    }

    /// Resolves every part by itself, inner ones first. The parts of a comprehension stand on names of its own, so it
    /// is tried as a whole.
    fn walk(&self, part: &IdedExpr, context: &Context<'_, '_>) -> Result<(), (Place, String)> {
        match &part.expr {
            Expr::Call(call) => {
                for inner in call.target.iter().map(|target| &**target).chain(&call.args) {
                    self.walk(inner, context)?;
                }
            }
            Expr::Select(select) => self.walk(&select.operand, context)?,
            Expr::List(list) => {
                for inner in &list.elements {
                    self.walk(inner, context)?;
                }
            }
            _ => {}
        }
        match Value::resolve(part, context) {
            Ok(_) => Ok(()),
            Err(error) => {
                let range = self.program.source_info().offset_for(part.id);
                let place = range.map(|(start, _)| self.place(start as usize));
                let mut message = error.to_string();
                if message.contains("Int(") && message.contains("Float(") {
                    message.push_str("; numbers here are decimal: write 5.0, not 5");
                }
                Err((place.unwrap_or((1, 1)), message))
            }
        }
    }

    /// The line and character of an offset in bytes.
    fn place(&self, offset: usize) -> Place {
        let before = self.source.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let character = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(1);
        (number(line), number(character))
    }

    /// Whether it holds.
    pub(super) fn truth(&self, names: &[(String, Value)]) -> Result<bool, String> {
        match self.program.execute(&context(names)) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("it yields a {}", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Its number, where it is finite.
    pub(super) fn number(&self, names: &[(String, Value)]) -> Result<f64, String> {
        match self.program.execute(&context(names)) {
            Ok(Value::Float(number)) if number.is_finite() => Ok(number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a reading beyond 2^53 has no meaning"
            )]
            Ok(Value::Int(number)) => Ok(number as f64),
            Ok(_) => Err("it yields no finite number".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Refuses what might be too deep for the parser, which knows no bound: before it is parsed, so by its characters.
fn bounded(source: &str) -> Result<(), String> {
    let count = |of: &str| source.chars().filter(|c| of.contains(*c)).count();
    for (what, found, most) in [
        ("characters", source.chars().count(), LENGTH_MAX),
        ("brackets that open", count("([{"), BRACKETS_MAX),
        (
            "characters of operators",
            count(".?:+-*/%<>=&|!"),
            OPERATORS_MAX,
        ),
    ] {
        if found > most {
            return Err(format!("expected at most {most} {what}, found {found}"));
        }
    }
    Ok(())
}

/// Whether a comprehension is asked anew for each element of another: the work would multiply.
fn is_nested(part: &IdedExpr, inside: bool) -> bool {
    let any = |parts: &[IdedExpr]| parts.iter().any(|part| is_nested(part, inside));
    match &part.expr {
        Expr::Call(call) => {
            any(&call.args) || call.target.as_ref().is_some_and(|of| is_nested(of, inside))
        }
        Expr::Select(select) => is_nested(&select.operand, inside),
        Expr::List(list) => any(&list.elements),
        Expr::Map(map) => map.entries.iter().any(|entry| in_entry(entry, inside)),
        Expr::Struct(object) => object.entries.iter().any(|entry| in_entry(entry, inside)),
        Expr::Comprehension(of) => {
            let steps = [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result];
            inside
                || is_nested(&of.iter_range, inside)
                || steps.iter().any(|step| is_nested(step, true))
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => false,
    }
}

fn in_entry(entry: &IdedEntryExpr, inside: bool) -> bool {
    match &entry.expr {
        EntryExpr::MapEntry(entry) => {
            is_nested(&entry.key, inside) || is_nested(&entry.value, inside)
        }
        EntryExpr::StructField(field) => is_nested(&field.value, inside),
    }
}

fn context(names: &[(String, Value)]) -> Context<'static, 'static> {
    let mut context = Context::with_env(ENVIRONMENT.clone());
    for (name, value) in names {
        context.add_variable_from_value(name.as_str(), value.clone());
    }
    context
}

/// A message with the place that it is about: lines and characters from 1.
fn pointed(source: &str, (line, character): Place, message: &str) -> String {
    let (at, skipped) = (
        line.saturating_sub(1) as usize,
        character.saturating_sub(1) as usize,
    );
    let text = source.lines().nth(at).unwrap_or_default();
    let rest: String = text.chars().skip(skipped).take(24).collect();
    let place = if source.lines().count() > 1 {
        format!("line {line}, character {character}")
    } else {
        format!("character {character}")
    };
    format!("at {place}, before `{rest}`: {message}")
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        Condition::new(&source).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An expression in the Common Expression Language."
        })
    }
}
