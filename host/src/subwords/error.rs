//! Why a vocabulary cannot be loaded, used or trained.

use std::error::Error;

/// Why a vocabulary cannot be loaded, used or trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubwordError {
    /// The tokenizers library refused.
    #[error("cannot {action}: {reason}")]
    Library {
        /// What was tried.
        action: &'static str,
        /// Its answer.
        reason: String,
    },
    /// The tokenizer changes text before it looks for pieces, so that tokens stand for another text than was given.
    #[error(
        "the tokenizer has a normalizer ({found}), which changes text before it is cut into tokens: bits per byte of \
         the text that was given cannot be counted; expected none"
    )]
    Normalizer {
        /// Its type.
        found: String,
    },
    /// The tokenizer loses bytes of ordinary text.
    #[error("the tokenizer loses bytes: {text:?} comes back as {found:?}; bits per byte cannot be counted with it")]
    Lossy {
        /// What was encoded.
        text: String,
        /// What its tokens decode to.
        found: String,
    },
    /// A piece is longer than words are, and the tokenizers library would need as much of the stack.
    #[error("a piece of {found} bytes: expected at most {most}")]
    Piece {
        /// Its length.
        found: usize,
        /// The longest that there may be.
        most: usize,
    },
    /// The vocabulary is too large.
    #[error("{found} tokens: expected at most 65,536, which shards can hold")]
    TooLarge {
        /// How many it has.
        found: usize,
    },
    /// A vocabulary of this size cannot be trained.
    #[error("a vocabulary of {found} tokens: expected {least} to 65,536")]
    Size {
        /// The fewest there can be.
        least: usize,
        /// What was asked for.
        found: usize,
    },
    /// A token does not fit 16 bits.
    #[error("token {found}: expected at most 65,535")]
    Token {
        /// The token.
        found: u32,
    },
    /// There is nothing to learn from.
    #[error("there is no text in the corpus")]
    NoText,
    /// A document cannot be read.
    #[error("cannot read the corpus")]
    Documents(#[source] Box<dyn Error + Send + Sync>),
}
