//! Tokens for language models: text to ids and back, and corpora to shards that a model trains on.
//!
//! * [`TokenMethod`]: how text becomes tokens, one for every row of the paper's tables and a few more.
//! * [`Tokenizer`]: a method with its model; [`TokenDecoder`]: back to text, token by token.
//! * [`Examples`]: documents joined and cut into the texts of rows, as in the paper.
//! * [`Row`]: tokens of a row, with the ends of documents if they are wanted.
//! * `shards` and `tokenize` (feature `shards`): corpora to token files.
//!
//! How texts are computed is a [`Plan`](crate::plan::Plan).

mod decoder;
mod error;
mod examples;
mod method;
mod row;
#[cfg(feature = "shards")]
pub mod shards;
#[cfg(feature = "shards")]
mod tokenize;
mod tokenizer;

#[cfg(all(test, feature = "shards"))]
mod tests;

pub use crate::windows::{Align, Reset};
pub use decoder::TokenDecoder;
pub use error::TokenError;
pub use examples::{DOCUMENTS, EXAMPLE, Example, Examples};
pub use method::{LexiconOf, Task, TokenMethod};
pub use row::{Row, Tokens, most_tokens};
#[cfg(feature = "shards")]
pub use tokenize::tokenize;
pub use tokenizer::{Encoded, TokenModel, Tokenizer};
