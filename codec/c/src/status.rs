//! [`EqualinfoStatus`]: the result of a function, as one number with a name.
//!
//! Invariant: a number keeps its meaning from one version to the next.

use core::ffi::{CStr, c_char};

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;
use equalinfo_codec::mix::MixError;
use equalinfo_codec::raw::PayloadError;
use equalinfo_codec::strings::{StringError, StringTableError};

/// The result of a function. Numbers keep their meaning from one version to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EqualinfoStatus {
    /// The function did all that was asked.
    Ok = 0,
    /// A pointer is null although its length is not 0.
    NullPointer = 1,
    /// The address of the memory is not a multiple of 16.
    Misaligned = 2,
    /// The memory is smaller than `equalinfo_memory` requires.
    MemoryTooSmall = 3,
    /// The text does not fit the output.
    OutputTooSmall = 4,
    /// The model or lexicon has not been loaded.
    NotLoaded = 5,
    /// The context is 0, or longer than the model allows.
    BadContext = 6,
    /// The width of windows is not a multiple of 8 from 16 to 128.
    BadWindowBits = 7,
    /// The image is not that of a model, lexicon or string table, or has a different format version.
    NotAnImage = 16,
    /// The image is cut short.
    ImageTruncated = 17,
    /// The image is damaged.
    ImageDamaged = 18,
    /// The image is intact but outside the numeric contract.
    ImageInvalid = 19,
    /// The input is not a stream, or has a different format version.
    NotAStream = 32,
    /// The header of the stream is intact but has a value that the format does not allow.
    HeaderInvalid = 33,
    /// The stream was written with a different model or lexicon.
    WrongModel = 34,
    /// The stream was written with a different context.
    WrongContext = 35,
    /// The decoder does not support the method of the stream, or does not have its tables.
    WrongMethod = 36,
    /// The input ends before the stream or message does.
    Truncated = 37,
    /// The stream or message is damaged.
    Damaged = 38,
    /// The table has no such text or language.
    NoString = 39,
}

impl EqualinfoStatus {
    /// Every status with its name.
    const NAMES: [(Self, &'static CStr); 20] = [
        (Self::Ok, c"ok"),
        (Self::NullPointer, c"null pointer"),
        (Self::Misaligned, c"memory is not aligned to 16 bytes, or an image to 4"),
        (Self::MemoryTooSmall, c"memory is too small"),
        (Self::OutputTooSmall, c"output is too small"),
        (Self::NotLoaded, c"not loaded"),
        (Self::BadContext, c"context is 0 or longer than the model allows"),
        (Self::BadWindowBits, c"window width is not a multiple of 8 from 16 to 128"),
        (Self::NotAnImage, c"not an image of this kind and version"),
        (Self::ImageTruncated, c"image is cut short"),
        (Self::ImageDamaged, c"image is damaged"),
        (Self::ImageInvalid, c"image is outside the numeric contract"),
        (Self::NotAStream, c"not a stream of this version"),
        (Self::HeaderInvalid, c"header is invalid"),
        (Self::WrongModel, c"written with a different model"),
        (Self::WrongContext, c"written with a different context"),
        (Self::WrongMethod, c"method or class of tables is not supported"),
        (Self::Truncated, c"input is cut short"),
        (Self::Damaged, c"input is damaged"),
        (Self::NoString, c"no such text or language"),
    ];

    fn name(number: i32) -> &'static CStr {
        let found = Self::NAMES.iter().find(|(status, _)| *status as i32 == number);
        found.map_or(c"unknown status", |(_, name)| name)
    }
}

/// The name of a status for people. Never null, whatever the number.
#[unsafe(no_mangle)]
pub extern "C" fn equalinfo_status_name(status: i32) -> *const c_char {
    EqualinfoStatus::name(status).as_ptr()
}

impl From<ModelError> for EqualinfoStatus {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Magic { .. } | ModelError::Version { .. } => Self::NotAnImage,
            ModelError::Truncated { .. } => Self::ImageTruncated,
            ModelError::Length { .. }
            | ModelError::HeaderChecksum { .. }
            | ModelError::Checksum { .. }
            | ModelError::Identity { .. } => Self::ImageDamaged,
            ModelError::Alignment { .. } => Self::Misaligned,
            ModelError::Context { .. } => Self::BadContext,
            ModelError::ByteBuffer { .. } | ModelError::WordBuffer { .. } => Self::MemoryTooSmall,
            _ => Self::ImageInvalid,
        }
    }
}

impl From<LexiconError> for EqualinfoStatus {
    fn from(error: LexiconError) -> Self {
        match error {
            LexiconError::Magic { .. } | LexiconError::Version { .. } => Self::NotAnImage,
            LexiconError::Truncated { .. } => Self::ImageTruncated,
            LexiconError::Length { .. } | LexiconError::Checksum { .. } => Self::ImageDamaged,
            _ => Self::ImageInvalid,
        }
    }
}

impl From<StringTableError> for EqualinfoStatus {
    fn from(error: StringTableError) -> Self {
        match error {
            StringTableError::Magic { .. } | StringTableError::Version { .. } => Self::NotAnImage,
            StringTableError::Truncated { .. } => Self::ImageTruncated,
            StringTableError::Checksum { .. } => Self::ImageDamaged,
            _ => Self::ImageInvalid,
        }
    }
}

impl From<StringError> for EqualinfoStatus {
    fn from(error: StringError) -> Self {
        match error {
            StringError::WrongModel { .. } => Self::WrongModel,
            StringError::NoString { .. } => Self::NoString,
            StringError::Payload { cause } => cause.into(),
            _ => Self::Damaged,
        }
    }
}

impl From<DecodeError> for EqualinfoStatus {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Magic { .. } | DecodeError::Version { .. } => Self::NotAStream,
            DecodeError::Header { .. } => Self::HeaderInvalid,
            DecodeError::WrongModel { .. } => Self::WrongModel,
            DecodeError::WrongContext { .. } => Self::WrongContext,
            DecodeError::WrongMethod { .. } => Self::WrongMethod,
            DecodeError::Truncated { .. } => Self::Truncated,
            DecodeError::Payload { cause, .. } => cause.into(),
            _ => Self::Damaged,
        }
    }
}

impl From<PayloadError> for EqualinfoStatus {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::OutputTooSmall { .. } => Self::OutputTooSmall,
            PayloadError::PartialWindow { .. } => Self::Truncated,
            PayloadError::Tables { cause: MixError::Class { .. } } => Self::WrongMethod,
            PayloadError::Tables { cause: MixError::Memory { .. } } => Self::MemoryTooSmall,
            _ => Self::Damaged,
        }
    }
}

/// The status of a result.
pub(crate) fn status(result: Result<(), EqualinfoStatus>) -> EqualinfoStatus {
    match result {
        Ok(()) => EqualinfoStatus::Ok,
        Err(status) => status,
    }
}
