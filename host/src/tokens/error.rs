//! Why text does not become tokens, or tokens no text.

use super::method::{LARGEST_EXAMPLE, LARGEST_VOCABULARY, TokenMethod};
use crate::coding::CodingError;

/// Why text does not become tokens, or tokens no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There are no windows of this width.
    #[error("no windows of {found} bits: expected a multiple of 8 up to 128")]
    Width {
        /// What was asked for.
        found: u32,
    },
    /// There are no tokens of this width.
    #[error("tokens of {found} bits: expected 8 or 16")]
    TokenWidth {
        /// What was asked for.
        found: u32,
    },
    /// A vocabulary of subwords that ids have no room for.
    #[error("a vocabulary of {found} subwords: expected 1 to {LARGEST_VOCABULARY}")]
    Pieces {
        /// What was asked for.
        found: usize,
    },
    /// There is no such window code.
    #[error("expected window code default, paper, delay or flexible, found '{found}'")]
    Code {
        /// What was asked for.
        found: String,
    },
    /// Flexible windows are not dependent on each other.
    #[error("flexible windows start anew and are not aligned")]
    Flexible,
    /// The method needs another kind of model.
    #[error("method {method} needs {expected}")]
    Model {
        /// The method.
        method: TokenMethod,
        /// What it needs.
        expected: &'static str,
    },
    /// The vocabulary has another size.
    #[error("a vocabulary of {found} tokens: expected {expected}")]
    Vocabulary {
        /// What the method says.
        expected: usize,
        /// What the vocabulary has.
        found: usize,
    },
    /// M2 cannot be shown this code beside its text.
    #[error("{0} beside its text: expected tokens of 8 bits")]
    NotOfBytes(TokenMethod),
    /// An example has no text, or more than a row has room for.
    #[error("an example of {found} bytes: expected 1 to {LARGEST_EXAMPLE}")]
    Example {
        /// What was asked for.
        found: usize,
    },
    /// A row has no room for what is to be learned.
    #[error("{method}: {given} tokens come before the first with a loss; expected fewer than the {row} of a row")]
    RowTooShort {
        /// The method.
        method: TokenMethod,
        /// Tokens without a loss.
        given: usize,
        /// Tokens in a row.
        row: usize,
    },
    /// The model cannot run, or not so.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The vocabulary cannot encode or decode this.
    #[cfg(feature = "subwords")]
    #[error(transparent)]
    Subwords(#[from] crate::subwords::SubwordError),
    /// The method makes one code of a whole text, of which a token says nothing alone.
    #[error("tokens of {0} do not decode one by one")]
    NotDecodable(TokenMethod),
    /// Rows hold parts of a text and their code, so documents have no ends in them.
    #[error("{0}: rows are of a text and its code, which have no end of a document")]
    NoDocuments(TokenMethod),
    /// The method does not say which text a token stands for.
    #[error("tokens of {0} have no places in the text")]
    NoOffsets(TokenMethod),
    /// A token is not one of the vocabulary.
    #[error("token {found}: expected less than {expected}")]
    Token {
        /// The size of the vocabulary.
        expected: usize,
        /// The token.
        found: u16,
    },
    /// The tokens end within a window.
    #[error("the last {found} bytes of code are no whole window of {expected}")]
    PartialWindow {
        /// Bytes in a window.
        expected: usize,
        /// Bytes that are left over.
        found: usize,
    },
}
