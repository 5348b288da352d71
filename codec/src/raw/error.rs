//! Errors of payloads.

use crate::mix::MixError;
use core::fmt;

/// A text could not be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodeError {
    /// The output does not fit the buffer.
    OutputTooSmall {
        /// Size of the buffer in bytes.
        found: usize,
    },
    /// The context is 0, so no window could hold any text.
    NoContext,
    /// The `paper` code cannot be decoded, so no stream is written with it.
    NotDecodable,
    /// A field of the stream's header has a value that the format does not allow.
    Header {
        /// The name of the field.
        field: &'static str,
        /// Its value.
        found: u32,
    },
    /// The text of a block is empty, or longer than the header of the stream allows.
    BlockLength {
        /// The longest text allowed, in bytes.
        expected: u32,
        /// The length of the text in bytes.
        found: usize,
    },
    /// The tables of the adaptive layer do not do.
    Tables {
        /// Why not.
        cause: MixError,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutputTooSmall { found } => write!(f, "the output does not fit a buffer of {found} bytes"),
            Self::NoContext => write!(f, "windows need a context of at least 1 byte"),
            Self::NotDecodable => write!(f, "the paper's code has no decoder; use the default or the delay code"),
            Self::Header { field, found } => write!(f, "a stream cannot have the {field} {found} in its header"),
            Self::BlockLength { expected, found } => {
                write!(f, "a block holds 1 to {expected} bytes of text, found {found}")
            }
            Self::Tables { cause } => cause.fmt(f),
        }
    }
}

impl core::error::Error for EncodeError {}

/// A payload could not be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PayloadError {
    /// The `paper` code cannot be decoded.
    NotDecodable,
    /// The payload is not a whole number of windows.
    PartialWindow {
        /// Size of a window in bytes.
        expected: usize,
        /// Size of the payload in bytes.
        found: usize,
    },
    /// A window has a value that no encoder produces: the payload is damaged, or the model is not the right one.
    NotCanonical {
        /// The number of the window in the payload, counting from 0.
        window: u32,
    },
    /// No text has this code: the payload is damaged, or the model is not the right one.
    NoText {
        /// Bytes of text decoded before.
        position: u32,
    },
    /// The payload ends before its text does.
    TooShort {
        /// The length of the text in bytes.
        expected: u32,
        /// Bytes of text decoded.
        found: u32,
    },
    /// The payload continues after the end of its text.
    TooLong {
        /// The length of the text in bytes.
        expected: u32,
    },
    /// The text is complete, but no encoder ends its code so: another string in the text's interval, or zeros appended.
    NotCanonicalEnd {
        /// The length of the text in bytes.
        expected: u32,
    },
    /// The text does not fit the buffer.
    OutputTooSmall {
        /// Size of the buffer in bytes.
        found: usize,
    },
    /// The check of a message is not that of its text: it is damaged, or was written with another model or context.
    Check,
    /// The tables of the adaptive layer do not do, or no text has this code.
    Tables {
        /// Why not.
        cause: MixError,
    },
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDecodable => write!(f, "the paper's code has no decoder"),
            Self::PartialWindow { expected, found } => {
                write!(f, "expected whole windows of {expected} bytes, found {found} bytes")
            }
            Self::NotCanonical { window } => {
                write!(f, "window {window} has a value that no encoder produces (damaged, or the wrong model)")
            }
            Self::NoText { position } => {
                write!(f, "no text has this code after {position} bytes (damaged, or the wrong model)")
            }
            Self::TooShort { expected, found } => {
                write!(f, "expected {expected} bytes of text, found the end after {found}")
            }
            Self::TooLong { expected } => write!(f, "expected code of {expected} bytes of text, found more"),
            Self::NotCanonicalEnd { expected } => {
                write!(f, "the code of {expected} bytes of text ends as no encoder ends it")
            }
            Self::OutputTooSmall { found } => write!(f, "the text does not fit a buffer of {found} bytes"),
            Self::Check => write!(f, "the check is not that of this text (damaged, or another model or context)"),
            Self::Tables { cause } => cause.fmt(f),
        }
    }
}

impl core::error::Error for PayloadError {}
