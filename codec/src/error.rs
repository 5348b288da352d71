//! What can go wrong, one flat enum for each kind of input.
//!
//! Every variant carries what was expected and what was found, so that a caller can say so in its own words.

use crate::container::Method;
use core::fmt;

/// Why counts are not [`Frequencies`](crate::Frequencies).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FrequenciesError {
    /// The counts do not add up to 2^16.
    WrongTotal {
        /// Their sum.
        found: u32,
    },
    /// A count is below the minimum of 2.
    CountTooSmall {
        /// Whose count.
        byte: u8,
        /// The count.
        found: u16,
    },
}

impl fmt::Display for FrequenciesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongTotal { found } => write!(f, "byte counts must add up to 65536, found {found}"),
            Self::CountTooSmall { byte, found } => {
                write!(f, "the count of byte {byte} must be at least 2, found {found}")
            }
        }
    }
}

impl core::error::Error for FrequenciesError {}

/// Why a text was not encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodeError {
    /// The output does not fit the buffer.
    OutputTooSmall {
        /// Bytes in the buffer.
        found: usize,
    },
    /// A context of 0 positions: windows could hold no text.
    NoContext,
    /// The `paper` code cannot be decoded, so no stream is written with it.
    NotDecodable,
    /// A block of text must not be empty, nor longer than the stream's header says.
    BlockLength {
        /// The most that fits.
        expected: u32,
        /// The length of the text.
        found: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputTooSmall { found } => write!(f, "the output does not fit a buffer of {found} bytes"),
            Self::NoContext => write!(f, "windows need a context of at least 1 byte"),
            Self::NotDecodable => write!(f, "the paper's code has no decoder; use the default or the delay code"),
            Self::BlockLength { expected, found } => {
                write!(f, "a block holds 1 to {expected} bytes of text, found {found}")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Why a payload does not decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PayloadError {
    /// The `paper` code cannot be decoded.
    NotDecodable,
    /// The payload is not a whole number of windows.
    PartialWindow {
        /// Bytes in a window.
        expected: usize,
        /// Bytes in the payload.
        found: usize,
    },
    /// A window has a value that no encoder produces: the payload is damaged, or the model is another.
    NotCanonical {
        /// Its number in the payload, from 0.
        window: u32,
    },
    /// The range coder is at a place that belongs to no text: the payload is damaged, or the model is another.
    NoText {
        /// Bytes of text before it.
        position: u32,
    },
    /// The payload has ended before its text.
    TooShort {
        /// Bytes of text that should have come.
        expected: u32,
        /// Bytes that came.
        found: u32,
    },
    /// The payload goes on after the end of its text.
    TooLong {
        /// Bytes of text that should have come.
        expected: u32,
    },
    /// The payload is cut short, in the middle of a window or before its end.
    Truncated,
    /// The text does not fit the buffer.
    OutputTooSmall {
        /// Bytes in the buffer.
        found: usize,
    },
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDecodable => write!(f, "the paper's code has no decoder"),
            Self::PartialWindow { expected, found } => {
                write!(f, "expected windows of {expected} bytes, found {found} bytes, which is no multiple")
            }
            Self::NotCanonical { window } => {
                write!(f, "window {window} has a value that no encoder produces (damaged, or another model)")
            }
            Self::NoText { position } => {
                write!(f, "no text has this code after {position} bytes (damaged, or another model)")
            }
            Self::TooShort { expected, found } => {
                write!(f, "expected {expected} bytes of text, found the end after {found}")
            }
            Self::TooLong { expected } => write!(f, "expected {expected} bytes of text, found more"),
            Self::Truncated => write!(f, "the payload is cut short"),
            Self::OutputTooSmall { found } => write!(f, "the text does not fit a buffer of {found} bytes"),
        }
    }
}

impl core::error::Error for PayloadError {}

/// The parts of a stream, for saying where it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Part {
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

