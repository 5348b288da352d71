//! Why a stream cannot be written or read.

use std::io;

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::container::MAXIMUM_BLOCK_SIZE;

use super::restored::Restored;
use crate::coding::CodingError;
use crate::error::LoadError;

/// Why a stream cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The input failed.
    #[error("cannot {action}")]
    Input {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The output failed.
    #[error("cannot write")]
    Output(#[source] io::Error),
    /// The input is no stream, or its beginning or end is damaged.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The model cannot run, or not so.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// A shipped model cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The format has no such blocks.
    #[error("blocks of {found} bytes: expected 1 to {MAXIMUM_BLOCK_SIZE} bytes")]
    BlockSize {
        /// What was asked for.
        found: u64,
    },
    /// The model has a shorter context.
    #[error("a context of {found} bytes: expected 1 to {expected}, the context that model '{name}' was trained with")]
    Context {
        /// The model's name.
        name: String,
        /// Its context.
        expected: usize,
        /// What was asked for.
        found: usize,
    },
    /// The method is not one that this can code.
    #[error(
        "'{name}' has no method {method}: byte frequencies have static-ac, a model ac, mix and windows, a lexicon \
         windows of 16 bits in the default code; tables need no model"
    )]
    Method {
        /// What was to code.
        name: String,
        /// What was asked for.
        method: &'static str,
    },
    /// The code has no decoder, so no stream has it.
    #[error("window code 'paper' has no decoder, as several texts share a code; expected default or delay")]
    NotDecodable,
    /// A model that is not shipped was looked for, and cannot be loaded.
    #[error("cannot look for model {id:08x}")]
    Lookup {
        /// The id in the stream.
        id: u32,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No shipped model is the one that the stream needs.
    #[error("needs model {}{id:08x}; the shipped ones are {}", spaced(name), shipped.join(", "))]
    UnknownModel {
        /// The id in the stream.
        id: u32,
        /// The name in the stream, if it has one.
        name: String,
        /// Names and ids of the shipped models.
        shipped: Vec<String>,
    },
    /// The model that was given is another one.
    #[error("'{name}' is not the model that this was compressed with")]
    OtherModel {
        /// Its name.
        name: String,
        /// What differs.
        source: DecodeError,
    },
    /// The lexicon that was given is another one.
    #[error("this was compressed neither with this lexicon nor with its model")]
    OtherLexicon {
        /// What differs.
        source: DecodeError,
    },
    /// The model that was given has a shorter context than the stream needs.
    #[error("the stream needs a context of {expected} bytes, and model '{name}' has {found}")]
    ShortContext {
        /// The model's name.
        name: String,
        /// What the stream needs.
        expected: usize,
        /// What the model has.
        found: usize,
    },
    /// The stream is shorter.
    #[error("there is no block {number}; the stream has {blocks} blocks, counted from 0")]
    NoBlock {
        /// What was asked for.
        number: u32,
        /// What the stream has.
        blocks: u32,
    },
    /// The stream is not of windows.
    #[error("this stream has no windows; it was not written with method equal-info")]
    NoWindows,
    /// The stream has fewer windows.
    #[error("there is no window {number}")]
    NoWindow {
        /// What was asked for.
        number: u64,
    },
    /// The text is shorter.
    #[error("the range starts at {found}, but the text ends at {expected}")]
    Range {
        /// Where the text ends.
        expected: u64,
        /// Where the range starts.
        found: u64,
    },
    /// The file is cut short or damaged behind the beginning of a stream.
    #[error("damaged or cut short: no end where the stream should end")]
    Incomplete,
    /// The index names other blocks than there are.
    #[error("the index does not describe the blocks")]
    Index,
    /// The text is longer than was allowed.
    #[error("the text is longer than {limit} bytes, the most that may be written")]
    OutputLimit {
        /// What was allowed.
        limit: u64,
    },
    /// A block takes more memory than was allowed.
    #[error("a block takes {needed} bytes of memory, more than the {limit} that may be used")]
    MemoryLimit {
        /// What it takes.
        needed: u64,
        /// What was allowed.
        limit: u64,
    },
    /// Damage, where none is tolerated. All intact text has been written.
    #[error("damaged: {}", .0.losses.first().map_or_else(String::new, ToString::to_string))]
    Damaged(Restored),
}

/// A name, and a space before what follows.
fn spaced(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name} ") }
}

impl StreamError {
    /// Names what was tried on the input.
    pub(super) fn input(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Input { action, source }
    }
}
