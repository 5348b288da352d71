//! [`Starts`]: the text that follows where codes really end.
//!
//! From an empty context a model describes starts in general. The starts that a greedy parse leaves are different: what
//! would have made the previous code longer did not follow. Parsing text with one lexicon shows what the next one will
//! meet.

use std::ops::Range;

use equalinfo_codec::Frequencies;
use equalinfo_codec::lexicon::Lexicon;

/// The weight of the model's prediction, in starts.
const PRIOR: u64 = 16;

/// The text after each start, sorted; the default has none.
#[derive(Debug, Default)]
pub struct Starts<'a> {
    texts: Vec<&'a [u8]>,
}

impl<'a> Starts<'a> {
    /// The starts of `lexicon`'s codes in a sample, with up to `reach` bytes of each.
    pub fn of(lexicon: &Lexicon, sample: &'a [Vec<u8>], reach: usize) -> Self {
        let mut texts = Vec::new();
        for text in sample {
            let mut rest = &text[..];
            while !rest.is_empty() {
                texts.push(&rest[..reach.min(rest.len())]);
                // A code takes at least one byte.
                rest = &rest[lexicon.encode(rest).1.max(1)..];
            }
        }
        texts.sort_unstable();
        Self { texts }
    }

    /// All starts: each has the empty text as a prefix.
    pub fn all(&self) -> Range<usize> {
        0..self.texts.len()
    }

    /// Splits the starts in `range`, whose first `length` bytes are equal, by their next byte.
    pub fn split(&self, range: Range<usize>, length: usize) -> [Range<usize>; 256] {
        let texts = &self.texts[..range.end];
        // Texts that end here come first.
        let mut at = range.start + texts[range.start..].partition_point(|text| text.len() <= length);
        std::array::from_fn(|byte| {
            let start = at;
            if texts.get(at).is_some_and(|text| usize::from(text[length]) == byte) {
                at += texts[at..].partition_point(|text| usize::from(text[length]) == byte);
            }
            start..at
        })
    }
}

/// The probability that a text continues with `byte`, if `seen` of its `all` starts do and the model gives
/// `frequencies`: `floor(probability * (2^16 seen + PRIOR f) / (2^16 (all + PRIOR)))`. Without starts, this is the
/// model's own probability.
pub fn weigh(probability: u64, frequencies: &Frequencies, byte: u8, seen: usize, all: usize) -> u64 {
    let part = ((seen as u64) << Frequencies::BITS) + PRIOR * u64::from(frequencies.count(byte));
    let whole = (all as u64 + PRIOR) << Frequencies::BITS;
    // The part never exceeds the whole.
    (u128::from(probability) * u128::from(part) / u128::from(whole)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_split_by_their_next_byte() {
        let texts: Vec<&[u8]> = vec![b"", b"a", b"a", b"ab", b"abc", b"ac", b"\xff", b"\xff\xff"];
        let starts = Starts { texts };
        let of_root = starts.split(starts.all(), 0);
        assert_eq!((of_root[0].len(), &of_root[usize::from(b'a')], &of_root[255]), (0, &(1..6), &(6..8)));
        let of_a = starts.split(1..6, 1);
        assert_eq!((&of_a[usize::from(b'b')], &of_a[usize::from(b'c')], &of_a[255]), (&(3..5), &(5..6), &(6..6)));
        assert!(starts.split(4..5, 3).iter().all(Range::is_empty));
        assert!(Starts::default().split(0..0, 0).iter().all(Range::is_empty));
    }

    #[test]
    fn starts_and_the_model_add_up() {
        let mut frequencies = Frequencies::uniform();
        let certain = 1 << 63;
        assert_eq!(weigh(certain, &frequencies, 7, 0, 0), 1 << 55);
        assert_eq!(weigh(certain, &frequencies, 7, 16, 16), (1 << 62) + (1 << 54));
        frequencies.set_weights(|byte| u16::from(byte == 1));
        let sum: u64 = (0..=255).map(|byte| weigh(certain, &frequencies, byte, usize::from(byte < 10), 10)).sum();
        assert!((certain - 256..=certain).contains(&sum), "{sum}");
    }
}
