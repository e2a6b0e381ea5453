//! W3C Trace Context in the headers of records: read with suspicion, and the next hop made of it.
//!
//! A span id of ours is a digest of the span before it and of where the record stood, so that a record that is read
//! again after a restart gives the same ids again.
//!
//! Specification: <https://www.w3.org/TR/trace-context/>.

use sha2::{Digest, Sha256};
use std::fmt;

/// Name of the header that says the trace and the span that sent the record.
pub const TRACEPARENT: &str = "traceparent";

/// Name of the header with what tracing systems add; passed along.
pub const TRACESTATE: &str = "tracestate";

/// The most bytes of a [`TRACESTATE`] that are passed along.
pub const TRACESTATE_MAX: usize = 512;

/// The most members of a [`TRACESTATE`] that are passed along.
const MEMBERS_MAX: usize = 32;

/// The flags that have a meaning: sampled, and a trace id made at random. All others are sent as zero.
const FLAGS: u8 = 0b11;

const SAMPLED: u8 = 0b01;

/// A trace, and a span of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace: [u8; 16],
    /// The span that sent the record.
    pub span: [u8; 8],
    /// Flags of the trace.
    flags: u8,
}

impl TraceParent {
    /// Reads the value of the header; nothing where it is not valid, which is to be treated as if it were not there.
    pub fn parse(value: &[u8]) -> Option<TraceParent> {
        let (known, rest) = value.split_at_checked(55)?;
        let version = hex::<1>(known.get(..2)?)?[0];
        let dashes = [known[2], known[35], known[52]];
        if version == 0xff || dashes != [b'-'; 3] {
            return None;
        }
        // What a later version adds comes after another dash.
        let goes_on = version > 0 && rest.starts_with(b"-");
        if !rest.is_empty() && !goes_on {
            return None;
        }
        let trace = hex::<16>(&known[3..35])?;
        let span = hex::<8>(&known[36..52])?;
        let flags = hex::<1>(&known[53..55])?[0];
        let is_valid = trace != [0; 16] && span != [0; 8];
        is_valid.then_some(TraceParent {
            trace,
            span,
            flags: flags & FLAGS,
        })
    }

