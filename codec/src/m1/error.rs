//! Errors of `.m1q` images, and of the memory that a model is given to run in.

use core::fmt;

/// An image is not a model, or a model cannot run in the memory given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what was expected, what was found, and where")]
pub enum ModelError {
    /// The image is shorter than its header, or than its length field says.
    Truncated { expected: usize, found: usize },
    /// The image does not begin with `M1Q`.
    Magic { found: [u8; 4] },
    /// The image has a format version that this crate does not know.
    Version { expected: u8, found: u8 },
    /// The length field does not agree with the dimensions.
    Length { expected: usize, found: usize },
    /// The image does not begin at a multiple of `expected` bytes in memory, but `found` bytes after one.
    Alignment { expected: usize, found: usize },
    /// The checksum of the header does not match it.
    HeaderChecksum { expected: u32, found: u32 },
    /// The checksum in the image does not match its content.
    Checksum { expected: u32, found: u32 },
    /// The id in the image does not match its content.
    Identity { expected: u64, found: u64 },
    /// A dimension is outside what the format allows; `expected` is the nearest allowed value.
    Dimension { name: &'static str, expected: usize, found: usize },
    /// The name is not ASCII padded with zeros.
    Name,
    /// The table of powers of two does not start at 65535, rises, or falls below 32768.
    PowerTable { index: usize, found: u16 },
    /// An entry of the distance table names a bucket that does not exist.
    Bucket { index: usize, found: u8 },
    /// A weight is -128, which the symmetric range excludes; `offset` is its place in the image.
    Weight { offset: usize },
    /// A requantizer has a multiplier or shift outside the contract; `offset` is its place in the image.
    Requantizer { offset: usize, multiplier: u16, shift: u8 },
    /// Bytes from `offset` on must be zero and are not.
    Reserved { offset: usize },
    /// The context is 0, or longer than the model allows.
    Context { expected: usize, found: usize },
    /// The buffer of bytes is too small.
    ByteBuffer { expected: usize, found: usize },
    /// The buffer of words is too small.
    WordBuffer { expected: usize, found: usize },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "model image is cut short: expected {expected} bytes, found {found}")
            }
            Self::Magic { found } => {
                write!(f, "not a model image: expected it to begin with 'M1Q', found '{}'", found.escape_ascii())
            }
            Self::Version { expected, found } => write!(
                f,
                "model image has format version {}, expected {}",
                found.escape_ascii(),
                expected.escape_ascii()
            ),
            Self::Length { expected, found } => {
                write!(f, "model image has a length of {found} bytes, expected {expected} from its dimensions")
            }
            Self::Checksum { expected, found } => {
                write!(f, "model image is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::Alignment { expected, found } => {
                write!(
                    f,
                    "model image is not aligned to {expected} bytes: it begins {found} bytes after a multiple of that"
                )
            }
            Self::HeaderChecksum { expected, found } => {
                write!(f, "model image is damaged: expected header checksum {expected:08x}, found {found:08x}")
            }
            Self::Reserved { offset } => {
                write!(f, "model image has reserved bytes at {offset} that are not zero")
            }
            Self::Identity { expected, found } => {
                write!(f, "model image has id {found:016x}, expected {expected:016x} from its content")
            }
            Self::Dimension { name, expected, found } => {
                write!(f, "model image has {name} {found}, expected {expected}")
            }
            Self::Name => f.write_str("model image has a name that is not ASCII padded with zeros"),
            Self::PowerTable { index, found } => write!(
                f,
                "model image has {found} in entry {index} of its power table, which must start at \
                 65535, never rise and stay above 32767"
            ),
            Self::Bucket { index, found } => {
                write!(f, "model image maps distance {index} to bucket {found}, expected one below 32")
            }
            Self::Weight { offset } => {
                write!(f, "model image has a weight of -128 at byte {offset}, expected -127 to 127")
            }
            Self::Requantizer { offset, multiplier, shift } => write!(
                f,
                "model image has requantizer ({multiplier}, {shift}) at byte {offset}, outside the numeric contract"
            ),
            Self::Context { expected, found } => {
                write!(f, "expected a context of 1 to {expected} positions for this model, found {found}")
            }
            Self::ByteBuffer { expected, found } => {
                write!(f, "the model needs a buffer of {expected} bytes, found {found}")
            }
            Self::WordBuffer { expected, found } => {
                write!(f, "the model needs a buffer of {expected} words, found {found}")
            }
        }
    }
}

impl core::error::Error for ModelError {}
