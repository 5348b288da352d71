//! [`Method`]: how text becomes tokens, one for every row of the paper's tables and a few more.

use serde::{Deserialize, Serialize};

use super::examples::EXAMPLE;

/// When M1's context is emptied: the paper's Table 9. The coder's interval restarts with every window in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reset {
    /// At every window: windows decode alone
    #[default]
    Every,
    /// At every other window
    EveryOther,
    /// Only where an example begins
    Never,
}

/// Where windows prefer to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// Where they are full
    #[default]
    None,
    /// Before the word that does not fit whole, so that a word has fewer codings; a word longer than a window is cut
    Word,
}

/// How text becomes tokens. Its `Display` is the name in the paper's tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Method {
    /// A byte is a token.
    Bytes,
    /// zlib at its default level, header and checksum included, as the paper uses it.
    Gzip { token_bits: u32 },
    /// Arithmetic coding with fixed byte frequencies.
    StaticAc { token_bits: u32 },
    /// Arithmetic coding with M1, one code for a whole example.
    Ac { token_bits: u32 },
    /// Windows of `window_bits` bits.
    EqualInfo {
        window_bits: u32,
        token_bits: u32,
        /// `default`, `paper` or `delay`.
        code: String,
        #[serde(default)]
        reset: Reset,
        #[serde(default)]
        align: Align,
    },
    /// Codes of a lexicon, of 16 bits.
    Lexicon {
        token_bits: u32,
        #[serde(default)]
        kind: LexiconOf,
    },
    /// Pieces of words, as SentencePiece has them.
    Unigram {
        /// How many different ones.
        pieces: usize,
    },
    /// Text and its code in one row, the loss on the second of them alone: whether M2 can learn the code (the paper's section 5.2).
    Seq2seq {
        task: Task,
        /// How the text is coded: tokens of 8 bits.
        of: Box<Method>,
        /// Bytes of text in a row.
        example: usize,
    },
}

/// Which texts a lexicon has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LexiconOf {
    /// Those of the window code
    #[default]
    WindowCode,
    /// The likeliest ones
    Optimal,
}

/// What M2 is to learn in [`Method::Seq2seq`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// The text, after its code
    Decompress,
    /// The code, after its text
    Compress,
    /// The text without its code: what a model knows that makes no use of it
    Text,
}

impl Method {
    /// Different tokens: ids are below it.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bytes | Self::Seq2seq { task: Task::Text, .. } => 256,
            Self::Gzip { token_bits }
            | Self::StaticAc { token_bits }
            | Self::Ac { token_bits }
            | Self::EqualInfo { token_bits, .. }
            | Self::Lexicon { token_bits, .. } => 1 << token_bits,
            Self::Unigram { pieces } => *pieces,
            Self::Seq2seq { of, .. } => 256 + of.vocabulary(),
        }
    }

    /// Whether tokens are the windows themselves, so that each decodes alone.
    pub fn is_transparent(&self) -> bool {
        match self {
            Self::Bytes | Self::Unigram { .. } => true,
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
        !matches!(self, Self::Unigram { .. } | Self::Seq2seq { .. })
    }

    /// Bytes of text in an example.
    pub fn example(&self) -> usize {
        match self {
            Self::Seq2seq { example, .. } => *example,
            _ => EXAMPLE,
        }
    }

    /// How many tokens are as many bits as some number of windows, at least: what begins at a multiple of them begins with a window.
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

impl std::fmt::Display for Method {
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
