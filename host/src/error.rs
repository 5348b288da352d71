//! [`LoadError`]: why a model, a lexicon, byte frequencies or subwords cannot be had.

use std::io;
use std::path::{Path, PathBuf};

use equalinfo_codec::frequencies::FrequenciesError;
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;

use crate::engine::EngineError;
use crate::whole_file::read_file;

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
