//! [`Tokens`] of a text, and [`Row`]s of them that a language model trains on.

use crate::windows::Segments;

/// The tokens of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens<Id = u16> {
    /// Token ids.
    pub ids: Vec<Id>,
    /// Leading tokens without a loss.
    pub given: usize,
    /// Bytes of text that the others stand for; where that is not exact, in proportion.
    pub text: u64,
}

/// The tokens of a row of shards: those of one text, or of several documents with their ends, for whose ids 16 bits may
/// not do.
pub type Row = Tokens<u32>;

impl<Id> Tokens<Id> {
    /// Tokens with a loss.
    pub fn scored(&self) -> usize {
        self.ids.len() - self.given
    }
}

impl From<Tokens> for Row {
    fn from(Tokens { ids, given, text }: Tokens) -> Self {
        Self { ids: ids.into_iter().map(u32::from).collect(), given, text }
    }
}

/// The tokens of a text, and the one that ends its document.
#[cfg(feature = "shards")]
pub(super) type Ended = (Tokens, Option<u32>);

/// Rows of at most `length` tokens of consecutive texts, each with the id that marks its end if it has one. Of a text
/// `whole` tokens stay together, and rows have a part of it in proportion; an end stands for no text.
#[cfg(feature = "shards")]
pub(super) fn rows(texts: impl IntoIterator<Item = Ended>, length: usize, whole: usize) -> Vec<Row> {
    let (mut rows, mut row) = (Vec::new(), Row::default());
    let mut push = |ids: &mut dyn ExactSizeIterator<Item = u32>, text: u64| {
        if row.ids.len() + ids.len() > length {
            rows.push(std::mem::take(&mut row));
        }
        row.ids.extend(ids);
        row.text += text;
    };
    for (tokens, end) in texts {
        let all = tokens.ids.len() as u64;
        let mut taken = 0;
        for ids in tokens.ids.chunks(whole.min(length).max(1)) {
            let before = tokens.text * taken / all;
            taken += ids.len() as u64;
            push(&mut ids.iter().map(|&id| id.into()), tokens.text * taken / all - before);
        }
        if let Some(end) = end {
            push(&mut std::iter::once(end), 0);
        }
    }
    if !row.ids.is_empty() {
        rows.push(row);
    }
    rows
}

impl Tokens {
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
