//! Streams: text to `.eqi` and back, on many threads, in bounded memory.
//!
//! Invariant: the bytes of a stream depend on the text, the model and the options of the [`Compressor`] alone, never on
//! the number of threads or on how the input arrives; and text is delivered only from blocks whose checksum agrees.
//!
//! * [`compressor`](Compressor): blocks are encoded in parallel and written in order, then the index.
//! * [`decompressor`](Decompressor): blocks are decoded in parallel; a damaged one is reported and the ones around it
//!   are delivered (`blocks` finds them, [`FileMap`] helps where the input can seek); [`Models`] finds the model.
//! * [`access`](StreamFile): single blocks, windows and ranges through the index.
//!
//! How blocks are computed is a [`Plan`](crate::plan::Plan).

mod access;
mod blocks;
mod compressor;
mod decompressor;
mod error;
mod map;
mod models;
mod restored;
mod source;
#[cfg(test)]
mod tests;

pub use access::{FileBlock, StreamFile};
pub use compressor::{Compressor, Written};
pub use decompressor::Decompressor;
pub use error::StreamError;
pub use map::{FileMap, MappedStream, Start};
pub use models::Models;
pub use restored::{Loss, Restored};
