//! Errors of streams.

use core::fmt;

use super::header::{MAGIC, Method};
use super::name::ModelName;
use crate::frequencies::FrequenciesError;
use crate::raw::PayloadError;

/// A part of a stream, to say where it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StreamPart {
    /// The header of the stream.
    Header,
    /// The frequencies of a `static-ac` stream.
    Table,
    /// The header of a block.
    BlockHeader,
    /// The payload of a block.
    Payload,
    /// The index or the trailer.
    Index,
}

impl fmt::Display for StreamPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Table => "frequency table",
            Self::BlockHeader => "block header",
            Self::Payload => "payload",
            Self::Index => "index",
        })
    }
}

/// A stream could not be decoded any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecodeError {
    /// The stream does not begin with the magic of `.eqi` streams.
    Magic {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// The stream has a format version that this crate does not know.
    Version {
        /// The version that this crate decodes.
        expected: u8,
        /// The version of the stream.
        found: u8,
    },
    /// The header of the stream is damaged.
    HeaderChecksum {
        /// The checksum in the stream.
        expected: u32,
        /// The checksum of the bytes read.
        found: u32,
    },
    /// A field of the intact header has a value that the format does not allow.
    Header {
        /// The name of the field.
        field: &'static str,
        /// Its value.
        found: u32,
    },
    /// The first block is not the one that the header was written for.
    Tag,
    /// The stream was written with a different model.
    WrongModel {
        /// The upper half of the id of the model that wrote the stream.
        expected: u32,
        /// That model's name, if the stream has it.
        name: ModelName,
        /// The upper half of the id of the model given.
        found: u32,
    },
    /// The stream was written with a different context.
    WrongContext {
        /// The context that the stream was written with, in positions.
        expected: u16,
        /// The context given, in positions.
        found: u16,
    },
    /// The decoder does not support the method of the stream.
    WrongMethod {
        /// The method that the decoder supports.
        expected: Method,
        /// The method of the stream.
        found: Method,
    },
    /// The frequency table is damaged.
    TableChecksum {
        /// The checksum in the stream.
        expected: u32,
        /// The checksum of the bytes read.
        found: u32,
    },
    /// The frequency table is intact but its counts are not valid.
    Table(FrequenciesError),
    /// A count in the frequency table is out of range, or not written in its shortest form.
    TableCount {
        /// The byte that it counts.
        byte: u8,
    },
    /// Neither a block nor the end of the stream begins where one of them should.
    BlockMarker {
        /// The number of the block expected.
        block: u32,
        /// The bytes found in place of its marker.
        found: [u8; 4],
    },
    /// The header of a block is damaged.
    BlockHeaderChecksum {
        /// The number of the block expected.
        block: u32,
        /// The checksum in the stream.
        expected: u32,
        /// The checksum of the bytes read.
        found: u32,
    },
    /// A block is missing, repeated or out of order.
    BlockOrder {
        /// The number of the block expected.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// The header of a block is intact, but the lengths in it are impossible.
    BlockLengths {
        /// The number of the block.
        block: u32,
        /// The length of its text in bytes.
        text: u32,
        /// The length of its payload in bytes.
        payload: u32,
    },
    /// The payload of a block does not decode.
    Payload {
        /// The number of the block.
        block: u32,
        /// What is wrong with the payload.
        cause: PayloadError,
    },
    /// The text decoded from a block is not the one that was encoded.
    TextChecksum {
        /// The number of the block.
        block: u32,
        /// The checksum in the stream.
        expected: u32,
        /// The checksum of the text decoded.
        found: u32,
    },
    /// The stream ends too early.
    Truncated {
        /// The part that is cut short.
        part: StreamPart,
        /// The number of the block that the stream ends in, or of the next one.
        block: u32,
    },
    /// The index or the trailer is damaged.
    IndexChecksum {
        /// The checksum in the stream.
        expected: u32,
        /// The checksum of the bytes read.
        found: u32,
    },
    /// The index is intact but does not describe the blocks of the stream.
    IndexContents,
    /// The number of blocks in the trailer is wrong.
    BlockCount {
        /// The value in the trailer.
        expected: u32,
        /// The value found.
        found: u32,
    },
    /// The length of the text in the trailer is wrong.
    TextLength {
        /// The value in the trailer.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// The stream does not end with the magic that ends complete streams.
    EndMagic {
        /// Its last bytes.
        found: [u8; 4],
    },
    /// Something follows the end of the stream.
    Surplus,
    /// There is no such block.
    NoSuchBlock {
        /// The number of blocks in the stream.
        expected: u32,
        /// The number asked for.
        found: u32,
    },
    /// There is no such window.
    NoSuchWindow {
        /// The number asked for.
        found: u64,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(
                f,
                "not an .eqi stream: expected it to begin with '{}', found '{}'",
                MAGIC.escape_ascii(),
                found.escape_ascii()
            ),
            Self::Version { expected, found: 1 } => write!(
                f,
                "the stream has format version 1, which was never released; expected {expected}: decompress it with the \
                 program that wrote it"
            ),
            Self::Version { expected, found } => {
                write!(f, "the stream has format version {found}, expected {expected}")
            }
            Self::HeaderChecksum { expected, found } => {
                write!(f, "the stream's header is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::Header { field, found } => write!(f, "the stream's header has the invalid {field} {found}"),
            Self::Tag => write!(f, "the first block belongs to another stream"),
            Self::WrongModel { expected, name, found } => {
                let separator = if name.as_str().is_empty() { "" } else { " " };
                write!(f, "the stream was written with model {name}{separator}{expected:08x}, found model {found:08x}")
            }
            Self::WrongContext { expected, found } => {
                write!(f, "the stream was written with a context of {expected} positions, found {found}")
            }
            Self::WrongMethod { expected, found } => {
                write!(f, "expected a stream of method {expected}, found method {found}")
            }
            Self::TableChecksum { expected, found } => {
                write!(f, "the frequency table is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::Table(cause) => write!(f, "the frequency table is not valid: {cause}"),
            Self::TableCount { byte } => write!(f, "the frequency table has an invalid count for byte {byte}"),
            Self::BlockMarker { block, found } => {
                write!(f, "expected block {block} or the end of the stream, found '{}'", found.escape_ascii())
            }
            Self::BlockHeaderChecksum { block, expected, found } => {
                write!(f, "the header of block {block} is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::BlockOrder { expected, found } => write!(f, "expected block {expected}, found block {found}"),
            Self::BlockLengths { block, text, payload } => {
                write!(f, "block {block} cannot hold {text} bytes of text in {payload} bytes")
            }
            Self::Payload { block, cause } => write!(f, "block {block} does not decode: {cause}"),
            Self::TextChecksum { block, expected, found } => {
                write!(f, "block {block} is damaged: expected a text with checksum {expected:08x}, found {found:08x}")
            }
            Self::Truncated { part, block } => write!(f, "the stream is cut short in the {part} at block {block}"),
            Self::IndexChecksum { expected, found } => {
                write!(f, "the index is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::IndexContents => write!(f, "the index does not describe the blocks of the stream"),
            Self::BlockCount { expected, found } => write!(f, "expected {expected} blocks, found {found}"),
            Self::TextLength { expected, found } => {
                write!(f, "expected {expected} bytes of text in all, found {found}")
            }
            Self::EndMagic { found } => {
                write!(f, "expected the end of an .eqi stream, found '{}'", found.escape_ascii())
            }
            Self::Surplus => write!(f, "something follows the end of the stream"),
            Self::NoSuchBlock { expected, found } => write!(f, "there is no block {found}: the stream has {expected}"),
            Self::NoSuchWindow { found } => write!(f, "there is no window {found}"),
        }
    }
}

impl core::error::Error for DecodeError {}
