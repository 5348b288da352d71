//! [`Tokenizer`]: what turns an example of text into tokens, for every row of the paper's tables and a few more.

use anyhow::{Context, Result, bail};
use equalinfo_codec::window::{Window, WindowEncoder};
use equalinfo_codec::{ByteModel, WindowBits, WindowCode};
use serde::{Deserialize, Serialize};

use crate::model::{LoadedModel, Session};

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
    Lexicon { token_bits: u32 },
}

impl Method {
    /// Different tokens: ids are below it.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bytes => 256,
            Self::Gzip { token_bits }
            | Self::StaticAc { token_bits }
            | Self::Ac { token_bits }
            | Self::EqualInfo { token_bits, .. }
            | Self::Lexicon { token_bits } => 1 << token_bits,
        }
    }

    /// Whether tokens are the windows themselves, so that each decodes alone.
    pub fn is_transparent(&self) -> bool {
        match self {
            Self::Bytes => true,
            Self::EqualInfo { window_bits, token_bits, code, reset: Reset::Every, .. } => {
                window_bits == token_bits && code != "paper"
            }
            Self::Lexicon { token_bits } => *token_bits == 16,
            _ => false,
        }
    }

    /// Whether it needs M1.
    pub fn needs_m1(&self) -> bool {
        matches!(self, Self::Ac { .. } | Self::EqualInfo { .. })
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let v = if self.vocabulary() == 1 << 16 { "65k".to_owned() } else { self.vocabulary().to_string() };
        match self {
            Self::Bytes => write!(f, "Bytes"),
            Self::Gzip { .. } => write!(f, "GZip[v={v}]"),
            Self::StaticAc { .. } => write!(f, "StaticAC[v={v}]"),
            Self::Ac { .. } => write!(f, "AC[v={v}]"),
            Self::Lexicon { .. } => write!(f, "Lexicon[b=16,v={v}]"),
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

/// The tokens of an example.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u16>,
    /// Bytes of text that they stand for; where that is not exact, in proportion.
    pub text: u64,
}

/// A method with what it needs to run.
pub struct Tokenizer<'a> {
    method: Method,
    /// M1, the lexicon, or the byte frequencies.
    model: &'a LoadedModel,
    /// Bytes of context.
    context: usize,
    window: Option<(WindowBits, WindowCode)>,
}

