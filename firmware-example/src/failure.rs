//! [`Failure`]: everything that ends a decoder early.

use equalinfo_codec::error::{DecodeError, PayloadError};
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;

/// Why a program ended without its text.
#[derive(Debug, defmt::Format)]
pub enum Failure {
    /// The debugger takes no output.
    NoConsole,
    /// The working memory is lent to somebody else.
    MemoryInUse,
    /// The model's image is not one.
    Model(ModelError),
    /// The lexicon's image is not one.
    Lexicon(LexiconError),
    /// The stream is damaged, cut short or another model's.
    Stream(DecodeError),
    /// A message is damaged, cut short or another model's.
    Message(PayloadError),
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

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Stream(error)
    }
}

impl From<PayloadError> for Failure {
    fn from(error: PayloadError) -> Self {
        Self::Message(error)
    }
}
