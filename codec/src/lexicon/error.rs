//! Errors of `.lex` images.

use core::fmt;

/// An image is not a lexicon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields say what was expected, what was found, and where")]
pub enum LexiconError {
    /// The image is shorter than its header, or than its length field says.
    Truncated { expected: usize, found: usize },
    /// The image does not begin with `LEX`.
    Magic { found: [u8; 4] },
    /// The image has a format version that this crate does not know.
    Version { expected: u8, found: u8 },
    /// The length field does not agree with the number of wide nodes.
    Length { expected: usize, found: usize },
    /// The checksum in the image does not match its content.
    Checksum { expected: u32, found: u32 },
    /// A field of the header has a value that the format does not allow.
    Header { field: &'static str, found: u32 },
    /// The codes do not form a tree that holds every text once; `code` is the first one out of place.
    Tree { code: u16 },
}

impl fmt::Display for LexiconError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(f, "lexicon is cut short: expected {expected} bytes, found {found}")
            }
            Self::Magic { found } => {
                write!(f, "not a lexicon: expected it to begin with 'LEX', found '{}'", found.escape_ascii())
            }
            Self::Version { expected, found } => {
                write!(f, "lexicon has format version {}, expected {}", found.escape_ascii(), expected.escape_ascii())
            }
            Self::Length { expected, found } => {
                write!(f, "lexicon has a length of {found} bytes, expected {expected} from its tables")
            }
            Self::Checksum { expected, found } => {
                write!(f, "lexicon is damaged: expected checksum {expected:08x}, found {found:08x}")
            }
            Self::Header { field, found } => write!(f, "lexicon has the invalid {field} {found} in its header"),
            Self::Tree { code } => write!(f, "lexicon does not hold a tree of texts: code {code} is out of place"),
        }
    }
}

impl core::error::Error for LexiconError {}
