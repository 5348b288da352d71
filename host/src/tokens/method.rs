//! [`TokenMethod`]: how text becomes tokens, one for every row of the paper's tables and a few more.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::error::TokenError;
use super::examples::EXAMPLE;
#[cfg(feature = "subwords")]
use crate::subwords::SubwordKind;
use crate::windows::{Align, Encoding, Reset};
use equalinfo_codec::WindowBits;

/// How text becomes tokens. Its `Display` is the name in the paper's tables.
///
/// ```
/// use equalinfo::{TokenMethod, WindowBits};
///
/// let method = TokenMethod::windows(WindowBits::B16);
/// assert_eq!((method.to_string(), method.vocabulary()), ("EqualInfoAC[b=16,v=65k]".to_owned(), 65_536));
/// assert!(method.is_transparent());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(tag = "method", rename_all = "kebab-case"))]
pub enum TokenMethod {
    /// A byte is a token.
    Bytes,
    /// zlib at its default level, header and checksum included, as the paper uses it.
    Gzip {
        /// Bits in a token: 8 or 16.
        token_bits: u32,
    },
    /// Arithmetic coding with fixed byte frequencies.
    StaticAc {
        /// Bits in a token: 8 or 16.
        token_bits: u32,
    },
    /// Arithmetic coding with M1, one code for a whole example.
    Ac {
        /// Bits in a token: 8 or 16.
        token_bits: u32,
    },
    /// Windows of `window_bits` bits.
    EqualInfo {
        /// Bits in a window.
        window_bits: u32,
        /// Bits in a token: 8 or 16.
        token_bits: u32,
        /// `default`, `paper`, `delay` or `flexible`: the name of an [`Encoding`](crate::windows::Encoding).
        code: String,
        /// When the model's context is emptied.
        #[cfg_attr(feature = "serde", serde(default))]
        reset: Reset,
        /// Where windows prefer to end.
        #[cfg_attr(feature = "serde", serde(default))]
        align: Align,
    },
    /// Codes of a lexicon, of 16 bits.
    Lexicon {
        /// Bits in a token: 8 or 16.
        token_bits: u32,
        /// Which texts the lexicon has.
        #[cfg_attr(feature = "serde", serde(default))]
        kind: LexiconOf,
    },
    /// Pieces of words, as SentencePiece has them.
    Unigram {
        /// How many different ones.
        pieces: usize,
    },
    /// Pieces of words that byte-pair encoding has merged, as GPT-2 and Llama 3 have them.
    Bpe {
        /// How many different ones.
        pieces: usize,
    },
    /// Pieces of up to four words, merged across words after pieces of words.
    SuperBpe {
        /// How many different ones.
        pieces: usize,
    },
    /// Text and its code in one row, the loss on the second of them alone: whether M2 can learn the code (the paper's
    /// section 5.2).
    Seq2seq {
        /// What M2 is to learn.
        task: Task,
        /// How the text is coded: tokens of 8 bits.
        of: Box<TokenMethod>,
        /// Bytes of text in a row.
        example: usize,
    },
}

/// Which texts a lexicon has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "kebab-case"))]
pub enum LexiconOf {
    /// Those of the window code
    #[default]
    WindowCode,
    /// The likeliest ones
    Optimal,
}

/// What M2 is to learn in [`TokenMethod::Seq2seq`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "kebab-case"))]
pub enum Task {
    /// The text, after its code
    Decompress,
    /// The code, after its text
    Compress,
    /// The text without its code: what a model knows that makes no use of it
    Text,
}

/// The most tokens of text that there are: ids have 16 bits.
pub const LARGEST_VOCABULARY: usize = 1 << 16;
/// The most bytes of text in a row of [`TokenMethod::Seq2seq`], which has a token for each of them.
pub const LARGEST_EXAMPLE: usize = 1 << 16;

