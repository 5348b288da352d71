//! [`Tokens`]: a row of tokens that a language model trains on.

use crate::windows::Segments;

/// The tokens of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids.
    pub ids: Vec<u16>,
    /// Leading tokens without a loss.
    pub given: usize,
    /// Bytes of text that the others stand for; where that is not exact, in proportion.
    pub text: u64,
}

impl Tokens {
    /// Tokens with a loss.
    pub fn scored(&self) -> usize {
        self.ids.len() - self.given
    }

    /// Rows of at most `length` tokens, with the text in proportion.
    pub fn rows(self, length: usize) -> impl Iterator<Item = Self> {
        let (all, text) = (self.ids.len() as u64, self.text);
        let before = move |tokens: u64| text * tokens / all.max(1);
        (0..self.ids.len()).step_by(length.max(1)).map(move |first| {
            let ids = self.ids[first..self.ids.len().min(first + length)].to_vec();
            let (begin, end) = (first as u64, (first + ids.len()) as u64);
            Self { ids, given: 0, text: before(end) - before(begin) }
        })
    }

    /// The first tokens of windows, `most` at most.
    pub(super) fn of_windows(windows: &Segments, token_bits: u32, most: usize) -> Self {
        let (ids, bytes) = (ids(&windows.code, token_bits, most), windows.bits.bytes());
        let ends: Vec<usize> = windows.ends().collect();
        // Windows that the tokens hold whole, and a share of the one that they cut.
        let kept = ids.len() * token_bits as usize / 8;
        let (whole, part) = (kept / bytes, kept % bytes);
        let end = |windows: usize| windows.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        let next = ends.get(whole).copied().unwrap_or_else(|| end(whole));
        let text = end(whole) + (next - end(whole)) * part / bytes;
        Self { ids, given: 0, text: text as u64 }
    }

    /// Tokens of a code of a whole text: those that are kept stand for their share of it.
    pub(super) fn proportional(code: &[u8], token_bits: u32, text: usize, most: usize) -> Self {
        let all = code.len().div_ceil(token_bits as usize / 8).max(1);
        let ids = ids(code, token_bits, most);
        Self { text: (text as u64 * ids.len() as u64) / all as u64, given: 0, ids }
    }
}

/// More tokens than any method makes of a text of this many bytes: a window holds a byte at least, and has no more than
/// 16 tokens.
pub fn most_tokens(text: usize) -> usize {
    16 * text + 16
}

/// Bytes as tokens, most significant byte first; a last token that is cut is filled with zeros.
pub(super) fn ids(bytes: &[u8], token_bits: u32, most: usize) -> Vec<u16> {
    if token_bits == 8 {
        return bytes.iter().take(most).map(|&byte| byte.into()).collect();
    }
    let pair = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    bytes.chunks(2).take(most).map(pair).collect()
}