    /// The same trace as the next hop sends it: `hop` does something with the record at this place of its input.
    #[must_use]
    pub fn child(self, hop: &str, partition: i32, offset: i64) -> TraceParent {
        let mut hash = Sha256::new();
        hash.update(self.trace);
        hash.update(self.span);
        hash.update(partition.to_be_bytes());
        hash.update(offset.to_be_bytes());
        hash.update(hop.as_bytes());
        let mut span = [0; 8];
        span.copy_from_slice(&hash.finalize()[..8]);
        if span == [0; 8] {
            // Stands for "none".
            span[7] = 1;
        }
        TraceParent { span, ..self }
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The flags, as the header has them.
    pub fn flags(self) -> u8 {
        self.flags
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = u128::from_be_bytes(self.trace);
        let span = u64::from_be_bytes(self.span);
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

/// As much of a `tracestate` as is passed along; nothing where there is nothing, or where it is no list of members.
/// Members that go beyond the bounds are left out from the end, where the oldest are.
pub fn tracestate(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    let is_member = |member: &str| member.trim().is_empty() || member.contains('=');
    if !text.bytes().all(is_plain) || !text.split(',').all(is_member) {
        return None;
    }
    let mut kept = 0;
    for (at, member) in text.split(',').take(MEMBERS_MAX).enumerate() {
        let end = kept + usize::from(at > 0) + member.len();
        if end > TRACESTATE_MAX {
            break;
        }
        kept = end;
    }
    let kept = text[..kept].trim();
    kept.contains('=').then_some(kept)
}

/// Lower-case hexadecimal digits, two a byte; nothing else.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(text: &str) -> Option<TraceParent> {
        TraceParent::parse(text.as_bytes())
    }

    #[test]
    fn what_is_valid_is_taken() {
        for (text, sampled, sent) in [
            (PARENT.to_owned(), true, PARENT.to_owned()),
            (
                PARENT.replace("-01", "-00"),
                false,
                PARENT.replace("-01", "-00"),
            ),
            (
                PARENT.replace("-01", "-03"),
                true,
                PARENT.replace("-01", "-03"),
            ),
            (
                PARENT.replace("-01", "-ff"),
                true,
                PARENT.replace("-01", "-03"),
            ),
            (PARENT.replacen("00-", "cc-", 1), true, PARENT.to_owned()),
            (
                PARENT.replacen("00-", "cc-", 1) + "-what-is-new",
                true,
                PARENT.to_owned(),
            ),
        ] {
            let parent = parse(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(parent.is_sampled(), sampled, "{text}");
            assert_eq!(parent.to_string(), sent, "{text}");
        }
    }

    #[test]
    fn what_is_not_valid_is_as_if_it_were_not_there() {
        for text in [
            String::new(),
            PARENT[..54].to_owned(),
            format!("{PARENT}-more"),
            format!("{PARENT} "),
            PARENT.replacen("00-", "ff-", 1),
            PARENT.replacen("00-", "cc-", 1) + "more",
            PARENT.replacen("00-", "0-0", 1),
            PARENT.replace('-', "_"),
            PARENT.to_uppercase(),
            PARENT.replace("4bf9", "4bg9"),
            PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            "é".repeat(28),
        ] {
            assert_eq!(parse(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_hop_keeps_trace_and_flags_and_has_a_span_of_its_own_that_repeats() {
        let parent = parse(PARENT).unwrap();
        let child = parent.child("sample", 3, 42);
        assert_eq!(child, parent.child("sample", 3, 42));
        assert_eq!((child.trace, child.flags()), (parent.trace, parent.flags()));
        let others = [
            parent,
            parent.child("decide", 3, 42),
            parent.child("sample", 4, 42),
            parent.child("sample", 3, 43),
            child.child("sample", 3, 42),
        ];
        for other in others {
            assert_ne!(child.span, other.span, "{other}");
        }
        // Another version of the program has to give the same ids.
        assert_eq!(
            child.to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0743e7c16753fce7-01"
        );
    }

    #[test]
    fn a_tracestate_is_passed_along_within_its_bounds() {
        for (value, kept) in [
            ("", None),
            (" , ", None),
            ("congo=t61rcWkgMzE", Some("congo=t61rcWkgMzE")),
            (
                " rojo=00f067aa0ba902b7,congo=t61 ",
                Some("rojo=00f067aa0ba902b7,congo=t61"),
            ),
            ("no member", None),
            ("a=\u{1b}", None),
            ("a=é", None),
        ] {
            assert_eq!(tracestate(value.as_bytes()), kept, "{value:?}");
        }
        assert_eq!(tracestate(b"\xff=1"), None);
        let long = format!("a={},b={},c=1", "x".repeat(400), "y".repeat(200));
        assert_eq!(tracestate(long.as_bytes()), Some(&long[..402]));
        let many: Vec<String> = (0..40).map(|at| format!("m{at}=1")).collect();
        let kept = tracestate(many.join(",").as_bytes()).map(str::len);
        assert_eq!(kept, Some(many[..32].join(",").len()));
    }

    proptest! {
        #[test]
        fn fuzz_headers(value in prop::collection::vec(any::<u8>(), 0..80), state in ".{0,700}") {
            if let Some(parent) = TraceParent::parse(&value) {
                prop_assert_eq!(parse(&parent.to_string()), Some(parent));
            }
            if let Some(kept) = tracestate(state.as_bytes()) {
                prop_assert!(kept.len() <= TRACESTATE_MAX && state.contains(kept));
            }
        }

        #[test]
        fn fuzz_valid(trace in 1_u128.., span in 1_u64.., flags in 0_u8..4, partition: i32, offset: i64) {
            let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
            let parent = parse(&text).unwrap();
            prop_assert_eq!(parent.to_string(), text);
            let child = parent.child("sample", partition, offset);
            prop_assert_eq!(parse(&child.to_string()), Some(child));
        }
    }
}
