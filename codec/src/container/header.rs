//! The header of a stream: what a decoder must have, and how the blocks were made.

use super::checksum::checksum;
use crate::error::{DecodeError, Part};
use crate::window::{WindowBits, WindowCode};
use core::fmt;

/// How the blocks of a stream are coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Method {
    /// Range coder under the model, whose context slides through the block.
    Ac,
    /// Range coder under the frequencies that follow the header; no model.
    StaticAc,
    /// Equal-Info windows.
    EqualInfo {
        /// Their width.
        bits: WindowBits,
        /// Their code; never [`WindowCode::Paper`].
        code: WindowCode,
    },
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ac => f.write_str("ac"),
            Self::StaticAc => f.write_str("static-ac"),
            Self::EqualInfo { bits, code } => write!(f, "equal-info (windows of {} bits, {code} code)", bits.bits()),
        }
    }
}

/// What a model must agree in with the model that the stream was written with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ModelIdentity {
    /// The id of its image; 0 for no model.
    pub id: u64,
    /// The context it runs with, in positions; 0 for no model.
    pub context: u16,
}

/// The header of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// How the blocks are coded.
    pub method: Method,
    /// The model; the default for [`Method::StaticAc`].
    pub model: ModelIdentity,
    /// The most bytes of text in a block, `1 ..= MAXIMUM_BLOCK_SIZE`.
    pub block_size: u32,
}

/// Bytes of text in a block, unless there is a reason for another size.
pub const DEFAULT_BLOCK_SIZE: u32 = 1 << 16;

/// The largest block size.
pub const MAXIMUM_BLOCK_SIZE: u32 = 1 << 28;

const MAGIC: [u8; 4] = *b"\x93EQI";
const VERSION: u8 = 1;

impl Header {
    /// Its length in a stream.
    pub const LENGTH: usize = 28;

    /// The bytes at the start of a stream.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let (method, bits, code) = match self.method {
            Method::Ac => (0, 0, WindowCode::Default),
            Method::StaticAc => (1, 0, WindowCode::Default),
            Method::EqualInfo { bits, code } => (2, bits.bits() as u8, code),
        };
        let code = match code {
            WindowCode::Default => 0,
            WindowCode::Paper => 1,
            WindowCode::Delay => 2,
        };
        let [m0, m1, m2, m3] = MAGIC;
        let [c0, c1] = self.model.context.to_le_bytes();
        let [b0, b1, b2, b3] = self.block_size.to_le_bytes();
        let [i0, i1, i2, i3, i4, i5, i6, i7] = self.model.id.to_le_bytes();
        #[rustfmt::skip]
        let checked = [
            m0, m1, m2, m3, VERSION, method, bits, code, c0, c1, 0, 0, b0, b1, b2, b3, i0, i1, i2, i3, i4, i5, i6, i7,
        ];
        with_checksum(checked)
    }

    /// Reads the start of a stream, whatever follows.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let truncated = DecodeError::Truncated { part: Part::Header, block: 0 };
        if let Some(&found) = bytes.first_chunk()
            && found != MAGIC
        {
            return Err(DecodeError::NotAStream { found });
        }
        let bytes: &[u8; Self::LENGTH] = bytes.first_chunk().ok_or(truncated)?;
        let &[_, _, _, _, version, method, bits, code, c0, c1, r0, r1, b0, b1, b2, b3, ..] = bytes;
        if version != VERSION {
            return Err(DecodeError::UnsupportedVersion { expected: VERSION, found: version });
        }
        verify(bytes).map_err(|(expected, found)| DecodeError::HeaderChecksum { expected, found })?;
        let invalid = |field, found: u8| DecodeError::InvalidHeader { field, found: u32::from(found) };
        let method = match (method, bits, code) {
            (0, 0, 0) => Method::Ac,
            (1, 0, 0) => Method::StaticAc,
            (2, ..) => Method::EqualInfo {
                bits: WindowBits::from_bits(u32::from(bits)).ok_or(invalid("window width", bits))?,
                code: match code {
                    0 => WindowCode::Default,
                    2 => WindowCode::Delay,
                    _ => return Err(invalid("window code", code)),
                },
            },
            (0 | 1, 0, _) => return Err(invalid("window code", code)),
            (0 | 1, ..) => return Err(invalid("window width", bits)),
            _ => return Err(invalid("method", method)),
        };
        let context = u16::from_le_bytes([c0, c1]);
        let block_size = u32::from_le_bytes([b0, b1, b2, b3]);
        let id = bytes.get(16..).and_then(<[u8]>::first_chunk).map_or(0, |&id| u64::from_le_bytes(id));
        if (method == Method::StaticAc) != (context == 0) {
            return Err(DecodeError::InvalidHeader { field: "context", found: u32::from(context) });
        }
        if method == Method::StaticAc && id != 0 {
            return Err(DecodeError::InvalidHeader { field: "model", found: id as u32 });
        }
        if (r0, r1) != (0, 0) {
            return Err(invalid("reserved field", r0 | r1));
        }
        if !(1..=MAXIMUM_BLOCK_SIZE).contains(&block_size) {
            return Err(DecodeError::InvalidHeader { field: "block size", found: block_size });
        }
        Ok(Self { method, model: ModelIdentity { id, context }, block_size })
    }

    /// Checks that a model is the one that the stream was written with.
    pub fn check_model(&self, model: ModelIdentity) -> Result<(), DecodeError> {
        if self.method == Method::StaticAc {
            return Ok(());
        }
        if self.model.id != model.id {
            return Err(DecodeError::WrongModel { expected: self.model.id, found: model.id });
        }
        if self.model.context != model.context {
            return Err(DecodeError::WrongContext { expected: self.model.context, found: model.context });
        }
        Ok(())
    }
}

/// Appends the checksum that the headers of streams and blocks end in.
pub(super) fn with_checksum<const CHECKED: usize, const ALL: usize>(checked: [u8; CHECKED]) -> [u8; ALL] {
    let mut bytes = [0; ALL];
    let all = checked.into_iter().chain(checksum(&checked).to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(all) {
        *place = byte;
    }
    bytes
}

/// Compares that checksum; what was expected and what was found if they differ.
pub(super) fn verify<const ALL: usize>(bytes: &[u8; ALL]) -> Result<(), (u32, u32)> {
    let Some((checked, &expected)) = bytes.split_last_chunk() else { return Ok(()) };
    let (expected, found) = (u32::from_le_bytes(expected), checksum(checked));
    if expected == found { Ok(()) } else { Err((expected, found)) }
}
