//! From a parser's failure to a message that helps whoever runs the feed. Runs for refused records
//! only, so it may take its time.

use super::DecodeError;
use super::fields::{Failure, Key};
use rotation_engine::output::RejectCode;
use serde_json::error::Category;

/// What some encoders write for numbers that are not finite; JSON knows none of them.
const NOT_FINITE: [&str; 8] = [
    "NaN",
    "nan",
    "NAN",
    "Infinity",
    "-Infinity",
    "+Infinity",
    "inf",
    "-inf",
];

/// The most characters of an unreadable value that a message repeats.
const FOUND_MAX: usize = 24;

/// The error that a failure to read `bytes` amounts to.
pub(super) fn failure(bytes: &[u8], failure: &Failure) -> DecodeError {
    let Failure { error, at } = failure;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let message = "expected an input record, a JSON object, found nothing";
        return DecodeError::new(RejectCode::Undecodable, message);
    }
    let token = token_at(bytes, error.line(), error.column());
    let number = at.and_then(code_of_number);
    match (error.classify(), at) {
        (Category::Syntax, Some(key)) if NOT_FINITE.contains(&token.as_str()) => {
            let code = number.unwrap_or(RejectCode::Undecodable);
            let expected = if number.is_some() {
                "a finite number"
            } else {
                "JSON"
            };
            let message = format!("{}: expected {expected}, found {token}", key.name());
            DecodeError::new(code, &message)
        }
        (Category::Syntax, Some(key)) if error.to_string().starts_with("number out of range") => {
            let code = number.unwrap_or(RejectCode::Undecodable);
            let message = format!("{}: expected a finite number, found {token}", key.name());
            DecodeError::new(code, &message)
        }
        (Category::Data, Some(key)) => {
            let message = format!("{}: {error}", key.name());
            DecodeError::new(number.unwrap_or(RejectCode::Undecodable), &message)
        }
        (Category::Data, None) => DecodeError::new(RejectCode::Undecodable, &error.to_string()),
        (Category::Eof, _) => {
            let message = format!("expected a whole JSON object, found its beginning: {error}");
            DecodeError::new(RejectCode::Undecodable, &message)
        }
        (Category::Syntax | Category::Io, _) => {
            let message = format!("expected a JSON object, found {token}: {error}");
            DecodeError::new(RejectCode::Undecodable, &message)
        }
    }
}

/// The code of a key whose value must be a number, when it is not.
fn code_of_number(key: Key) -> Option<RejectCode> {
    match key {
        Key::Price => Some(RejectCode::BadPrice),
        Key::Size => Some(RejectCode::BadSize),
        Key::Ratio => Some(RejectCode::BadSplit),
        Key::Type | Key::Symbol | Key::Time | Key::Seq | Key::Official => None,
    }
}

/// The word around a position that the parser gave, lines and columns counted in bytes from 1.
fn token_at(bytes: &[u8], line: usize, column: usize) -> String {
    let ends_word = |byte: &u8| {
        matches!(
            byte,
            b',' | b':' | b'{' | b'}' | b'[' | b']' | b' ' | b'\t' | b'\r' | b'\n'
        )
    };
    let before = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .take(line.saturating_sub(1));
    let line_start = before.map(<[u8]>::len).sum::<usize>();
    let at = (line_start + column.saturating_sub(1)).min(bytes.len());
    let start = bytes[..at]
        .iter()
        .rposition(ends_word)
        .map_or(0, |end| end + 1);
    let word = &bytes[start..];
    let length = word
        .iter()
        .position(ends_word)
        .unwrap_or(word.len())
        .max(1)
        .min(word.len());
    let text = String::from_utf8_lossy(&word[..length.min(4 * FOUND_MAX)]);
    match text.chars().count() {
        0..=FOUND_MAX => text.into_owned(),
        _ => text.chars().take(FOUND_MAX).chain(['…']).collect(),
    }
}
