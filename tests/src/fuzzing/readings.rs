//! Records of the readings topic.

use rotation_wire::readings::{RECORD_MAX, ReadingRecord};

/// What is read can be written, and then reads the same.
pub(super) fn reading(bytes: &[u8]) {
    let record = match ReadingRecord::decode(bytes) {
        Ok(record) => record,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(bytes.len() <= RECORD_MAX);
    let written = record.encode();
    let again = ReadingRecord::decode(&written);
    let again = again.unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&written));
    });
    assert_eq!(again, record);
    assert_eq!(again.key(), record.key());
}
