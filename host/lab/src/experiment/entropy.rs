//! How far tokens are from random bits: the paper's section 6.3.
//!
//! M2 can learn only from what is not uniform. The divergence of n bits from uniform is `n - H`, with H the entropy of their frequencies
//! after Miller and Madow: the plug-in estimate plus `(seen - 1) / 2 N` nats, as N samples of many values look less random than they are.

use serde::{Deserialize, Serialize};

use equalinfo::random::Random;

/// The most neighbouring bits that are looked at.
pub const WIDEST: usize = 16;

/// Divergence from uniform, in bits, for 1 to [`WIDEST`] bits; `None` where fewer than [`SAMPLES`] times as many were seen as there are values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// Bits that were looked at.
    pub bits: u64,
    /// Of all n neighbouring bits, at every place.
    pub ngrams: Vec<Option<f64>>,
    /// Of n bits that begin at a multiple of n, as tokens of n bits would.
    pub tokens: Vec<Option<f64>>,
}

/// With fewer samples a value the correction does not suffice.
pub const SAMPLES: u64 = 8;

/// Counts bits, row by row.
pub struct BitCounter {
    token_bits: u32,
    bits: u64,
    /// Of [`WIDEST`] bits; narrower ones are their ends.
    ngrams: Vec<u64>,
    /// By width, from 1 on.
    tokens: Vec<Vec<u64>>,
}

impl BitCounter {
    /// Nothing counted yet, for tokens of `token_bits` bits.
    pub fn new(token_bits: u32) -> Self {
        let tokens = (1..=WIDEST).map(|width| vec![0; 1 << width]).collect();
        Self { token_bits, bits: 0, ngrams: vec![0; 1 << WIDEST], tokens }
    }

    /// Counts a row: its tokens are bits without a gap, the most significant first.
    pub fn push(&mut self, row: &[u32]) {
        let (mut last, mut seen) = (0usize, 0usize);
        for token in row {
            for bit in (0..self.token_bits).rev() {
                last = (last << 1 | (token >> bit & 1) as usize) & ((1 << WIDEST) - 1);
                seen += 1;
                if seen >= WIDEST {
                    self.ngrams[last] += 1;
                }
                for (width, counts) in (1..).zip(&mut self.tokens) {
                    if seen.is_multiple_of(width) {
                        counts[last & ((1 << width) - 1)] += 1;
                    }
                }
            }
        }
        self.bits += seen as u64;
    }

    /// What was counted.
    pub fn divergence(&self) -> Divergence {
        let of = |counts: &[u64]| {
            let width = counts.len().ilog2();
            let enough = counts.iter().sum::<u64>() >= SAMPLES << width;
            enough.then(|| f64::from(width) - entropy(counts))
        };
        let ends = |width: usize| {
            let mut counts = vec![0; 1 << width];
            for (value, count) in self.ngrams.iter().enumerate() {
                counts[value & ((1 << width) - 1)] += count;
            }
            counts
        };
        Divergence {
            bits: self.bits,
            ngrams: (1..=WIDEST).map(|width| of(&ends(width))).collect(),
            tokens: self.tokens.iter().map(|counts| of(counts)).collect(),
        }
    }
}

/// What bits look like that are drawn at random, as many as `bits`: the measure of the others.
pub fn of_random_bits(bits: u64) -> Divergence {
    let mut random = Random::new(1);
    let mut counter = BitCounter::new(16);
    let row = |random: &mut Random| -> Vec<u32> { (0..512).map(|_| random.below(1 << 16) as u32).collect() };
    while counter.bits < bits {
        counter.push(&row(&mut random));
    }
    counter.divergence()
}

/// Entropy of what occurs so often, in bits, after Miller and Madow.
fn entropy(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let seen = counts.iter().filter(|&&count| count > 0);
    let plug_in: f64 = seen.clone().map(|&count| -(count as f64 / total) * (count as f64 / total).ln()).sum();
    let correction = (seen.count() as f64 - 1.0).max(0.0) / (2.0 * total);
    (plug_in + correction) / std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(token_bits: u32, tokens: impl Iterator<Item = u32>) -> Divergence {
        let mut counter = BitCounter::new(token_bits);
        counter.push(&tokens.collect::<Vec<u32>>());
        counter.divergence()
    }

    #[test]
    fn random_tokens_are_uniform_and_constant_ones_are_not() {
        let uniform = of_random_bits(9_600_000);
        for divergence in uniform.ngrams.iter().chain(&uniform.tokens) {
            assert!(divergence.unwrap().abs() < 5e-3, "{uniform:?}");
        }
        let constant = of(8, std::iter::repeat_n(0, 5000));
        let at = |widths: &[Option<f64>]| [4, 8, 12, 16].map(|width| widths[width - 1]);
        assert_eq!(at(&constant.tokens), [Some(4.0), Some(8.0), None, None]);
        assert_eq!(at(&constant.ngrams), [Some(4.0), Some(8.0), Some(12.0), None]);
    }

    #[test]
    fn structure_of_tokens_shows_at_their_width() {
        // Either of two bytes that are each other's complement, at random: one bit of eight is new.
        let mut random = Random::new(4);
        let divergence = of(8, (0..1_100_000).map(|_| if random.below(2) == 0 { 0x35 } else { 0xca }));
        let tokens = |width: usize| divergence.tokens[width - 1].unwrap();
        assert!((tokens(8) - 7.0).abs() < 1e-3 && (tokens(16) - 14.0).abs() < 1e-3, "{divergence:?}");
        assert!(divergence.ngrams[7].unwrap() < tokens(8));
        assert_eq!(divergence.bits, 8_800_000);
    }
}
