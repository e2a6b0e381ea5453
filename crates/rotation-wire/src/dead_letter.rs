//! Dead letters: the bytes as received, under headers that say where they were and what is wrong.

use crate::text::one_line;
use rotation_engine::output::RejectCode;

/// Header: the topic that the record was read from.
pub const TOPIC: &str = "rotation.error.topic";
/// Header: its partition, a decimal number.
pub const PARTITION: &str = "rotation.error.partition";
/// Header: its offset, a decimal number.
pub const OFFSET: &str = "rotation.error.offset";
/// Header: one of [`RejectCode::ALL`] by name.
pub const CODE: &str = "rotation.error.code";
/// Header: for the person who reads it, what was expected and what was found.
pub const MESSAGE: &str = "rotation.error.message";

/// Header: the bytes that the value had, a decimal number, where the dead letter holds only its beginning.
pub const TRUNCATED: &str = "rotation.error.truncated";

/// Header of a record that was put back on its topic: topic, partition and offset of its dead letter, with slashes.
pub const REDRIVEN_FROM: &str = "rotation.redriven.from";
/// Header of a marker among the dead letters: partition and offset of the letter that was put back, with a slash.
pub const REDRIVEN_LETTER: &str = "rotation.redriven.letter";
/// Header of a marker: topic, partition and offset of the record that was put back, with slashes.
pub const REDRIVEN_TO: &str = "rotation.redriven.to";

/// The most characters of a message that the header repeats.
pub const MESSAGE_MAX: usize = 512;

/// Names and values of a dead letter's headers. The message is cut to [`MESSAGE_MAX`] characters
/// and carries no control characters.
pub fn headers(
    topic: &str,
    partition: i32,
    offset: i64,
    code: RejectCode,
    message: &str,
) -> [(&'static str, String); 5] {
    [
        (TOPIC, topic.to_owned()),
        (PARTITION, partition.to_string()),
        (OFFSET, offset.to_string()),
        (CODE, code.name().to_owned()),
        (MESSAGE, one_line(message, MESSAGE_MAX)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn say_where_and_why() {
        let headers = headers(
            "market.ticks",
            3,
            42,
            RejectCode::BadPrice,
            "price: expected a finite number,\nfound NaN",
        );
        let expected = [
            ("rotation.error.topic", "market.ticks"),
            ("rotation.error.partition", "3"),
            ("rotation.error.offset", "42"),
            ("rotation.error.code", "bad_price"),
            (
                "rotation.error.message",
                "price: expected a finite number, found NaN",
            ),
        ];
        assert_eq!(
            headers
                .each_ref()
                .map(|(name, value)| (*name, value.as_str())),
            expected
        );
    }

    proptest! {
        #[test]
        fn messages_are_bounded_and_plain(message in "\\PC{0,40}[\\x00-\\x1f\\x7f-\\x9fé𝄞]{0,700}") {
            let [.., (_, shown)] = headers("t", 0, 0, RejectCode::Undecodable, &message);
            prop_assert_eq!(shown.chars().count(), message.chars().count().min(MESSAGE_MAX));
            prop_assert!(!shown.contains(char::is_control));
        }
    }
}
