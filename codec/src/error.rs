//! What can go wrong, one flat enum for each kind of input.
//!
//! Every variant carries what was expected and what was found, so that a caller can say so in its own words.

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
