//! [`Check`]: a few bits that tell a damaged message, or one of another model.

use crate::checksum::Checksum;
use crate::container::ModelIdentity;

/// What follows a message, so that a receiver notices damage. Both sides agree on it; nothing of that travels.
///
/// ```
/// use equalinfo_codec::container::ModelIdentity;
/// use equalinfo_codec::raw::{Check, PayloadLayout, decode_checked, encode_checked};
/// use equalinfo_codec::Uniform;
///
/// let identity = ModelIdentity::default();
/// let mut message = [0; 20];
/// let length = encode_checked(&mut Uniform, identity, Check::Bits16, b"a text", &mut message)?;
/// let mut text = [0; 6];
/// assert_eq!(decode_checked(&mut Uniform, identity, Check::Bits16, &message[..length], &mut text)?, 6);
/// message[2] ^= 1;
/// assert!(decode_checked(&mut Uniform, identity, Check::Bits16, &message[..length], &mut text).is_err());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Check {
    /// None: what damage leaves decodable is taken for a text.
    #[default]
    None,
    /// A byte: one damaged message of 256 is not noticed.
    Bits8,
    /// Two bytes: one of 65,536.
    Bits16,
}

impl Check {
    /// Its bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Bits8 => 1,
            Self::Bits16 => 2,
        }
    }

    /// The check of a text: the lowest bits, the lowest byte first, of the checksum of model, context and text.
    pub(super) fn of(self, identity: ModelIdentity, text: &[u8]) -> impl Iterator<Item = u8> {
        let mut checksum = Checksum::new();
        checksum.update(&identity.id.to_le_bytes());
        checksum.update(&identity.context.to_le_bytes());
        checksum.update(text);
        checksum.value().to_le_bytes().into_iter().take(self.length())
    }
}
