//! Dead letters: how a task puts them out, and how large they may be.

use super::Hop;
use crate::stage::{InputRecord, Outbox};
use rotation_engine::output::RejectCode;
use rotation_wire::dead_letter::{self, TRUNCATED};

/// What a record needs beside its key, value and headers: the batch around it (61 bytes), and the lengths in it.
const FRAME_BYTES: usize = 256;

/// Where dead letters go. A record just within the limit of its own topic is beyond it with the headers of a dead
/// letter, and a commit with a record that the broker refuses would fail for ever; so what does not fit is cut.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// The topic that the records came from.
    from: String,
    /// The task's output that they go to.
    output: usize,
    /// The most bytes that the brokers take.
    bytes_max: usize,
}

impl DeadLetters {
    /// Dead letters of records from the topic `from`, to an output that takes records of at most `bytes_max` bytes.
    pub fn new(from: &str, output: usize, bytes_max: usize) -> Self {
        DeadLetters {
            from: from.to_owned(),
            output,
            bytes_max,
        }
    }

    /// The topic that the records came from.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Puts a record out as received, under headers that say where it was and why it cannot be used.
    pub(super) fn bury(
        &self,
        record: &InputRecord<'_>,
        code: RejectCode,
        message: &str,
        outbox: &mut Outbox,
    ) {
        if outbox.replaying() {
            return;
        }
        let headers =
            dead_letter::headers(&self.from, record.partition, record.offset, code, message);
        let mut headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        headers.extend(Hop::of(record, "bury").iter().flat_map(Hop::as_received));
        let payload = record.payload.map(|payload| {
            let kept = self.room(record.key, &headers).min(payload.len());
            if kept < payload.len() {
                headers.push((TRUNCATED, payload.len().to_string().into_bytes()));
            }
            &payload[..kept]
        });
        outbox.send_with(self.output, None, record.key, payload, headers);
        tracing::warn!(
            topic = self.from,
            partition = record.partition,
            offset = record.offset,
            code = code.name(),
            message,
            "a record went to the dead letters"
        );
    }

    /// The most bytes of a value beside this key and these headers.
    fn room(&self, key: Option<&[u8]>, headers: &[(&'static str, Vec<u8>)]) -> usize {
        let headers: usize = headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 8)
            .sum();
        let taken = key.map_or(0, <[u8]>::len) + headers + TRUNCATED.len() + FRAME_BYTES;
        self.bytes_max.saturating_sub(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_fits_with_key_and_headers() {
        let headers =
            dead_letter::headers("market.ticks", 3, 42, RejectCode::TooLarge, "expected less");
        let headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes()))
            .collect();
        let beside: usize = headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        for (bytes_max, key) in [
            (0, None),
            (300, None),
            (1_000, Some(&b"RUT"[..])),
            (1_048_588, None),
        ] {
            let letters = DeadLetters::new("market.ticks", 1, bytes_max);
            let kept = letters.room(key, &headers);
            let all = kept + beside + key.map_or(0, <[u8]>::len) + FRAME_BYTES;
            assert!(kept == 0 || all <= bytes_max, "{kept} of {bytes_max}");
            assert!(
                kept + 1_000 > bytes_max,
                "{kept} of {bytes_max}: more would fit"
            );
        }
    }
}
