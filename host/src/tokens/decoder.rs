//! [`TokenDecoder`]: tokens to text as they come.

use equalinfo_codec::WindowBits;

use super::error::TokenError;
use crate::plan::CpuWorker;
#[cfg(feature = "subwords")]
use crate::subwords::Subwords;

/// Turns tokens into text as they come, and keeps back what is not complete: the bytes of a window come together, and
/// those of a UTF-8 character too where tokens are subwords.
///
/// ```
/// use equalinfo::{Model, Tokenizer, WindowBits};
///
/// let tokenizer = Tokenizer::windows(&Model::shipped("nano")?, WindowBits::B32)?;
/// let tokens = tokenizer.encode(b"It was the best of times")?;
/// let mut decoder = tokenizer.decoder()?;
/// // Two tokens are a window.
/// assert!(decoder.push(&tokens[..1])?.is_empty());
/// let first = decoder.push(&tokens[1..2])?;
/// assert!(b"It was the best of times".starts_with(&first) && !first.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenDecoder(Kind);

enum Kind {
    Bytes,
    Windows {
        worker: CpuWorker,
        bits: WindowBits,
        /// Bytes in a token.
        token: usize,
        vocabulary: usize,
        /// The beginning of a window.
        pending: Vec<u8>,
    },
    #[cfg(feature = "subwords")]
    Subwords {
        subwords: Subwords,
        ids: Vec<u32>,
        /// Bytes of their text that were given out.
        shown: usize,
    },
}

impl TokenDecoder {
    pub(super) fn bytes() -> Self {
        Self(Kind::Bytes)
    }

    pub(super) fn windows(worker: CpuWorker, bits: WindowBits, token: usize, vocabulary: usize) -> Self {
        Self(Kind::Windows { worker, bits, token, vocabulary, pending: Vec::new() })
    }

    #[cfg(feature = "subwords")]
    pub(super) fn subwords(subwords: Subwords) -> Self {
        Self(Kind::Subwords { subwords, ids: Vec::new(), shown: 0 })
    }

    /// The text that is complete with these tokens.
    ///
    /// # Errors
    /// A token is outside the vocabulary.
    pub fn push(&mut self, tokens: &[u16]) -> Result<Vec<u8>, TokenError> {
        let mut text = Vec::new();
        for &token in tokens {
            match &mut self.0 {
                Kind::Bytes => {
                    let outside = |_| TokenError::Token { expected: 256, found: token };
                    text.push(u8::try_from(token).map_err(outside)?);
                }
                Kind::Windows { worker, bits, token: width, vocabulary, pending } => {
                    if usize::from(token) >= *vocabulary {
                        return Err(TokenError::Token { expected: *vocabulary, found: token });
                    }
                    pending.extend(&token.to_be_bytes()[2 - *width..]);
                    while let Some(value) = bits.read(pending) {
                        text.extend(worker.decode_window(value)?);
                        pending.drain(..bits.bytes());
                    }
                }
                #[cfg(feature = "subwords")]
                Kind::Subwords { subwords, ids, shown } => {
                    ids.push(token.into());
                    let all = subwords.decode(ids)?;
                    if !all.ends_with('\u{fffd}') {
                        text.extend(all.as_bytes().get(*shown..).unwrap_or_default());
                        // The last token stays, so that the space before the next is not taken for the beginning of
                        // all; but not a byte within a character.
                        let last = subwords.decode(&[token.into()])?;
                        let stays = !last.contains('\u{fffd}');
                        *ids = if stays { vec![token.into()] } else { Vec::new() };
                        *shown = if stays { last.len() } else { 0 };
                    }
                }
            }
        }
        Ok(text)
    }

    /// Ends the text, and returns what was kept back: of subwords the bytes that are no whole character, as U+FFFD.
    ///
    /// # Errors
    /// The tokens end within a window. A byte of zero that fills the last token is none.
    pub fn finish(self) -> Result<Vec<u8>, TokenError> {
        match self.0 {
            Kind::Windows { bits, token, pending, .. } if !pending.is_empty() => {
                let is_padding = token == 2 && pending == [0] && bits.bytes() % 2 == 1;
                let partial = TokenError::PartialWindow { expected: bits.bytes(), found: pending.len() };
                if is_padding { Ok(Vec::new()) } else { Err(partial) }
            }
            #[cfg(feature = "subwords")]
            Kind::Subwords { subwords, ids, shown } => {
                Ok(subwords.decode(&ids)?.as_bytes().get(shown..).unwrap_or_default().to_vec())
            }
            _ => Ok(Vec::new()),
        }
    }
}