impl<'a> Tokenizer<'a> {
    /// A tokenizer; `model` is M1, for `static-ac` the byte frequencies, for `lexicon` the lexicon, and of no matter otherwise.
    ///
    /// # Errors
    /// A width or code of windows that there is not, or a model of another kind.
    pub fn new(method: Method, model: &'a LoadedModel, context: usize) -> Result<Self> {
        let window = match &method {
            Method::EqualInfo { window_bits, code, .. } => {
                let bits =
                    WindowBits::from_bits(*window_bits).with_context(|| format!("no windows of {window_bits} bits"))?;
                let code = match code.as_str() {
                    "default" => WindowCode::Default,
                    "paper" => WindowCode::Paper,
                    "delay" => WindowCode::Delay,
                    other => bail!("expected window code default, paper or delay, found '{other}'"),
                };
                Some((bits, code))
            }
            _ => None,
        };
        Ok(Self { method, model, context, window })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The memory of one thread.
    ///
    /// # Errors
    /// The context is longer than the model's.
    pub fn session(&self) -> Result<Option<Session>> {
        if matches!(self.method, Method::EqualInfo { .. }) {
            self.model.session(self.context).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The first tokens of a text, `most` at most.
    ///
    /// # Errors
    /// The model is of another kind than the method needs.
    pub fn tokenize(&self, session: &mut Option<Session>, text: &[u8], most: usize) -> Result<Tokens> {
        Ok(match &self.method {
            Method::Bytes => {
                let ids: Vec<u16> = text.iter().take(most).map(|&byte| byte.into()).collect();
                Tokens { text: ids.len() as u64, ids }
            }
            Method::Gzip { token_bits } => proportional(&zlib(text)?, *token_bits, text.len(), most),
            Method::StaticAc { token_bits } | Method::Ac { token_bits } => {
                // Two bytes of code for a byte of text is more than any frequencies can ask: a byte costs at most 15 bits.
                let mut code = vec![0; 2 * text.len() + 16];
                let length = self
                    .model
                    .range_encode(self.context, text, &mut code)?
                    .context("the code is longer than 16 bits a byte")?;
                code.truncate(length);
                proportional(&code, *token_bits, text.len(), most)
            }
            Method::EqualInfo { token_bits, reset, align, .. } => {
                let session = session.as_mut().context("windows need a model")?;
                let (bits, code) = self.window.context("windows need a width")?;
                let bytes_wanted = most * *token_bits as usize / 8;
                let mut written = Vec::with_capacity(bytes_wanted + bits.bytes());
                let mut ends = Vec::new();
                let mut taken = 0;
                session.reset();
                let mut number = 0u64;
                while taken < text.len() && written.len() < bytes_wanted {
                    let starts_anew = match reset {
                        Reset::Every => true,
                        Reset::EveryOther => number.is_multiple_of(2),
                        Reset::Never => number == 0,
                    };
                    let rest = &text[taken..];
                    let mut window = encode(session, (bits, code), self.context, rest, starts_anew);
                    if *align == Align::Word && starts_anew {
                        let boundary = last_boundary(rest, window.consumed);
                        if boundary < window.consumed {
                            window = encode(session, (bits, code), self.context, &rest[..boundary], true);
                        }
                    }
                    taken += window.consumed.max(1);
                    let mut place = [0; 16];
                    let value = bits.write(window.value, &mut place).map_or(0, |rest| rest.len());
                    written.extend_from_slice(&place[..place.len() - value]);
                    ends.push(taken);
                    number += 1;
                }
                let ids = ids(&written, *token_bits, most);
                // Windows that the tokens hold whole, and a share of the one that they cut.
                let kept = ids.len() * *token_bits as usize / 8;
                let (whole, part) = (kept / bits.bytes(), kept % bits.bytes());
                let end = |windows: usize| windows.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
                let next = ends.get(whole).copied().unwrap_or_else(|| end(whole));
                let text = end(whole) + (next - end(whole)) * part / bits.bytes();
                Tokens { ids, text: text as u64 }
            }
            Method::Lexicon { token_bits } => {
                let lexicon = self.model.as_lexicon().context("method lexicon needs a lexicon")?;
                let wanted = (most * *token_bits as usize).div_ceil(16);
                let (mut written, mut taken) = (Vec::new(), 0);
                while taken < text.len() && written.len() < 2 * wanted {
                    let (code, length) = lexicon.encode(&text[taken..]);
                    written.extend_from_slice(&code.to_be_bytes());
                    taken += length.max(1);
                }
                Tokens { ids: ids(&written, *token_bits, most), text: taken as u64 }
            }
        })
    }
}

/// One window from the start of `text`; with `starts_anew` from an empty context.
fn encode(
    session: &mut Session,
    (bits, code): (WindowBits, WindowCode),
    context: usize,
    text: &[u8],
    starts_anew: bool,
) -> Window {
    if starts_anew {
        session.reset();
    }
    let mut encoder = WindowEncoder::new(bits, code, context);
    for &byte in text {
        if encoder.is_full() || !encoder.push(session.frequencies(), byte) {
            break;
        }
        session.push(byte);
    }
    encoder.window()
}

/// Whether a byte belongs to a word: letters, digits, and bytes of other scripts.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The last place at or before `end` that does not lie within a word; `end` if the word reaches back to the beginning.
fn last_boundary(text: &[u8], end: usize) -> usize {
    let cuts = |place: usize| match (place.checked_sub(1).and_then(|before| text.get(before)), text.get(place)) {
        (Some(&before), Some(&after)) => in_word(before) && in_word(after),
        _ => false,
    };
    (1..=end).rev().find(|&place| !cuts(place)).unwrap_or(end)
}

/// Bytes as tokens, most significant byte first; a last token that is cut is filled with zeros.
fn ids(bytes: &[u8], token_bits: u32, most: usize) -> Vec<u16> {
    if token_bits == 8 {
        return bytes.iter().take(most).map(|&byte| byte.into()).collect();
    }
    let pair = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    bytes.chunks(2).take(most).map(pair).collect()
}

/// Tokens of a code of the whole text: those that are kept stand for their share of it.
fn proportional(code: &[u8], token_bits: u32, text: usize, most: usize) -> Tokens {
    let all = code.len().div_ceil(token_bits as usize / 8).max(1);
    let ids = ids(code, token_bits, most);
    Tokens { text: (text as u64 * ids.len() as u64) / all as u64, ids }
}

fn zlib(text: &[u8]) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut code = Vec::new();
    flate2::read::ZlibEncoder::new(text, flate2::Compression::default()).read_to_end(&mut code)?;
    Ok(code)
}
