//! [`Config`] and [`Extent`]: what a model is made of, how large its image is, and the memory that it runs in.
//!
//! Invariant: a configuration that has been checked is one whose sums stay within 32 bits.

use super::error::ModelError;
use super::image::{ALIGNMENT, BUCKETS, HEAD, HEADER, MAX_MIXER, TABLES};

pub(super) const SYMBOLS: usize = 257;
const MAX_D: usize = 1024;
const MAX_FF: usize = 4096;
const MAX_CONTEXT: usize = 256;
const MAX_LAYERS: usize = 15;
/// Largest number of products of all rows that add to one value of the residual, so that it stays below 2^31.
const MAX_DEPTH: usize = 1 << 15;

/// The dimensions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// Width of the residual stream.
    pub d: usize,
    /// Width of the feed-forward layer.
    pub ff: usize,
    /// Longest context in positions, the begin symbol included.
    pub context: usize,
    /// Number of layers.
    pub layers: usize,
    /// Number of attention heads, each of 64.
    pub heads: usize,
}

impl Config {
    /// Length in bytes of an image of this model, without n-gram tables and mixer weights.
    pub const fn image_len(&self) -> usize {
        HEADER + 512 + 128 + SYMBOLS * self.d + SYMBOLS * 4 + 256 * 4 + self.layers * self.layer_len()
    }

    pub(super) const fn layer_len(&self) -> usize {
        let attention =
            4 + 3 * self.d * self.d + 3 * self.d * 4 + 4 + 4 + 2 * BUCKETS * self.heads + self.d * self.d + self.d * 4;
        attention + 4 + 3 * self.ff * self.d + 2 * self.ff * 4 + 4 + self.d * 4
    }

    /// Bytes of working memory that [`M1`](super::M1) needs to run with `context` positions: the cache and the
    /// activations.
    pub const fn byte_buffer(&self, context: usize) -> usize {
        (2 * self.layers * self.d + 1) * context + 6 * self.d + self.ff
    }

    /// Words of working memory that [`M1`](super::M1) needs to run with `context` positions.
    pub const fn word_buffer(&self, context: usize) -> usize {
        self.d + self.scratch() + if context > 256 { context } else { 256 }
    }

    /// Words that activations are prepared in, or one head's values added up.
    pub(super) const fn scratch(&self) -> usize {
        let most = self.d / 8 * 7;
        if most > HEAD { most } else { HEAD }
    }

    pub(super) const fn check(&self) -> Result<(), ModelError> {
        const fn range(name: &'static str, found: usize, low: usize, high: usize) -> Result<(), ModelError> {
            let expected = if found < low { low } else { high };
            if found < low || found > high { Err(ModelError::Dimension { name, expected, found }) } else { Ok(()) }
        }
        const fn multiple(name: &'static str, found: usize) -> Result<(), ModelError> {
            let expected = found & !(HEAD - 1);
            if expected == found { Ok(()) } else { Err(ModelError::Dimension { name, expected, found }) }
        }
        let checks = [
            range("width", self.d, HEAD, MAX_D),
            multiple("width", self.d),
            range("feed-forward width", self.ff, HEAD, MAX_FF),
            multiple("feed-forward width", self.ff),
            range("context", self.context, 1, MAX_CONTEXT),
            range("layers", self.layers, 1, MAX_LAYERS),
            range("heads", self.heads, self.d / HEAD, self.d / HEAD),
            range("layers times widths", self.layers.saturating_mul(self.d.saturating_add(self.ff)), 0, MAX_DEPTH),
        ];
        let mut i = 0;
        while i < checks.len() {
            if checks[i].is_err() {
                return checks[i];
            }
            i += 1;
        }
        Ok(())
    }
}

/// The sections behind the layers: what a model has besides the paper's architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows of the n-gram table of each order, from [`MIN_ORDER`](super::ngrams::MIN_ORDER) on; 0 where there is none.
    pub ngram_rows: [u16; TABLES],
    /// Bytes of mixer weights, a multiple of 4.
    pub mixer: usize,
}

impl Extent {
    /// Bytes of the n-gram tables of a model of width `d`.
    pub const fn tables_len(&self, d: usize) -> usize {
        let (mut length, mut table) = (0usize, 0);
        while table < TABLES {
            length = length.wrapping_add(table_len(d, self.ngram_rows[table]));
            table += 1;
        }
        length
    }

    pub(super) const fn check(&self) -> Result<(), ModelError> {
        let (name, found) = ("mixer weights", self.mixer);
        if found > MAX_MIXER {
            Err(ModelError::Dimension { name, expected: MAX_MIXER, found })
        } else if found % ALIGNMENT != 0 {
            Err(ModelError::Dimension { name, expected: found & !(ALIGNMENT - 1), found })
        } else {
            Ok(())
        }
    }
}

/// Bytes of an n-gram table: half a byte a value, two a row for its factor, to a multiple of 4.
pub(super) const fn table_len(d: usize, rows: u16) -> usize {
    let rows = rows as usize;
    (rows * (d / 2)).wrapping_add((rows * 2).next_multiple_of(ALIGNMENT))
}