impl fmt::Display for Part {
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

/// Why a stream is not read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecodeError {
    /// The first bytes are not those of an `.eqi` stream.
    NotAStream {
        /// What they are.
        found: [u8; 4],
    },
    /// The stream is of another version of the format.
    UnsupportedVersion {
        /// The version read here.
        expected: u8,
        /// The version of the stream.
        found: u8,
    },
    /// The header is damaged.
    HeaderChecksum {
        /// The checksum it carries.
        expected: u32,
        /// The checksum of what was read.
        found: u32,
    },
    /// The header is intact but says something that has no meaning.
    InvalidHeader {
        /// Which field.
        field: &'static str,
        /// Its value.
        found: u32,
    },
    /// The stream was written with another model.
    WrongModel {
        /// The id of the model that the stream needs.
        expected: u64,
        /// The id of the model at hand.
        found: u64,
    },
    /// The stream was written with another context length.
    WrongContext {
        /// The context that the stream needs.
        expected: u16,
        /// The context at hand.
        found: u16,
    },
    /// The stream is of a method that this decoder does not have.
    WrongMethod {
        /// The one that it has.
        expected: Method,
        /// The method of the stream.
        found: Method,
    },
    /// The frequency table is damaged.
    TableChecksum {
        /// The checksum it carries.
        expected: u32,
        /// The checksum of what was read.
        found: u32,
    },
    /// The frequency table is intact but holds no frequencies.
    InvalidTable(FrequenciesError),
    /// A number in the frequency table is larger than any count.
    TableOverflow {
        /// Of which byte.
        byte: u8,
    },
    /// No block and no end begins where one should.
    NoBlock {
        /// The number of the block expected.
        block: u32,
        /// The bytes in the place of its marker.
        found: [u8; 4],
    },
    /// The header of a block is damaged.
    BlockHeaderChecksum {
        /// The number of the block expected.
        block: u32,
        /// The checksum it carries.
        expected: u32,
        /// The checksum of what was read.
        found: u32,
    },
    /// A block is missing, repeated or out of order.
    BlockOrder {
        /// The number of the block expected.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// The header of a block is intact but gives lengths that cannot be.
    BlockLengths {
        /// The number of the block.
        block: u32,
        /// The length of its text.
        text: u32,
        /// The length of its payload.
        payload: u32,
    },
    /// The payload of a block does not decode.
    Payload {
        /// The number of the block.
        block: u32,
        /// What is wrong with it.
        cause: PayloadError,
    },
    /// A block decodes to another text than was encoded.
    TextChecksum {
        /// The number of the block.
        block: u32,
        /// The checksum it carries.
        expected: u32,
        /// The checksum of what was decoded.
        found: u32,
    },
    /// The stream ends too early.
    Truncated {
        /// In what part.
        part: Part,
        /// The number of the block it is in, or of the next.
        block: u32,
    },
    /// The index or the trailer is damaged.
    IndexChecksum {
        /// The checksum it carries.
        expected: u32,
        /// The checksum of what was read.
        found: u32,
    },
    /// The index is intact but describes other blocks than there are.
    IndexContents,
    /// The trailer counts other blocks than there are.
    BlockCount {
        /// What the trailer says.
        expected: u32,
        /// What was found.
        found: u32,
    },
    /// The trailer gives another length of the text.
    TextLength {
        /// What the trailer says.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// The last bytes are not those of a complete stream.
    NoEnd {
        /// What they are.
        found: [u8; 4],
    },
    /// There is no such block.
    NoSuchBlock {
        /// The number of blocks.
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
            Self::NotAStream { found } => write!(f, "expected an .eqi stream, found the bytes {found:02x?}"),
            Self::UnsupportedVersion { expected, found } => {
                write!(f, "expected version {expected} of the .eqi format, found version {found}")
            }
            Self::HeaderChecksum { expected, found } => {
                write!(f, "the stream's header is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::InvalidHeader { field, found } => write!(f, "the header's {field} has the unknown value {found}"),
            Self::WrongModel { expected, found } => {
                write!(f, "the stream needs model {expected:016x}, found model {found:016x}")
            }
            Self::WrongContext { expected, found } => {
                write!(f, "the stream needs a context of {expected} bytes, found one of {found}")
            }
            Self::WrongMethod { expected, found } => {
                write!(f, "expected a stream of method {expected}, found method {found}")
            }
            Self::TableChecksum { expected, found } => {
                write!(f, "the frequency table is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::InvalidTable(cause) => write!(f, "the frequency table is not valid: {cause}"),
            Self::TableOverflow { byte } => write!(f, "the frequency table's count of byte {byte} is too large"),
            Self::NoBlock { block, found } => {
                write!(f, "expected block {block} or the end of the stream, found the bytes {found:02x?}")
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
            Self::Truncated { part, block } => write!(f, "the stream ends in the {part} at block {block}"),
            Self::IndexChecksum { expected, found } => {
                write!(f, "the index is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::IndexContents => write!(f, "the index does not describe the blocks that were read"),
            Self::BlockCount { expected, found } => write!(f, "expected {expected} blocks, found {found}"),
            Self::TextLength { expected, found } => {
                write!(f, "expected {expected} bytes of text in all, found {found}")
            }
            Self::NoEnd { found } => write!(f, "expected the end of an .eqi stream, found the bytes {found:02x?}"),
            Self::NoSuchBlock { expected, found } => write!(f, "there are {expected} blocks, and no block {found}"),
            Self::NoSuchWindow { found } => write!(f, "there is no window {found}"),
        }
    }
}

impl core::error::Error for DecodeError {}
