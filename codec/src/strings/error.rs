//! Errors of string tables.

use core::fmt;

use crate::container::ModelIdentity;
use crate::raw::PayloadError;

/// A blob is not a string table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what was expected and what was found")]
pub enum StringTableError {
    /// The blob is shorter than its header, or than its length field says.
    Truncated { expected: usize, found: usize },
    /// The blob does not begin with `EQT`.
    Magic { found: [u8; 4] },
    /// The blob has a format version that this crate does not know.
    Version { expected: u8, found: u8 },
    /// The checksum in the blob does not match its content.
    Checksum { expected: u32, found: u32 },
    /// A field of the header has a value that the format does not allow.
    Header { field: &'static str, found: u32 },
    /// The index does not have the length of every code, or the codes do not fill the rest of the blob.
    Index { expected: usize, found: usize },
}

impl fmt::Display for StringTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "string table is cut short: expected {expected} bytes, found {found}")
            }
            Self::Magic { found } => {
                write!(f, "not a string table: expected it to begin with 'EQT', found '{}'", found.escape_ascii())
            }
            Self::Version { expected, found } => {
                let (expected, found) = (expected.escape_ascii(), found.escape_ascii());
                write!(f, "string table has format version {found}, expected {expected}")
            }
            Self::Checksum { expected, found } => {
                write!(f, "string table is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::Header { field, found } => write!(f, "string table has the invalid {field} {found} in its header"),
            Self::Index { expected, found } => {
                write!(f, "string table has an index of {found} bytes of code, expected {expected}")
            }
        }
    }
}

impl core::error::Error for StringTableError {}

/// A text of a table could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what was expected and what was found")]
pub enum StringError {
    /// The table was written with another model or lexicon, or another context.
    WrongModel { expected: ModelIdentity, found: ModelIdentity },
    /// The table has fewer languages, or fewer texts in each.
    NoString { language: u8, id: u16 },
    /// The text does not fit the buffer, or the table is damaged.
    Payload { cause: PayloadError },
    /// The text is not UTF-8.
    NotUtf8 { id: u16 },
}

impl From<PayloadError> for StringError {
    fn from(cause: PayloadError) -> Self {
        Self::Payload { cause }
    }
}

impl fmt::Display for StringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WrongModel { expected, found } => write!(
                f,
                "the table was written with model {:08x} and a context of {}, found model {:08x} and {}",
                expected.id, expected.context, found.id, found.context
            ),
            Self::NoString { language, id } => write!(f, "the table has no text {id} in language {language}"),
            Self::Payload { cause } => cause.fmt(f),
            Self::NotUtf8 { id } => write!(f, "text {id} is not UTF-8"),
        }
    }
}

impl core::error::Error for StringError {}
