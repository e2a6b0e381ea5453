//! Numbers as headlines write them.

use super::Unit;
use crate::alert::round;

/// A value: four decimals at most, or four significant digits where it is below one.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    let leading_zeros = if magnitude > 0.0 && magnitude < 1.0 {
        -libm::floor(libm::log10(magnitude)) - 1.0
    } else {
        0.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 324 zeros lead a float's digits"
    )]
    let digits = 4 + leading_zeros as i32;
    let rounded = round(value, digits);
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// A value with its unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{} %", number(value)),
        Unit::Price | Unit::Ratio | Unit::Number => number(value),
    }
}

/// A difference of two values with its unit: basis points where they are in percent.
pub(super) fn difference(difference: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{} bp", round(difference * 100.0, 1)),
        Unit::Price | Unit::Ratio | Unit::Number => number(difference),
    }
}

/// A return given as a fraction, in percent with its sign.
pub(super) fn signed_percent(fraction: f64) -> String {
    let percent = round(fraction * 100.0, 2);
    let sign = if percent < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2} %", percent.abs())
}

/// A number with its sign and unit, of so many decimals at most: `+63 bp`.
pub(super) fn signed(value: f64, decimals: i32, unit: &str) -> String {
    let rounded = round(value, decimals);
    let sign = if rounded < 0.0 { '−' } else { '+' };
    format!("{sign}{} {unit}", rounded.abs())
}

/// A number of so many decimals, with a sign where it is negative.
pub(super) fn fixed(value: f64, decimals: u8) -> String {
    let rounded = round(value, decimals.into());
    let sign = if rounded < 0.0 { "−" } else { "" };
    format!("{sign}{:.*}", usize::from(decimals), rounded.abs())
}

/// `1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`.
pub(super) fn ordinal(count: u32) -> String {
    let suffix = match (count % 10, count % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{count}{suffix}")
}

/// A count of things, `1 session` or `5 sessions`.
pub(super) fn counted(count: u32, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_a_person_writes_them() {
        for (given, expected) in [
            (2_603.909_912_109_375, "2603.9099"),
            (5.0, "5"),
            (-0.0, "0"),
            (0.000_123_456_78, "0.0001235"),
            (-0.25, "-0.25"),
            (0.999_999, "1"),
        ] {
            assert_eq!(number(given), expected);
        }
        assert_eq!(value(4.91, Unit::Percent), "4.91 %");
        assert_eq!(value(4.91, Unit::Price), "4.91");
        assert_eq!(difference(5.0 - 4.91, Unit::Percent), "9 bp");
    }

    #[test]
    fn returns_carry_their_sign() {
        assert_eq!(signed_percent(0.0776), "+7.76 %");
        assert_eq!(signed_percent(-0.016_7), "−1.67 %");
        assert_eq!(signed_percent(-0.000_001), "+0.00 %");
        assert_eq!(signed(62.999_999_9, 1, "bp"), "+63 bp");
        assert_eq!(signed(-0.26, 1, "points"), "−0.3 points");
        assert_eq!(
            (fixed(3.2168, 2), fixed(-3.0, 2), fixed(-0.001, 2)),
            ("3.22".to_owned(), "−3.00".to_owned(), "0.00".to_owned())
        );
    }

    #[test]
    fn ordinals_end_as_they_are_spoken() {
        let spoken = [1, 2, 3, 4, 10, 11, 12, 13, 14, 21, 22, 103, 111]
            .map(ordinal)
            .join(" ");
        assert_eq!(
            spoken,
            "1st 2nd 3rd 4th 10th 11th 12th 13th 14th 21st 22nd 103rd 111th"
        );
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(counted(0, "record"), "0 records");
    }
}
