//! The short way through an ordinary record.
//!
//! Nearly every record is a flat object of plain strings and short decimals. [`read`] takes those
//! alone, in one pass and without serde, at about three times its speed; on anything else, errors
//! among it, it steps aside and [`super::fields::read`] decides. The law, held by a property test:
//! what is read here would have been read there, to the same fields.

use super::fields::{Fields, Key, Kind};
use rotation_engine::time::EventTime;
use std::borrow::Cow;

/// Powers of ten that are exact as doubles.
const POWERS_OF_TEN: [f64; DIGITS_MAX + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19,
];

/// Whole numbers up to here are exact as doubles.
const EXACT_MAX: u64 = 1 << 53;

/// The most digits that always fit into 64 bits.
const DIGITS_MAX: usize = 19;

/// The fields of an ordinary record; none where the record has to be looked at closely.
pub(super) fn read(bytes: &[u8]) -> Option<Fields<'_>> {
    let mut cursor = Cursor { rest: bytes };
    let mut fields = Fields::default();
    let mut seen = 0_u8;
    cursor.punctuation(b'{')?;
    loop {
        let key = cursor.plain_string()?;
        cursor.punctuation(b':')?;
        match Key::find(key) {
            Some(key) => {
                let bit = 1 << key as u8;
                if seen & bit != 0 {
                    return None;
                }
                seen |= bit;
                cursor.value(key, &mut fields)?;
            }
            None => cursor.skip_scalar()?,
        }
        cursor.skip_space();
        match cursor.next()? {
            b',' => cursor.skip_space(),
            b'}' => break,
            _ => return None,
        }
    }
    cursor.skip_space();
    cursor.rest.is_empty().then_some(fields)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A structural character with the space around it.
    fn punctuation(&mut self, expected: u8) -> Option<()> {
        self.skip_space();
        let found = self.next()?;
        self.skip_space();
        (found == expected).then_some(())
    }

    /// A string of ASCII without escapes.
    fn plain_string(&mut self) -> Option<&'a [u8]> {
        let [b'"', text @ ..] = self.rest else {
            return None;
        };
        let (text, end) = text.split_at(plain_length(text));
        let [b'"', rest @ ..] = end else {
            return None;
        };
        self.rest = rest;
        Some(text)
    }

    fn value(&mut self, key: Key, fields: &mut Fields<'a>) -> Option<()> {
        match key {
            Key::Symbol => {
                let symbol = std::str::from_utf8(self.plain_string()?).ok()?;
                fields.symbol = Some(Cow::Borrowed(symbol));
            }
            Key::Time => fields.time = Some(self.time()?),
            Key::Price => fields.price = Some(self.number()?),
            Key::Size => fields.size = Some(self.number()?),
            Key::Seq => fields.seq = Some(self.unsigned()?),
            Key::Official => fields.official = Some(self.flag()?),
            Key::Ratio => fields.ratio = Some(self.number()?),
            Key::Type => {
                fields.kind = Some(match self.plain_string()? {
                    b"tick" => Kind::Tick,
                    b"heartbeat" => Kind::Heartbeat,
                    b"split" => Kind::Split,
                    b"void" => Kind::Void,
                    _ => return None,
                });
            }
        }
        Some(())
    }

    fn time(&mut self) -> Option<EventTime> {
        if let [b'"', ..] = self.rest {
            return EventTime::from_rfc3339(self.plain_string()?);
        }
        let nanos = self.unsigned()?;
        i64::try_from(nanos).ok().map(EventTime::from_nanos)
    }

    fn flag(&mut self) -> Option<bool> {
        let (flag, rest) = match self.rest {
            [b't', b'r', b'u', b'e', rest @ ..] => (true, rest),
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => (false, rest),
            _ => return None,
        };
        self.rest = rest;
        Some(flag)
    }

    /// A whole number without sign, fraction or exponent.
    fn unsigned(&mut self) -> Option<u64> {
        let decimal = self.decimal()?;
        let is_whole = decimal.decimals == 0 && !decimal.is_negative && decimal.fits();
        is_whole.then_some(decimal.digits)
    }

    fn number(&mut self) -> Option<f64> {
        self.decimal()?.to_f64()
    }

    /// Digits with or without a decimal point; an exponent is not ordinary.
    fn decimal(&mut self) -> Option<Decimal<'a>> {
        let text = self.rest;
        let is_negative = text.first() == Some(&b'-');
        if is_negative {
            self.next();
        }
        let starts_with_zero = self.rest.first() == Some(&b'0');
        let (digits, whole) = self.digits(0);
        if whole == 0 || (whole > 1 && starts_with_zero) {
            return None;
        }
        let (digits, decimals) = match self.rest {
            [b'.', rest @ ..] => {
                self.rest = rest;
                let (digits, decimals) = self.digits(digits);
                (decimals > 0).then_some((digits, decimals))?
            }
            _ => (digits, 0),
        };
        let text = &text[..text.len() - self.rest.len()];
        Some(Decimal {
            text,
            is_negative,
            digits,
            whole,
            decimals,
        })
    }

    /// Appends digits to a number: the number, right up to [`DIGITS_MAX`], and how many they were.
    fn digits(&mut self, mut number: u64) -> (u64, usize) {
        let mut count = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            count += 1;
            self.rest = rest;
        }
        (number, count)
    }

    /// A value that nobody asked for.
    fn skip_scalar(&mut self) -> Option<()> {
        match self.rest {
            [b'"', ..] => self.plain_string().map(drop),
            [b't' | b'f', ..] => self.flag().map(drop),
            _ => self.decimal().map(drop),
        }
    }
}

/// How many bytes at the beginning are ASCII without quotes, backslashes and control characters.
/// Looks at eight bytes at a time.
pub(super) fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // The high bit of each byte below `bound`. A borrow may mark a byte above one that is marked
    // rightly; the lowest mark is always right, and only that is used. `bound` is at most 0x80.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHS;
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslashes = below(word ^ (ONES * u64::from(b'\\')), 1);
        let special = quotes | backslashes | below(word, 0x20) | (word & HIGHS);
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let plain = |&byte: &u8| byte != b'"' && byte != b'\\' && (0x20..0x80).contains(&byte);
    words.len() * 8 + tail.iter().take_while(|byte| plain(byte)).count()
}

/// A decimal number: `digits` divided by ten to the power of `decimals`, where it [`fits`].
///
/// [`fits`]: Decimal::fits
struct Decimal<'a> {
    text: &'a [u8],
    is_negative: bool,
    digits: u64,
    /// How many of them are before the point.
    whole: usize,
    /// How many of them are after it.
    decimals: usize,
}

impl Decimal<'_> {
    /// Whether `digits` has all digits of the text.
    fn fits(&self) -> bool {
        self.whole + self.decimals <= DIGITS_MAX
    }

    /// The nearest double. Mostly one division finds it: both operands are exact, so the quotient
    /// is rounded once (W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990).
    fn to_f64(&self) -> Option<f64> {
        if self.fits() && self.digits <= EXACT_MAX {
            let value = self.digits as f64 / POWERS_OF_TEN[self.decimals];
            return Some(if self.is_negative { -value } else { value });
        }
        let value: f64 = std::str::from_utf8(self.text).ok()?.parse().ok()?;
        value.is_finite().then_some(value)
    }
}
