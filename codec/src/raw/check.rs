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

    /// Begins the check of a text that comes in pieces, coded by the model of this identity: see [`RunningCheck`].
    pub fn begin(self, identity: ModelIdentity) -> RunningCheck {
        let mut checksum = Checksum::new();
        checksum.update(&identity.id.to_le_bytes());
        checksum.update(&identity.context.to_le_bytes());
        RunningCheck { check: self, checksum, is_empty: true }
    }

    /// The check of a text: the lowest bits, the lowest byte first, of the checksum of model, context and text.
    pub(super) fn of(self, identity: ModelIdentity, text: &[u8]) -> impl Iterator<Item = u8> {
        let mut running = self.begin(identity);
        running.update(text);
        running.checksum.value().to_le_bytes().into_iter().take(self.length())
    }
}

/// The check of a text that comes in pieces, beside a [`MessageEncoder`](super::MessageEncoder). Both together write what
/// [`encode_checked`](super::encode_checked) writes of a text that the model does not make longer.
///
/// ```
/// use equalinfo_codec::container::ModelIdentity;
/// use equalinfo_codec::raw::{Check, MessageEncoder, decode_checked};
/// use equalinfo_codec::Uniform;
///
/// let identity = ModelIdentity::default(); // `M1::identity` of the model.
/// let (mut message, mut encoder, mut check) = (Vec::new(), MessageEncoder::new(), Check::Bits16.begin(identity));
/// for byte in *b"a text that comes byte by byte" {
///     message.extend(encoder.push(&mut Uniform, byte).into_iter().flatten());
///     check.update(&[byte]);
/// }
/// let (last, length) = encoder.finish();
/// message.extend(&last[..length]);
/// let (bytes, length) = check.finish();
/// message.extend(&bytes[..length]);
///
/// let mut text = [0; 30];
/// assert_eq!(decode_checked(&mut Uniform, identity, Check::Bits16, &message, &mut text), Ok(30));
/// assert_eq!(&text, b"a text that comes byte by byte");
/// ```
#[derive(Clone, Debug)]
pub struct RunningCheck {
    check: Check,
    checksum: Checksum,
    is_empty: bool,
}

impl RunningCheck {
    /// Appends a piece of the text.
    pub fn update(&mut self, piece: &[u8]) {
        self.checksum.update(piece);
        self.is_empty &= piece.is_empty();
    }

    /// The check, of which so many bytes follow the message. The empty text has none.
    pub fn finish(self) -> ([u8; 2], usize) {
        let [first, second, ..] = self.checksum.value().to_le_bytes();
        ([first, second], if self.is_empty { 0 } else { self.check.length() })
    }
}
