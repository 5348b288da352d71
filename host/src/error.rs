//! [`LoadError`]: why a model, a lexicon, byte frequencies or subwords cannot be had.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use equalinfo_codec::frequencies::FrequenciesError;
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;

use crate::engine::EngineError;

/// Bytes of the longest file that is loaded: an M1 of the widest layers and longest tables that its format has is
/// shorter, and so is every other image. A device such as `/dev/zero` has no end.
const LONGEST_FILE: u64 = 512 << 20;

/// What a file, pipe or device holds.
///
/// # Errors
/// It cannot be read, or is longer than what is loaded.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, LONGEST_FILE)
}

fn read_at_most(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(file.metadata()?.len().min(longest) as usize)?;
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        let reason = format!("longer than {longest} bytes, which no file of this kind is");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

/// Why a text holds no byte frequencies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CountsError {
    /// A word is no number of 16 bits.
    #[error("expected a count, found '{found}'")]
    Number {
        /// The word.
        found: String,
    },
    /// There are more or fewer numbers than bytes.
    #[error("expected 256 counts, found {found}")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The numbers are no frequencies.
    #[error(transparent)]
    Frequencies(#[from] FrequenciesError),
}

/// Why something that is loaded cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: cannot read this file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{}: expected {expected}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        source: Box<LoadError>,
    },
    /// No shipped model has this name.
    #[error("no model named '{name}' is shipped; expected {}", choices(known))]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The names of the shipped models.
        known: Vec<&'static str>,
    },
    /// What was asked for is neither a shipped model nor a file.
    #[error("{name}: neither a shipped model ({}) nor a file; expected the path of a .m1q file", choices(known))]
    NeitherModelNorFile {
        /// What was asked for.
        name: String,
        /// The names of the shipped models.
        known: Vec<&'static str>,
    },
    /// The bytes are no `.m1q` image.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The bytes are no `.lex` image.
    #[error(transparent)]
    Lexicon(#[from] LexiconError),
    /// The text holds no byte frequencies.
    #[error(transparent)]
    Counts(#[from] CountsError),
    /// This processor cannot run models as the environment asks for.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The bytes are no vocabulary of subwords that can be used.
    #[cfg(feature = "subwords")]
    #[error(transparent)]
    Subwords(#[from] crate::subwords::error::SubwordError),
}

fn choices(names: &[&str]) -> String {
    if names.is_empty() { "none in this build".to_owned() } else { names.join(", ") }
}

impl LoadError {
    /// What reading a file gives to `parse`; errors name the file and what was expected in it.
    pub(crate) fn in_file<T>(
        path: &Path,
        expected: &'static str,
        parse: impl FnOnce(Vec<u8>) -> Result<T, Self>,
    ) -> Result<T, Self> {
        let bytes = read_file(path).map_err(|source| Self::Read { path: path.to_owned(), source })?;
        parse(bytes).map_err(|source| match source {
            // This is no matter of the file.
            Self::Engine(error) => Self::Engine(error),
            source => Self::File { path: path.to_owned(), expected, source: Box::new(source) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_the_longest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read_at_most(&path, 100).unwrap(), [7; 100]);
        let error = read_at_most(&path, 99).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("longer than 99 bytes"), "{error}");
        assert_eq!(read_file(&path).unwrap(), [7; 100]);
        assert_eq!(read_file(&directory.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_without_an_end_is_refused() {
        let error = read_at_most(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
