//! Writing input records: for replays, generators and tests.

use crate::text::{push_json, push_number, push_time};
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;

/// Appends a tick's record. What is at its default (no size, no sequence number, not official) is
/// left out. `tick.price` and `tick.size` have to be finite.
pub fn encode_tick(out: &mut Vec<u8>, symbol: &str, tick: &Tick) {
    out.extend_from_slice(b"{\"symbol\":");
    push_json(out, symbol);
    out.extend_from_slice(b",\"time\":");
    push_time(out, tick.time);
    out.extend_from_slice(b",\"price\":");
    push_number(out, tick.price);
    if tick.size != 0.0 {
        out.extend_from_slice(b",\"size\":");
        push_number(out, tick.size);
    }
    if let Some(seq) = tick.seq {
        out.extend_from_slice(b",\"seq\":");
        push_json(out, &seq);
    }
    if tick.official {
        out.extend_from_slice(b",\"official\":true");
    }
    out.push(b'}');
}

/// Appends a heartbeat's record.
pub fn encode_heartbeat(out: &mut Vec<u8>, time: EventTime) {
    out.extend_from_slice(b"{\"type\":\"heartbeat\",\"time\":");
    push_time(out, time);
    out.push(b'}');
}

/// Appends a split's record. `ratio`, new shares for an old one, has to be finite and positive.
pub fn encode_split(out: &mut Vec<u8>, symbol: &str, time: EventTime, ratio: f64) {
    out.extend_from_slice(b"{\"type\":\"split\",\"symbol\":");
    push_json(out, symbol);
    out.extend_from_slice(b",\"time\":");
    push_time(out, time);
    out.extend_from_slice(b",\"ratio\":");
    push_number(out, ratio);
    out.push(b'}');
}

/// Appends the record that takes back the print of a number.
pub fn encode_void(out: &mut Vec<u8>, symbol: &str, seq: u64, time: Option<EventTime>) {
    out.extend_from_slice(b"{\"type\":\"void\",\"symbol\":");
    push_json(out, symbol);
    out.extend_from_slice(b",\"seq\":");
    push_json(out, &seq);
    if let Some(time) = time {
        out.extend_from_slice(b",\"time\":");
        push_time(out, time);
    }
    out.push(b'}');
}
