//! Text that goes into records by hand, because serde's way is slower or not what a reader expects.

use rotation_engine::time::{EventTime, NANOS_PER_SECOND};
use serde::Serialize;

const SECONDS_PER_DAY: i64 = 86_400;

/// Integers up to here are written without a fraction and are exact as `f64`.
const WHOLE_MAX: f64 = 1e15;

/// Cuts `text` to at most `max` characters; control characters become spaces, so that it stays one
/// line.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(max).map(plain).collect()
}

/// Appends a string or a number as JSON.
pub(crate) fn push_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("strings and numbers are JSON");
}

/// Appends a finite number: as few digits as read back to the same value, no fraction where it has
/// none. What is not finite is no JSON number; see [`crate::bars`] for the one place that has any.
pub(crate) fn push_number(out: &mut Vec<u8>, number: f64) {
    debug_assert!(number.is_finite(), "{number} is no JSON number");
    let negative_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX && !negative_zero {
        push_json(out, &(number as i64));
    } else {
        push_json(out, &number);
    }
}

/// Appends a time as a JSON string, RFC 3339 in UTC, with as few digits as needed: what
/// [`EventTime`] prints, at a tenth of the cost.
pub(crate) fn push_time(out: &mut Vec<u8>, time: EventTime) {
    let seconds = time.as_nanos().div_euclid(NANOS_PER_SECOND);
    let nanos = time.as_nanos().rem_euclid(NANOS_PER_SECOND);
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);

    let mut text = *b"\"0000-00-00T00:00:00";
    put_digits(&mut text[1..5], year);
    put_digits(&mut text[6..8], month);
    put_digits(&mut text[9..11], day);
    put_digits(&mut text[12..14], hour);
    put_digits(&mut text[15..17], minute);
    put_digits(&mut text[18..20], second_of_day % 60);
    out.extend_from_slice(&text);
    if nanos != 0 {
        let mut fraction = *b".000000000";
        put_digits(&mut fraction[1..], nanos);
        let zeros = fraction
            .iter()
            .rev()
            .take_while(|&&digit| digit == b'0')
            .count();
        out.extend_from_slice(&fraction[..fraction.len() - zeros]);
    }
    out.extend_from_slice(b"Z\"");
}

/// Fills `digits` with the decimal digits of `number`, which has no more than fit.
fn put_digits(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("the number is not negative");
        number /= 10;
    }
}

/// Year, month and day of a day since 1970-01-01 in the proleptic Gregorian calendar, by counting
/// from 0000-03-01, so that the leap day is a year's last.
fn civil(day: i64) -> (i64, i64, i64) {
    const DAYS_TO_EPOCH: i64 = 719_468;
    const DAYS_PER_ERA: i64 = 146_097;
    let day = day + DAYS_TO_EPOCH;
    let (era, day_of_era) = (day.div_euclid(DAYS_PER_ERA), day.rem_euclid(DAYS_PER_ERA));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, carry) = match month_from_march {
        10.. => (month_from_march - 9, 1),
        _ => (month_from_march + 3, 0),
    };
    (era * 400 + year_of_era + carry, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(push: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_is_bounded_and_plain() {
        assert_eq!(one_line("a\nb\u{1b}[31m\u{85}c", 99), "a b [31m c");
        assert_eq!(one_line("ééé", 2), "éé");
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (100.0, "100"),
            (-3.0, "-3"),
            (0.0, "0"),
            (-0.0, "-0.0"),
            (2718.77, "2718.77"),
            (1e15, "1000000000000000"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ];
        for (number, text) in cases {
            assert_eq!(written(|out| push_number(out, number)), text);
        }
    }

    proptest! {
        #[test]
        fn times_are_what_event_time_prints(nanos in any::<i64>(), coarse in 0_u32..10) {
            let unit = 10_i64.pow(coarse);
            let time = EventTime::from_nanos(nanos / unit * unit);
            prop_assert_eq!(written(|out| push_time(out, time)), format!("\"{time}\""));
        }

        #[test]
        fn numbers_read_back_to_the_same_bits(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = written(|out| push_number(out, number));
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), bits);
        }
    }
}
