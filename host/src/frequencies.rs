//! [`ByteFrequencies`]: 256 counts that add up to 2^16, the model of method `static-ac`; stored as text.

use std::path::Path;
use std::sync::Arc;

use equalinfo_codec::{Frequencies, StaticModel};

use crate::error::{CountsError, LoadError};

/// The frequencies of English text, counted by `equalinfo train static` on the training corpus.
const ENGLISH: &str = include_str!("english.counts");

const EXPECTED: &str = "256 counts that add up to 65536, as 'equalinfo train static' writes them";

/// Byte frequencies that never change. Cheap to clone, and shared between threads.
///
/// ```
/// use equalinfo::ByteFrequencies;
///
/// let english = ByteFrequencies::english();
/// assert!(english.frequencies().count(b'e') > english.frequencies().count(b'z'));
/// assert_eq!(ByteFrequencies::from_text(&english.to_text())?, english);
/// # Ok::<(), equalinfo::CountsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteFrequencies(Arc<Frequencies>);

impl ByteFrequencies {
    /// The shipped frequencies, of English text.
    pub fn english() -> Self {
        Self::from_text(ENGLISH).expect("the shipped frequencies, which a test reads")
    }

    /// Reads a file that `equalinfo train static` wrote.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let parse = |bytes: Vec<u8>| Ok(Self::from_text(&String::from_utf8_lossy(&bytes))?);
        LoadError::in_file(path.as_ref(), EXPECTED, parse)
    }

    /// Reads the text that [`Self::to_text`] writes.
    ///
    /// # Errors
    /// Anything but 256 numbers of at least 2 that add up to 65536.
    pub fn from_text(text: &str) -> Result<Self, CountsError> {
        let number = |word: &str| word.parse::<u16>().map_err(|_| CountsError::Number { found: word.to_owned() });
        let counts = text.split_ascii_whitespace().map(number).collect::<Result<Vec<u16>, _>>()?;
        let counts: &[u16; 256] =
            counts.as_slice().try_into().map_err(|_| CountsError::Length { found: counts.len() })?;
        Ok(Frequencies::from_counts(counts)?.into())
    }

    /// 16 lines of 16 counts, in byte order.
    pub fn to_text(&self) -> String {
        let counts: Vec<String> = self.0.counts().map(|count| count.to_string()).collect();
        counts.chunks(16).map(|line| line.join(" ") + "\n").collect()
    }

    /// The counts.
    pub fn frequencies(&self) -> &Frequencies {
        &self.0
    }

    /// A [`ByteModel`](crate::ByteModel) that always expects these frequencies.
    pub fn session(&self) -> StaticModel {
        StaticModel(Frequencies::clone(&self.0))
    }
}

impl From<Frequencies> for ByteFrequencies {
    fn from(frequencies: Frequencies) -> Self {
        Self(Arc::new(frequencies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_frequencies_are_valid_and_english() {
        let english = ByteFrequencies::english();
        let count = |byte| english.frequencies().count(byte);
        assert!(count(b'e') > count(b'z') && count(b' ') > count(b'e'));
    }

    #[test]
    fn text_and_frequencies_are_inverse() {
        let mut histogram = [0; 256];
        histogram[7] = 1000;
        let frequencies = ByteFrequencies::from(Frequencies::from_histogram(&histogram));
        assert_eq!(ByteFrequencies::from_text(&frequencies.to_text()), Ok(frequencies));
        for wrong in ["", "1 2 3", &"2 ".repeat(256), &"256 ".repeat(257), &"x ".repeat(256)] {
            assert!(ByteFrequencies::from_text(wrong).is_err());
        }
    }
}
