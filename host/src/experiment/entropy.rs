//! How far tokens are from random bits: the paper's section 6.3.
//!
//! M2 can learn only from what is not uniform. The divergence of n bits from uniform is `n - H`, with H the entropy of their frequencies
//! after Miller and Madow: the plug-in estimate plus `(seen - 1) / 2 N` nats, as N samples of many values look less random than they are.

use serde::{Deserialize, Serialize};

/// Widths that are measured, in bits.
pub const WIDTHS: [u32; 4] = [4, 8, 12, 16];

/// Divergence from uniform, in bits, for each of [`WIDTHS`]; `None` where fewer than [`SAMPLES`] times as many bits were seen as there are values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// Of all n neighbouring bits, at every place.
    pub ngrams: Vec<Option<f64>>,
    /// Of n bits that begin at a multiple of n, as tokens of n bits would.
    pub tokens: Vec<Option<f64>>,
}

/// With fewer samples a value the correction does not suffice.
pub const SAMPLES: u64 = 8;

/// Counts bits, row by row.
pub struct Counter {
    token_bits: u32,
    ngrams: Vec<Vec<u64>>,
    tokens: Vec<Vec<u64>>,
}

impl Counter {
    /// Nothing counted yet, for tokens of `token_bits` bits.
    pub fn new(token_bits: u32) -> Self {
        let empty = || WIDTHS.map(|width| vec![0; 1 << width]).to_vec();
        Self { token_bits, ngrams: empty(), tokens: empty() }
    }

    /// Counts a row: its tokens are bits without a gap, the most significant first.
    pub fn push(&mut self, row: &[u16]) {
        let (mut last, mut seen) = (0u32, 0u32);
        for token in row {
            for bit in (0..self.token_bits).rev() {
                last = last << 1 | u32::from(token >> bit & 1);
                seen += 1;
                for (index, width) in WIDTHS.into_iter().enumerate() {
                    if seen >= width {
                        let value = (last & ((1 << width) - 1)) as usize;
                        self.ngrams[index][value] += 1;
                        if seen.is_multiple_of(width) {
                            self.tokens[index][value] += 1;
                        }
                    }
                }
            }
        }
    }

    /// What was counted.
    pub fn divergence(&self) -> Divergence {
        let all = |counts: &[Vec<u64>]| {
            let of = |(width, counts): (u32, &Vec<u64>)| {
                let enough = counts.iter().sum::<u64>() >= SAMPLES << width;
                enough.then(|| f64::from(width) - entropy(counts))
            };
            WIDTHS.into_iter().zip(counts).map(of).collect()
        };
        Divergence { ngrams: all(&self.ngrams), tokens: all(&self.tokens) }
    }
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
    use crate::train::random::Random;

    fn of(token_bits: u32, tokens: impl Iterator<Item = u16>) -> Divergence {
        let mut counter = Counter::new(token_bits);
        counter.push(&tokens.collect::<Vec<u16>>());
        counter.divergence()
    }

    #[test]
    fn random_tokens_are_uniform_and_constant_ones_are_not() {
        let mut random = Random::new(3);
        let uniform = of(16, (0..600_000).map(|_| random.below(1 << 16) as u16));
        for divergence in uniform.ngrams.iter().chain(&uniform.tokens) {
            assert!(divergence.unwrap().abs() < 5e-3, "{uniform:?}");
        }
        let constant = of(8, std::iter::repeat_n(0, 5000));
        assert_eq!(constant.tokens, [Some(4.0), Some(8.0), None, None]);
        assert_eq!(constant.ngrams, [Some(4.0), Some(8.0), Some(12.0), None]);
    }

    #[test]
    fn structure_of_tokens_shows_at_their_width() {
        // Either of two bytes that are each other's complement, at random: one bit of eight is new.
        let mut random = Random::new(4);
        let divergence = of(8, (0..1_100_000).map(|_| if random.below(2) == 0 { 0x35 } else { 0xca }));
        let tokens = |index: usize| divergence.tokens[index].unwrap();
        assert!((tokens(1) - 7.0).abs() < 1e-3 && (tokens(3) - 14.0).abs() < 1e-3, "{divergence:?}");
        assert!(divergence.ngrams[1].unwrap() < tokens(1));
    }
}
