//! Which partition a key belongs to.
//!
//! All our producers partition as the Java client does for records with a key (librdkafka calls it
//! `murmur2_random`), so that a symbol has the same partition whoever writes it. The hash is
//! Austin Appleby's MurmurHash2, 32 bits, with the seed that the Java client fixed.

/// The seed of the Java client.
const SEED: u32 = 0x9747_b28c;
/// The multiplier of MurmurHash2.
const M: u32 = 0x5bd1_e995;
/// The shift of MurmurHash2.
const R: u32 = 24;

/// The partition, of `partitions`, that records with this key belong to.
///
/// # Panics
/// When there are no partitions.
pub fn partition_for(key: &[u8], partitions: u32) -> u32 {
    // The Java client drops the sign bit rather than the sign.
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// MurmurHash2 of `data`.
fn murmur2(data: &[u8]) -> u32 {
    let length = u32::try_from(data.len()).expect("a key is shorter than 4 GiB");
    let mut hash = SEED ^ length;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes(word.try_into().expect("a chunk has four bytes"));
        let word = word.wrapping_mul(M);
        let word = (word ^ (word >> R)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        let mut word = [0; 4];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u32::from_le_bytes(word)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From Apache Kafka's `org.apache.kafka.common.utils.UtilsTest`.
    const JAVA: [(&[u8], i32); 6] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        (b"abc", 479_470_107),
    ];

    /// From librdkafka's `unittest_murmur2`, whose figures were made with the Java client.
    const LIBRDKAFKA: [(&[u8], u32); 11] = [
        (b"kafka", 0xd067_cf64),
        (b"giberish123456789", 0x8f55_2b0c),
        (b"1234", 0x9fc9_7b14),
        (b"234", 0xe7c0_09ca),
        (b"34", 0x8739_30da),
        (b"4", 0x5a4b_5ca1),
        (b"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c),
        (b"reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62_b377),
        (b"eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4_e09e),
        (b"AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8_b43f),
        (b"", 0x106e_08d9),
    ];

    #[test]
    fn hashes_as_kafka_clients_do() {
        for (key, hash) in JAVA {
            assert_eq!(murmur2(key), hash.cast_unsigned(), "{key:?}");
        }
        for (key, hash) in LIBRDKAFKA {
            assert_eq!(murmur2(key), hash, "{key:?}");
        }
    }

    #[test]
    fn drops_the_sign_bit_before_dividing() {
        // -973932308 is 0xc5f3_04ec; without its sign bit 1173551340.
        assert_eq!(partition_for(b"21", u32::MAX), 1_173_551_340);
        assert_eq!(partition_for(b"21", 11), 5);
        assert_eq!(partition_for(b"abc", 10), 7);
        assert_eq!(partition_for(b"anything", 1), 0);
    }

    proptest! {
        #[test]
        fn stays_below_the_number_of_partitions(key: Vec<u8>, partitions in 1_u32..) {
            prop_assert!(partition_for(&key, partitions) < partitions);
        }
    }
}
