//! N-gram tables: which of their rows the newest symbols look up, and what those add to the residual.
//!
//! Invariant: a row is a function of the last symbols of the window alone, the begin symbol standing for whatever lies
//! before it, so encoder and decoder, a window that is decoded alone and any batch look up the same rows.
//!
//! The hash takes one 32-bit multiplication per symbol, and one more per table brings it to the table's number of rows.

use super::config::table_len;
use super::image::{BOS, TABLES};

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

/// The n-gram tables of an image.
#[derive(Clone, Copy, Debug)]
pub struct Ngrams<'a> {
    pub(super) rows: [u16; TABLES],
    pub(super) d: usize,
    pub(super) section: &'a [u8],
}

/// An n-gram table.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Symbols of its n-grams.
    pub order: usize,
    /// Bytes of a row: half a byte a column.
    pub width: usize,
    /// `[rows][d]`, two values a byte, that of the even column in the lower half; a value is its four bits less 8.
    pub values: &'a [u8],
    /// What the values of each row are multiplied by, `u16`.
    pub factors: &'a [[u8; 2]],
}

impl<'a> Table<'a> {
    /// The row of a hash of its order: values and factor.
    #[inline]
    pub fn row(&self, hash: u32) -> (&'a [u8], u16) {
        let row = row(hash, self.factors.len() as u32);
        let start = row.wrapping_mul(self.width);
        let values = self.values.get(start..start.wrapping_add(self.width)).unwrap_or_default();
        (values, self.factors.get(row).copied().map_or(0, u16::from_le_bytes))
    }
}

impl<'a> Ngrams<'a> {
    /// Whether there is no table.
    pub const fn is_empty(&self) -> bool {
        self.section.is_empty()
    }

    /// The tables, orders rising.
    #[inline]
    pub fn tables(&self) -> impl Iterator<Item = Table<'a>> + use<'a> {
        let Self { rows, d, section: mut rest } = *self;
        rows.into_iter().zip(MIN_ORDER..).filter(|(rows, _)| *rows > 0).map(move |(rows, order)| {
            let (table, behind) = rest.split_at_checked(table_len(d, rows)).unwrap_or_default();
            rest = behind;
            let width = d / 2;
            let (values, factors) = table.split_at_checked(usize::from(rows).wrapping_mul(width)).unwrap_or_default();
            Table { order, width, values, factors: factors.as_chunks().0.get(..rows.into()).unwrap_or_default() }
        })
    }

    /// Adds the rows that `hashes` look up to a residual.
    #[inline]
    pub fn add(&self, hashes: &Hashes, residual: &mut [i32]) {
        for table in self.tables() {
            let (values, factor) = table.row(hashes.of(table.order));
            add_row(values, factor, residual);
        }
    }
}

/// Adds a row of a table to the residual: `factor * (value - 8)`, exactly.
#[inline]
pub fn add_row(values: &[u8], factor: u16, residual: &mut [i32]) {
    let factor = i32::from(factor);
    for (&byte, [even, odd]) in values.iter().zip(residual.as_chunks_mut::<2>().0) {
        *even = even.wrapping_add(factor.wrapping_mul(i32::from(byte & 15) - 8));
        *odd = odd.wrapping_add(factor.wrapping_mul(i32::from(byte >> 4) - 8));
    }
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
