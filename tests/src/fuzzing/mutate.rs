//! Changes good inputs into strange ones, the same ones for the same seed.

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// The longest input that is made.
const LENGTH_MAX: usize = 1 << 16;

/// What readers of text stumble over, whatever the text.
const TOKENS: &[&[u8]] = &[
    b"NaN",
    b"1e400",
    b"-0",
    b"0.1",
    b"null",
    b"[[[[",
    b"{\"a\":",
    b"\\ud800",
    b"\\u0000",
    b"\"",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"1677-09-21T00:12:43.145224192Z",
    b"2262-04-11T23:47:16.854775807Z",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b",,,,",
    b"\r\n",
    b"\0",
    b"true",
    b"=",
    b"\n\n",
    b" ",
];

/// A seeded stream of inputs, each some changes away from one of the good ones.
#[derive(Debug)]
pub struct Mutator<'a> {
    dice: ChaCha8Rng,
    corpus: &'a [Vec<u8>],
    tokens: Vec<Vec<u8>>,
}

impl<'a> Mutator<'a> {
    /// Inputs from these good ones, with the tokens of a dictionary beside the usual ones.
    ///
    /// # Panics
    /// Without a good input.
    #[must_use]
    pub fn new(seed: u64, corpus: &'a [Vec<u8>], dictionary: &str) -> Self {
        assert!(!corpus.is_empty(), "a target has at least one good input");
        let own = dictionary.lines().filter_map(token);
        let tokens = TOKENS.iter().map(|token| token.to_vec()).chain(own);
        Mutator {
            dice: ChaCha8Rng::seed_from_u64(seed),
            corpus,
            tokens: tokens.collect(),
        }
    }

    fn good(&mut self) -> &'a [u8] {
        self.corpus
            .choose(&mut self.dice)
            .map_or(&[], Vec::as_slice)
    }

    fn at(&mut self, bytes: &[u8]) -> usize {
        self.dice.random_range(0..=bytes.len())
    }

    fn stretch(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let from = self.at(bytes);
        let most = (bytes.len() - from).min(32);
        from..from + self.dice.random_range(0..=most)
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        match self.dice.random_range(0..9) {
            0 => bytes.truncate(self.at(bytes)),
            1 => drop(bytes.drain(self.stretch(bytes))),
            2 => {
                let stretch = self.stretch(bytes);
                let token = self
                    .tokens
                    .choose(&mut self.dice)
                    .cloned()
                    .unwrap_or_default();
                bytes.splice(stretch, token);
            }
            3 => {
                let at = self.at(bytes);
                let token = self
                    .tokens
                    .choose(&mut self.dice)
                    .cloned()
                    .unwrap_or_default();
                bytes.splice(at..at, token);
            }
            4 => {
                let again = bytes[self.stretch(bytes)].repeat(self.dice.random_range(1..8));
                let at = self.at(bytes);
                bytes.splice(at..at, again);
            }
            5 => {
                let other = self.good();
                let piece = other[self.stretch(other)].to_vec();
                let stretch = self.stretch(bytes);
                bytes.splice(stretch, piece);
            }
            6 => {
                let (here, other) = (self.at(bytes), self.good());
                let there = self.at(other);
                bytes.truncate(here);
                bytes.extend_from_slice(&other[there..]);
            }
            _ => {
                let at = self.at(bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if self.dice.random() {
                        self.dice.random()
                    } else {
                        *byte ^ (1 << self.dice.random_range(0..8))
                    };
                }
            }
        }
        bytes.truncate(LENGTH_MAX);
    }
}

impl Iterator for Mutator<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.good().to_vec();
        // Mostly few changes, so that most of what is good about it stays.
        let changes = 1 + self.dice.random_range(0..4_u32) * self.dice.random_range(0..3_u32);
        for _ in 0..changes {
            self.change(&mut bytes);
        }
        Some(bytes)
    }
}

/// A line of a libFuzzer dictionary: a text in quotes, with `\xNN`, `\\` and `\"`.
fn token(line: &str) -> Option<Vec<u8>> {
    let text = line.trim().split_once('"')?.1.strip_suffix('"')?;
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match after {
            [b'x', a, b, after @ ..] if *first == b'\\' => {
                let digits = [*a, *b];
                bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = after;
            }
            [escaped, after @ ..] if *first == b'\\' => {
                bytes.push(*escaped);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_read_as_libfuzzer_does() {
        assert_eq!(token(r#"kw="a\x00\"b\\""#), Some(b"a\0\"b\\".to_vec()));
        assert_eq!(token("# a remark"), None);
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let corpus = [b"{\"symbol\":\"RUT\"}".to_vec(), b"second".to_vec()];
        let take = |seed| -> Vec<_> { Mutator::new(seed, &corpus, "").take(100).collect() };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }
}
