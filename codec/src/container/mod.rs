//! `.eqi` streams: a header, blocks that decode alone, and an index (`docs/container.md` specifies every byte).
//!
//! Invariants: every byte of a stream is covered by a checksum, or by that of the text; a block exceeds its text by
//! [`BlockHeader::LENGTH`] and [`IndexEntry::LENGTH`] at most; every text, model and choice of methods has exactly one
//! stream, so that a decoder can refuse all others.
//!
//! A stream is written whole ([`encode_stream`]) or block by block ([`encode_block`], [`IndexBuilder`]). It is read
//! front to back without seeking ([`Decoder`]), or opened from its end ([`Stream`], and
//! [`StoredStream`] in flash that no address reaches).

mod block;
mod decoder;
mod error;
mod header;
mod index;
mod name;
mod random_access;
#[cfg(feature = "embedded-io")]
mod reader;
mod stored;
mod table;
mod whole;

pub(crate) use block::encode_block_with;
pub use block::{
    BlockDecoder, BlockHeader, BlockKind, decode_block, encode_block, encode_payload, find_block, least_payload,
};
pub use decoder::Decoder;
pub use error::{DecodeError, StreamPart};
pub use header::{DEFAULT_BLOCK_SIZE, Header, HeaderBytes, Layout, MAXIMUM_BLOCK_SIZE, Method, ModelIdentity};
pub use index::{END_MARKER, Index, IndexBuilder, IndexEntry, Trailer};
pub use name::ModelName;
pub use random_access::Stream;
#[cfg(feature = "embedded-io")]
pub use reader::{ReadError, Reader};
pub use stored::StoredStream;
pub use table::{TABLE_LENGTH, parse_table, write_table};
pub use whole::{decode_stream, encode_stream, stream_bound};
