//! Which rows of the n-gram tables the newest symbols look up.
//!
//! Invariant: a row is a function of the last symbols of the window alone, the begin symbol standing for whatever lies
//! before it, so encoder and decoder, a window that is decoded alone and any batch look up the same rows.
//!
//! The hash takes one 32-bit multiplication per symbol, and one more per table brings it to the table's number of rows.

use super::image::BOS;

/// Symbols of the shortest n-gram that a table may hold: single symbols have the embedding.
pub const MIN_ORDER: usize = 2;
/// Symbols of the longest.
pub const MAX_ORDER: usize = 6;
/// Most rows of a table.
pub const MAX_ROWS: usize = u16::MAX as usize;

/// The golden ratio's fraction of 2^32, odd.
const MULTIPLIER: u32 = 0x9e37_79b1;

/// The newest symbols of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The newest first.
    symbols: [u16; MAX_ORDER],
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// The beginning of a window: nothing but begin symbols.
    pub const fn new() -> Self {
        Self { symbols: [BOS; MAX_ORDER] }
    }

    /// Takes a symbol in: a byte, or the begin symbol, which starts anew.
    #[inline]
    pub fn push(&mut self, symbol: u16) {
        if symbol == BOS {
            *self = Self::new();
            return;
        }
        let mut symbol = symbol;
        for place in &mut self.symbols {
            symbol = core::mem::replace(place, symbol);
        }
    }

    /// The hash of the newest n symbols, for n = 1, 2, ...: `h = (h ^ symbol) * MULTIPLIER; h ^= h >> 15`, from 0, the
    /// newest first.
    #[inline]
    pub fn hashes(&self) -> Hashes {
        let mut hash = 0u32;
        Hashes(self.symbols.map(|symbol| {
            hash = (hash ^ u32::from(symbol)).wrapping_mul(MULTIPLIER);
            hash ^= hash >> 15;
            hash
        }))
    }
}

/// The hashes of the newest 1, 2, ... symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashes([u32; MAX_ORDER]);

impl Hashes {
    /// That of `order` symbols, from 1 to [`MAX_ORDER`].
    #[inline]
    pub fn of(&self, order: usize) -> u32 {
        self.0.get(order.wrapping_sub(1)).copied().unwrap_or_default()
    }
}

/// The row of a hash in a table of `rows`, at most [`MAX_ROWS`]: the upper 16 bits, scaled.
#[inline]
pub const fn row(hash: u32, rows: u32) -> usize {
    ((hash >> 16).wrapping_mul(rows) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_contract() {
        let mut history = History::new();
        for symbol in [u16::from(b'x'), BOS, u16::from(b'a'), u16::from(b'b')] {
            history.push(symbol);
        }
        let mut hash = 0u32;
        let mut expected = [0u32; MAX_ORDER];
        for (expected, symbol) in expected.iter_mut().zip([98, 97, 256, 256, 256, 256]) {
            hash = (hash ^ symbol).wrapping_mul(2_654_435_761);
            hash ^= hash / 32768;
            *expected = hash;
        }
        assert_eq!(history.hashes(), Hashes(expected));
    }

    #[test]
    fn rows_fill_a_table_evenly() {
        // All pairs of letters: about as uneven as balls thrown into as many boxes.
        const ROWS: usize = 26 * 26;
        let mut counts = [0u32; ROWS];
        for first in b'a'..=b'z' {
            for second in b'a'..=b'z' {
                let mut history = History::new();
                history.push(first.into());
                history.push(second.into());
                counts[row(history.hashes().of(2), ROWS as u32)] += 1;
            }
        }
        let used = counts.iter().filter(|count| **count > 0).count();
        let most = counts.iter().max().copied().unwrap_or_default();
        // 1 - 1/e of the rows are expected.
        assert!((55 * ROWS..75 * ROWS).contains(&(100 * used)) && most < 8, "{used} rows, {most} pairs in one");
        assert_eq!((row(u32::MAX, 65535), row(0, 7), row(u32::MAX, 7)), (65534, 0, 6));
    }
}
