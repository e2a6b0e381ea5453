//! Records of the bars log.

use super::plan;
use rotation_wire::bars::{self, Decoded, RECORD_MAX};

/// What is read can be written, and then reads the same; errors say something.
pub(super) fn bars_record(bytes: &[u8]) {
    match bars::decode(plan(), bytes) {
        Ok(Decoded::Record(record)) => {
            assert!(bytes.len() <= RECORD_MAX);
            let mut once = Vec::new();
            bars::encode(&mut once, plan(), &record);
            // Held against its bytes: not every number equals itself.
            let Ok(Decoded::Record(again)) = bars::decode(plan(), &once) else {
                panic!("cannot be read again: {}", String::from_utf8_lossy(&once));
            };
            let mut twice = Vec::new();
            bars::encode(&mut twice, plan(), &again);
            assert_eq!(
                String::from_utf8_lossy(&once),
                String::from_utf8_lossy(&twice)
            );
        }
        Ok(Decoded::Unread { .. }) => assert!(bytes.len() <= RECORD_MAX),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
