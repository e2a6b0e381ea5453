//! Input records.

use rotation_engine::output::RejectCode;
use rotation_engine::time::EventTime;
use rotation_wire::dead_letter::MESSAGE_MAX;
use rotation_wire::input::{self, DecodeError, Input, RECORD_MAX};

/// Both ways through a record agree; what is read can be written and read again; what cannot says why in a line.
pub(super) fn input_record(bytes: &[u8]) {
    let decoded = input::decode(bytes);
    if bytes.len() > RECORD_MAX {
        let code = decoded.err().map(|error| error.code);
        assert_eq!(code, Some(RejectCode::TooLarge));
        return;
    }
    assert_eq!(
        decoded,
        input::decode_closely(bytes),
        "the short way says another thing"
    );
    match decoded {
        Ok(record) => written_reads_the_same(&record),
        Err(error) => assert_said(&error),
    }
}

fn written_reads_the_same(record: &Input<'_>) {
    let mut out = Vec::new();
    match record {
        Input::Tick { symbol, tick } => {
            assert!(tick.price.is_finite() && tick.size.is_finite() && tick.size >= 0.0);
            assert!(!symbol.is_empty());
            input::encode_tick(&mut out, symbol, tick);
        }
        Input::Heartbeat { time } => input::encode_heartbeat(&mut out, *time),
        Input::Split {
            symbol,
            time,
            ratio,
        } => {
            assert!(ratio.is_finite() && *ratio > 0.0 && !symbol.is_empty());
            input::encode_split(&mut out, symbol, *time, *ratio);
        }
        Input::Void { symbol, seq, time } => {
            assert!(!symbol.is_empty());
            input::encode_void(&mut out, symbol, *seq, *time);
        }
    }
    if !is_writable(record) {
        return;
    }
    let again = input::decode_within(&out, usize::MAX);
    assert_eq!(
        again.as_ref(),
        Ok(record),
        "{}",
        String::from_utf8_lossy(&out)
    );
}

/// Times beyond RFC 3339 cannot come in otherwise than as nanoseconds.
fn is_writable(record: &Input<'_>) -> bool {
    let time = match record {
        Input::Tick { tick, .. } => Some(tick.time),
        Input::Heartbeat { time } | Input::Split { time, .. } => Some(*time),
        Input::Void { time, .. } => *time,
    };
    time.is_none_or(|time| time > EventTime::MIN && time < EventTime::MAX)
}

fn assert_said(error: &DecodeError) {
    assert!(!error.message.is_empty(), "an error says what is wrong");
    assert!(
        error.message.chars().count() <= MESSAGE_MAX,
        "{}",
        error.message
    );
    assert!(!error.message.contains(['\n', '\r']), "{:?}", error.message);
    let codes = [
        RejectCode::Undecodable,
        RejectCode::BadPrice,
        RejectCode::BadSize,
        RejectCode::BadSplit,
    ];
    assert!(codes.contains(&error.code), "{error:?}");
}
