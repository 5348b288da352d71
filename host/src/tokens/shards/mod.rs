//! Token shards: `.npy` matrices of tokens, a row an example, and `manifest.json`, which says what they are.
//!
//! Invariants: the manifest names only shards that are complete, and is replaced as a whole, so a run that was killed
//! at any moment continues behind the last shard that it names and ends in the same files as one that was not. Whoever
//! reads shards gets the bytes whose digests the manifest has, and ids of its vocabulary.
//!
//! * `manifest`: [`Manifest`], with [`Settings`]: what the tokens are and what they were made of.
//! * `writer`: [`Writer`]; `rows`: [`Rows`]; `npy`: the header of a matrix.
//! * `source`: [`Source`] and [`Part`], directories that are read together.

mod error;
mod manifest;
mod npy;
mod rows;
mod source;
mod writer;

pub use error::ShardError;
pub use manifest::{
    Difference, LONGEST_ROW, MANIFEST, Manifest, Meaning, RowLayout, Settings, Shard, differences, listed,
};
pub use rows::Rows;
pub use source::{LARGEST_WEIGHT, Part, Source};
pub use writer::Writer;