impl TokenMethod {
    /// Checks what a file or a plan says: the type has room for widths, codes and sizes that no method has.
    ///
    /// # Errors
    /// One of them.
    pub fn check(&self) -> Result<(), TokenError> {
        if let Some(found) = self.token_bits().filter(|bits| ![8, 16].contains(bits)) {
            return Err(TokenError::TokenWidth { found });
        }
        if let Some(found) = self.pieces().filter(|pieces| !(1..=LARGEST_VOCABULARY).contains(pieces)) {
            return Err(TokenError::Pieces { found });
        }
        match self {
            Self::EqualInfo { window_bits, code, reset, align, .. } => {
                WindowBits::from_bits(*window_bits).ok_or(TokenError::Width { found: *window_bits })?;
                let encoding = Encoding::from_name(code).ok_or_else(|| TokenError::Code { found: code.clone() })?;
                if encoding == Encoding::Flexible && (*reset, *align) != (Reset::Every, Align::None) {
                    return Err(TokenError::Flexible);
                }
            }
            Self::Seq2seq { of, example, .. } => {
                of.check()?;
                if !(of.is_bits() && of.vocabulary() == 256) {
                    return Err(TokenError::NotOfBytes((**of).clone()));
                }
                if !(1..=LARGEST_EXAMPLE).contains(example) {
                    return Err(TokenError::Example { found: *example });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The subwords of a `tokenizer.json`.
    #[cfg(feature = "subwords")]
    pub fn subwords(subwords: &crate::Subwords) -> Self {
        let pieces = subwords.size();
        match subwords.kind() {
            SubwordKind::Unigram => Self::Unigram { pieces },
            SubwordKind::Bpe => Self::Bpe { pieces },
            SubwordKind::SuperBpe => Self::SuperBpe { pieces },
        }
    }

    /// Different pieces of a method of subwords.
    pub fn pieces(&self) -> Option<usize> {
        match self {
            Self::Unigram { pieces } | Self::Bpe { pieces } | Self::SuperBpe { pieces } => Some(*pieces),
            _ => None,
        }
    }

    /// Windows of this width in the default code that start anew, as tokens of 16 bits.
    pub fn windows(bits: WindowBits) -> Self {
        let (reset, align) = (Reset::Every, Align::None);
        Self::EqualInfo { window_bits: bits.bits(), token_bits: 16, code: "default".to_owned(), reset, align }
    }

    /// Bits of code in a token; `None` where tokens are no bits of a code.
    pub fn token_bits(&self) -> Option<u32> {
        match self {
            Self::Bytes => Some(8),
            Self::Gzip { token_bits }
            | Self::StaticAc { token_bits }
            | Self::Ac { token_bits }
            | Self::EqualInfo { token_bits, .. }
            | Self::Lexicon { token_bits, .. } => Some(*token_bits),
            Self::Unigram { .. } | Self::Bpe { .. } | Self::SuperBpe { .. } | Self::Seq2seq { .. } => None,
        }
    }

    /// Different tokens: ids are below it.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bytes | Self::Seq2seq { task: Task::Text, .. } => 256,
            Self::Gzip { token_bits }
            | Self::StaticAc { token_bits }
            | Self::Ac { token_bits }
            | Self::EqualInfo { token_bits, .. }
            | Self::Lexicon { token_bits, .. } => 1 << token_bits,
            Self::Unigram { pieces } | Self::Bpe { pieces } | Self::SuperBpe { pieces } => *pieces,
            Self::Seq2seq { of, .. } => 256 + of.vocabulary(),
        }
    }

    /// [`Self::vocabulary`], and with ends of documents one token more: the last, which no text has.
    ///
    /// # Errors
    /// Rows of the method have no documents, so there are no ends ([`TokenError::NoDocuments`]).
    pub fn vocabulary_with(&self, end_of_document: bool) -> Result<usize, TokenError> {
        match self {
            Self::Seq2seq { .. } if end_of_document => Err(TokenError::NoDocuments(self.clone())),
            _ => Ok(self.vocabulary() + usize::from(end_of_document)),
        }
    }

    /// Whether tokens are the windows themselves, so that each decodes alone.
    pub fn is_transparent(&self) -> bool {
        match self {
            Self::Bytes | Self::Unigram { .. } | Self::Bpe { .. } | Self::SuperBpe { .. } => true,
            Self::EqualInfo { window_bits, token_bits, code, reset: Reset::Every, .. } => {
                window_bits == token_bits && code != "paper"
            }
            Self::Lexicon { token_bits, .. } => *token_bits == 16,
            _ => false,
        }
    }

    /// Whether it needs M1.
    pub fn needs_m1(&self) -> bool {
        match self {
            Self::Ac { .. } | Self::EqualInfo { .. } => true,
            Self::Seq2seq { task, of, .. } => *task != Task::Text && of.needs_m1(),
            _ => false,
        }
    }

    /// Whether tokens are bits of a code: all of `token_bits` bits.
    pub fn is_bits(&self) -> bool {
        self.token_bits().is_some()
    }

    /// Bytes of text in an example.
    pub fn example(&self) -> usize {
        match self {
            Self::Seq2seq { example, .. } => *example,
            _ => EXAMPLE,
        }
    }

    /// How many tokens are as many bits as some number of windows, at least: what begins at a multiple of them begins
    /// with a window.
    pub fn tokens_of_whole_windows(&self) -> usize {
        match self {
            Self::EqualInfo { window_bits, token_bits, .. } => {
                (1..).find(|tokens| (tokens * token_bits).is_multiple_of(*window_bits)).unwrap_or(1) as usize
            }
            Self::Lexicon { token_bits, .. } => 16 / *token_bits as usize,
            _ => 1,
        }
    }
}

impl std::fmt::Display for TokenMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v = match self.vocabulary() {
            65_536 => "65k".to_owned(),
            thousands if thousands >= 10_000 && thousands.is_multiple_of(1000) => format!("{}k", thousands / 1000),
            v => v.to_string(),
        };
        match self {
            Self::Bytes => write!(f, "Bytes"),
            Self::Gzip { .. } => write!(f, "GZip[v={v}]"),
            Self::StaticAc { .. } => write!(f, "StaticAC[v={v}]"),
            Self::Ac { .. } => write!(f, "AC[v={v}]"),
            Self::Lexicon { kind: LexiconOf::WindowCode, .. } => write!(f, "Lexicon[b=16,v={v}]"),
            Self::Lexicon { kind: LexiconOf::Optimal, .. } => write!(f, "Lexicon[b=16,v={v},optimal]"),
            Self::Unigram { .. } => write!(f, "Unigram[v={v}]"),
            Self::Bpe { .. } => write!(f, "BPE[v={v}]"),
            Self::SuperBpe { .. } => write!(f, "SuperBPE[v={v}]"),
            Self::Seq2seq { task: Task::Decompress, of, .. } => write!(f, "Decompress {of}"),
            Self::Seq2seq { task: Task::Compress, of, .. } => write!(f, "Compress {of}"),
            Self::Seq2seq { task: Task::Text, example, .. } => write!(f, "Text alone[{example} bytes]"),
            Self::EqualInfo { window_bits, code, reset, align, .. } => {
                write!(f, "EqualInfoAC[b={window_bits},v={v}")?;
                if code != "default" {
                    write!(f, ",code={code}")?;
                }
                match reset {
                    Reset::Every => {}
                    Reset::EveryOther => write!(f, ",reset=every-other")?,
                    Reset::Never => write!(f, ",reset=never")?,
                }
                if *align == Align::Word {
                    write!(f, ",align=word")?;
                }
                write!(f, "]")
            }
        }
    }
}
