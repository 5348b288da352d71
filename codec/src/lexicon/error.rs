//! Why a `.lex` image was refused.

use core::fmt;

/// Why an image is not a lexicon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what was expected, what was found, and where")]
pub enum LexiconError {
    /// The image is shorter than its header or its own length field asks for.
    Truncated { expected: usize, found: usize },
    /// The image does not begin with `LEX`.
    Magic { found: [u8; 4] },
    /// The image has a format version this library does not know.
    Version { expected: u8, found: u8 },
    /// The length field is not what the number of wide nodes adds up to.
    Length { expected: usize, found: usize },
    /// The CRC-32 of the image is not the one it carries.
    Checksum { expected: u32, found: u32 },
    /// The kind is neither 0 (window code) nor 1 (optimal).
    Kind { found: u8 },
    /// The context is 0, or a reserved byte is not.
    Header,
    /// The codes do not form a tree that holds every text once: `code` is the first that is out of place.
    Tree { code: u16 },
}

impl fmt::Display for LexiconError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "lexicon is cut short: expected {expected} bytes, found {found}")
            }
            Self::Magic { found } => {
                write!(f, "not a lexicon: expected it to begin with 'LEX', found {}", found.escape_ascii())
            }
            Self::Version { expected, found } => {
                write!(f, "lexicon has format version {}, expected {}", found.escape_ascii(), expected.escape_ascii())
            }
            Self::Length { expected, found } => {
                write!(f, "lexicon says it has {found} bytes, its tables need {expected}")
            }
            Self::Checksum { expected, found } => {
                write!(f, "lexicon is damaged: its checksum is {expected:08x}, its content has {found:08x}")
            }
            Self::Kind { found } => write!(f, "lexicon is of the unknown kind {found}"),
            Self::Header => f.write_str("lexicon has no context, or reserved bytes that are not zero"),
            Self::Tree { code } => write!(f, "lexicon is not a tree of texts at code {code}"),
        }
    }
}

impl core::error::Error for LexiconError {}
