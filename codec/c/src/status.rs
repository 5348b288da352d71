//! [`EqualinfoStatus`]: what a function has to say, as one number with a name.

use core::ffi::{CStr, c_char};

use equalinfo_codec::error::{DecodeError, PayloadError};
use equalinfo_codec::lexicon::LexiconError;
use equalinfo_codec::m1::ModelError;

/// What a function has to say. Numbers keep their meaning from one version to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EqualinfoStatus {
    /// Everything that was asked for has been done.
    Ok = 0,
    /// A pointer is null whose length is not 0.
    NullPointer = 1,
    /// The memory does not begin at a multiple of 16 bytes.
    Misaligned = 2,
    /// The memory is smaller than the function for its size says.
    MemoryTooSmall = 3,
    /// The text does not fit the output.
    OutputTooSmall = 4,
    /// The model or lexicon has not been loaded.
    NotLoaded = 5,
    /// A context of 0 positions, or of more than the model has.
    BadContext = 6,
    /// A width that no window has: not a multiple of 8 in 16 to 128.
    BadWindowBits = 7,
    /// The image is not one of a model or lexicon, or of another version.
    NotAnImage = 16,
    /// The image is cut short.
    ImageTruncated = 17,
    /// The image is damaged.
    ImageDamaged = 18,
    /// The image is intact but outside the numeric contract.
    ImageInvalid = 19,
    /// The bytes are not those of a stream, or of another version.
    NotAStream = 32,
    /// The stream's header has no meaning.
    HeaderInvalid = 33,
    /// The stream was written with another model or lexicon.
    WrongModel = 34,
    /// The stream was written with another context.
    WrongContext = 35,
    /// The stream is of a method that cannot be decoded so.
    WrongMethod = 36,
    /// The input ends before the stream or message does.
    Truncated = 37,
    /// The stream or message is damaged.
    Damaged = 38,
}

impl EqualinfoStatus {
    /// Every status with its name.
    const NAMES: [(Self, &'static CStr); 19] = [
        (Self::Ok, c"ok"),
        (Self::NullPointer, c"null pointer"),
        (Self::Misaligned, c"memory is not aligned to 16 bytes"),
        (Self::MemoryTooSmall, c"memory is too small"),
        (Self::OutputTooSmall, c"output is too small"),
        (Self::NotLoaded, c"not loaded"),
        (Self::BadContext, c"context is not one of the model's"),
        (Self::BadWindowBits, c"window width is not a multiple of 8 from 16 to 128"),
        (Self::NotAnImage, c"not an image of this kind and version"),
        (Self::ImageTruncated, c"image is cut short"),
        (Self::ImageDamaged, c"image is damaged"),
        (Self::ImageInvalid, c"image is outside the numeric contract"),
        (Self::NotAStream, c"not a stream of this version"),
        (Self::HeaderInvalid, c"header is invalid"),
        (Self::WrongModel, c"written with another model"),
        (Self::WrongContext, c"written with another context"),
        (Self::WrongMethod, c"written with another method"),
        (Self::Truncated, c"input is cut short"),
        (Self::Damaged, c"input is damaged"),
    ];

    fn name(number: i32) -> &'static CStr {
        let found = Self::NAMES.iter().find(|(status, _)| *status as i32 == number);
        found.map_or(c"unknown status", |(_, name)| name)
    }
}

/// The name of a status, for people. It is never null, whatever the number.
#[unsafe(no_mangle)]
pub extern "C" fn equalinfo_status_name(status: i32) -> *const c_char {
    EqualinfoStatus::name(status).as_ptr()
}

impl From<ModelError> for EqualinfoStatus {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Magic { .. } | ModelError::Version { .. } => Self::NotAnImage,
            ModelError::Truncated { .. } => Self::ImageTruncated,
            ModelError::Length { .. } | ModelError::Checksum { .. } | ModelError::Identity { .. } => Self::ImageDamaged,
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

impl From<DecodeError> for EqualinfoStatus {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NotAStream { .. } | DecodeError::UnsupportedVersion { .. } => Self::NotAStream,
            DecodeError::InvalidHeader { .. } => Self::HeaderInvalid,
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
            PayloadError::Truncated | PayloadError::PartialWindow { .. } => Self::Truncated,
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
