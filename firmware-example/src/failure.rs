//! [`Failure`]: everything that ends a decoder early.

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;
use equalinfo_codec::mix::MixError;
use equalinfo_codec::strings::{StringError, StringTableError};

/// Why a program ended without decoding its text.
#[derive(Debug, defmt::Format)]
pub enum Failure {
    /// The debugger accepts no output.
    NoConsole,
    /// The working memory is already borrowed.
    MemoryInUse,
    /// The model's image is invalid.
    Model(ModelError),
    /// The lexicon's image is invalid.
    Lexicon(LexiconError),
    /// The memory for the tables is too small.
    Tables(MixError),
    /// The stream is damaged, truncated or from another model.
    Stream(DecodeError),
    /// The string table's blob is invalid.
    StringTable(StringTableError),
    /// A text of the table is damaged or from another model.
    String(StringError),
    /// What was coded is not what it should be.
    Different,
    /// A message is longer than the memory for it.
    MessageTooLong,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl From<LexiconError> for Failure {
    fn from(error: LexiconError) -> Self {
        Self::Lexicon(error)
    }
}

impl From<MixError> for Failure {
    fn from(error: MixError) -> Self {
        Self::Tables(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Stream(error)
    }
}

impl From<StringTableError> for Failure {
    fn from(error: StringTableError) -> Self {
        Self::StringTable(error)
    }
}

impl From<StringError> for Failure {
    fn from(error: StringError) -> Self {
        Self::String(error)
    }
}
