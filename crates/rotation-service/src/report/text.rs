//! Text for HTML and for people.

use std::fmt::{self, Write as _};

use serde_json::Value;

/// Text as HTML shows it, inside elements and quoted attributes.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: AsRef<str>> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_ref()
            .chars()
            .try_for_each(|character| match character {
                '&' => f.write_str("&amp;"),
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '"' => f.write_str("&quot;"),
                '\'' => f.write_str("&#39;"),
                other => f.write_char(other),
            })
    }
}

/// JSON that may stand inside a script element.
pub(super) fn script_json(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A name that may follow `#` in an address; different ids have different ones.
pub(super) fn anchor(id: &str) -> String {
    let mut anchor = "episode-".to_owned();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => anchor.push(byte.into()),
            _ => anchor.push_str(&format!("_{byte:02x}")),
        }
    }
    anchor
}

/// A number with so many decimals and its thousands apart.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let plain = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::new();
    if value < 0.0 && plain.contains(|c: char| ('1'..='9').contains(&c)) {
        text.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// A number with as many decimals as tell it, six digits at most where it has a fraction.
pub(crate) fn short(value: f64) -> String {
    let whole = value.abs().max(1e-6).log10().floor() as i32;
    let decimals = usize::try_from(5 - whole).unwrap_or(0).min(9);
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A name of a field in words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_keep_six_digits() {
        let cases = [
            (0.009_911_620_772, "0.00991162"),
            (2718.77, "2718.77"),
            (1_234_567.8, "1234568"),
            (-5.44, "-5.44"),
            (0.0, "0"),
            (1e-12, "0"),
            (3.0, "3"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn different_ids_have_different_anchors() {
        assert_eq!(anchor("us/a_b 2026.1"), "episode-us_2fa_5fb_202026.1");
        assert_ne!(anchor("a/b"), anchor("a_2fb"));
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        let cases = [
            (2718.77, 2, "2,718.77"),
            (-1234567.0, 0, "−1,234,567"),
            (999.999, 2, "1,000.00"),
            (-0.001, 2, "0.00"),
            (100.0, 0, "100"),
            (0.05, 3, "0.050"),
        ];
        for (value, decimals, expected) in cases {
            assert_eq!(number(value, decimals), expected);
        }
    }
}
