#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod accelerator;
pub mod coding;
#[cfg(feature = "corpora")]
pub mod corpus;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(any(feature = "corpora", feature = "shards"))]
pub mod digest;
pub mod engine;
mod error;
#[cfg(feature = "files")]
pub mod files;
pub mod frequencies;
#[cfg(any(feature = "parquet", feature = "subwords"))]
mod guard;
mod level;
pub mod lexicon;
pub mod message;
pub mod mix;
pub mod model;
pub mod ordered;
pub mod plan;
pub mod quantize;
pub mod random;
#[cfg(feature = "store")]
pub mod store;
pub mod stream;
pub mod strings;
#[cfg(feature = "subwords")]
pub mod subwords;
pub mod tokens;
mod whole_file;
pub mod windows;

pub use equalinfo_codec::container::Method as StreamMethod;
pub use equalinfo_codec::{ByteModel, Frequencies, WindowBits, WindowCode};

pub use coding::{CodingError, CodingModel};
pub use error::{CountsError, LoadError};
pub use frequencies::ByteFrequencies;
pub use level::Level;
pub use lexicon::Lexicon;
pub use message::{MessageCoder, MessageError};
pub use model::{DEFAULT_MODEL, Model};
pub use stream::{Compressor, Decompressor, StreamError, StreamFile};
#[cfg(feature = "subwords")]
pub use subwords::Subwords;
pub use tokens::{TokenError, TokenMethod, Tokenizer};
pub use whole_file::read_file;
