//! `.eqi` streams: a header, blocks that decode alone, an index (`docs/container.md` has every byte).
//!
//! Invariants: every byte of a stream is covered by a checksum or by the text's; a block is never larger than its
//! text by more than [`BlockHeader::LENGTH`]; every field has one encoding, so that a decoder can refuse all others.
//! A stream is written and read front to back without seeking ([`Decoder`]), or opened from its end ([`Stream`]).

mod block;
pub(crate) mod checksum;
mod decoder;
mod header;
mod index;
mod random_access;
#[cfg(feature = "embedded-io")]
mod reader;
mod table;

pub use block::{BlockDecoder, BlockHeader, BlockKind, decode_block, encode_block, find_block};
pub use decoder::Decoder;
pub use header::{DEFAULT_BLOCK_SIZE, Header, MAXIMUM_BLOCK_SIZE, Method, ModelIdentity};
pub use index::{END_MARKER, Index, IndexBuilder, IndexEntry, Trailer};
pub use random_access::Stream;
#[cfg(feature = "embedded-io")]
pub use reader::{ReadError, Reader};
pub use table::{TABLE_LENGTH, parse_table, write_table};
