//! What can be wrong with a `.m1q` image or with the memory given to run it.

use core::fmt;

/// Why an image was refused, or a model could not be set up over the memory given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what was expected, what was found, and where")]
pub enum ModelError {
    /// The image is shorter than its header or its own length field asks for.
    Truncated { expected: usize, found: usize },
    /// The image does not begin with `M1Q`.
    Magic { found: [u8; 4] },
    /// The image has a format version this library does not know.
    Version { expected: u8, found: u8 },
    /// The length field is not what the dimensions add up to.
    Length { expected: usize, found: usize },
    /// The CRC-32 of the image is not the one it carries.
    Checksum { expected: u32, found: u32 },
    /// The model id is not the hash of the content.
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
    /// The context asked for is zero or longer than the image's own.
    Context { expected: usize, found: usize },
    /// The caller's byte buffer is too small.
    ByteBuffer { expected: usize, found: usize },
    /// The caller's word buffer is too small.
    WordBuffer { expected: usize, found: usize },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "model image is cut short: expected {expected} bytes, found {found}")
            }
            Self::Magic { found } => {
                write!(f, "not a model image: expected it to begin with 'M1Q', found {}", found.escape_ascii())
            }
            Self::Version { expected, found } => write!(
                f,
                "model image has format version {}, expected {}",
                found.escape_ascii(),
                expected.escape_ascii()
            ),
            Self::Length { expected, found } => {
                write!(f, "model image says it has {found} bytes, its dimensions need {expected}")
            }
            Self::Checksum { expected, found } => {
                write!(f, "model image is damaged: its checksum is {expected:08x}, its content has {found:08x}")
            }
            Self::Identity { expected, found } => {
                write!(f, "model image carries id {found:016x}, its content has {expected:016x}")
            }
            Self::Dimension { name, expected, found } => {
                write!(f, "model image has {name} {found}, expected {expected}")
            }
            Self::Name => f.write_str("model image has a name that is not ASCII padded with zeros"),
            Self::PowerTable { index, found } => write!(
                f,
                "model image has {found} in entry {index} of its power table, which must start at 65535, never rise and stay above 32767"
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
                write!(f, "context of {found} positions: this model takes 1 to {expected}")
            }
            Self::ByteBuffer { expected, found } => {
                write!(f, "byte buffer of {found} for the model: {expected} needed")
            }
            Self::WordBuffer { expected, found } => {
                write!(f, "word buffer of {found} for the model: {expected} needed")
            }
        }
    }
}

impl core::error::Error for ModelError {}
