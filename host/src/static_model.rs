//! The frequencies of method static-ac: 256 counts that add up to 2^16, stored as text.

use anyhow::{Context, Result, ensure};
use equalinfo_codec::Frequencies;

/// The frequencies of English text, counted by `equalinfo train static` on the training corpus.
const ENGLISH: &str = include_str!("english.counts");

/// The file's text: 16 lines of 16 counts, in byte order.
pub fn to_text(frequencies: &Frequencies) -> String {
    let counts: Vec<String> = frequencies.counts().map(|count| count.to_string()).collect();
    counts.chunks(16).map(|line| line.join(" ") + "\n").collect()
}

/// Reads [`to_text`]'s format.
///
/// # Errors
/// Anything but 256 numbers of at least 2 that add up to 65536.
pub fn from_text(text: &str) -> Result<Frequencies> {
    let counts = text
        .split_ascii_whitespace()
        .map(|number| number.parse::<u16>().with_context(|| format!("expected a count, found '{number}'")))
        .collect::<Result<Vec<u16>>>()?;
    let found = counts.len();
    let counts: Result<[u16; 256], _> = counts.try_into();
    ensure!(counts.is_ok(), "expected 256 counts, found {found}");
    Ok(Frequencies::from_counts(&counts.unwrap_or([0; 256]))?)
}

/// The shipped frequencies.
///
/// # Errors
/// None: the shipped file is read by a test.
pub fn english() -> Result<Frequencies> {
    from_text(ENGLISH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_frequencies_are_valid_and_english() {
        let frequencies = english().expect("valid");
        assert!(frequencies.count(b'e') > frequencies.count(b'z'));
        assert!(frequencies.count(b' ') > frequencies.count(b'e'));
    }

    #[test]
    fn text_and_frequencies_are_inverse() {
        let mut histogram = [0; 256];
        histogram[7] = 1000;
        let frequencies = Frequencies::from_histogram(&histogram);
        assert_eq!(from_text(&to_text(&frequencies)).expect("valid"), frequencies);
        for wrong in ["", "1 2 3", &"2 ".repeat(256), &"256 ".repeat(257), &"x ".repeat(256)] {
            assert!(from_text(wrong).is_err());
        }
    }
}
