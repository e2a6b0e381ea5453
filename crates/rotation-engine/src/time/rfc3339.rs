//! Reading RFC 3339 (<https://www.rfc-editor.org/rfc/rfc3339>): once a record, so by position, without allocation.

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_FROM_MARCH_0000_DAYS: i64 = 719_468;

/// Nanoseconds since the Unix epoch of an RFC 3339 `date-time`, or `None` when the text is not one.
///
/// Beyond the letter of the grammar: a space may stand for the `T`, and a fraction finer than a
/// nanosecond is refused. A leap second, `:60`, reads as the second before it.
pub(super) fn parse(text: &[u8]) -> Option<i128> {
    let (fixed, mut rest) = text.split_first_chunk::<19>()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
    ] = *fixed
    else {
        return None;
    };
    let year = pair(y1, y2, 99)? * 100 + pair(y3, y4, 99)?;
    let month = pair(m1, m2, 12)?;
    let day = pair(d1, d2, 31)?;
    if month == 0 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let hour = pair(h1, h2, 23)?;
    let minute = pair(n1, n2, 59)?;
    let second = pair(s1, s2, 60)?.min(59);

    let mut nanos = 0;
    if let [b'.', after @ ..] = rest {
        (nanos, rest) = fraction(after)?;
    }
    let seconds = days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        - offset_seconds(rest)?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

/// Two decimal digits as a number of at most `max`.
fn pair(tens: u8, ones: u8, max: i64) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    let value = i64::from(tens) * 10 + i64::from(ones);
    (tens <= 9 && ones <= 9 && value <= max).then_some(value)
}

/// One to nine leading digits as nanoseconds, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    let missing = u32::try_from(9 - digits.len()).ok()?;
    Some((value * 10_i64.pow(missing), rest))
}

/// Seconds east of UTC of `Z` or `±hh:mm`.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = pair(h1, h2, 23)? * 3600 + pair(m1, m2, 59)? * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01, counting years from March so that the leap day is a year's last.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - EPOCH_FROM_MARCH_0000_DAYS
}
