//! [`Prover`]: tokens coded by M2 itself and decoded again, so that bits/byte are the size of a file.
//!
//! Invariant: encoder and decoder show the same symbols to a [`Sampler`] one after the other, so its logits are the
//! same bits on both sides; that they are is what the proof finds out. Softmax becomes integer counts for the codec's
//! range coder, each at least 1 of 2^32, which costs less than 10^-4 bits a token.
//!
//! The code is that of the tokens alone. As for computed bits/byte, how many there are in each row is known from the
//! shards, and so are those that are given without a loss.

use std::sync::Arc;

use equalinfo::ordered::ordered;
use equalinfo::tokens::Row;
use equalinfo_codec::range_coder::WIDE_TOTAL;
use equalinfo_codec::{RangeDecoder, RangeEncoder};
use serde::{Deserialize, Serialize};

use super::measure::{MeasureOptions, Opened};
use crate::error::{Result, TrainError};
use crate::graph::ModelConfig;
use crate::sampler::Sampler;

/// An M2, and tokens that it codes.
pub struct Prover {
    model: ModelConfig,
    parameters: Arc<Vec<f32>>,
    rows: Vec<Row>,
    threads: usize,
}

/// Tokens as M2 codes them, see [`Prover::encode`].
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// A code string for the rows of each thread; before them the lengths of all but the last, 4 bytes each,
    /// little-endian.
    pub code: Vec<u8>,
    /// What the probabilities that they were coded with amount to.
    pub bits: f64,
}

/// What tokens take as a code that decodes to them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Bytes of the code.
    pub bytes: usize,
    /// Eight times as many over the bytes of text.
    pub bits_per_byte: f64,
    /// The same of the probabilities that the tokens were coded with.
    pub computed_bits_per_byte: f64,
}

impl Prover {
    /// The rows that [`measure`](super::measure()) measures with these options; each thread codes a part of them, on
    /// the CPU.
    ///
    /// # Errors
    /// The checkpoint and the tokens do not belong together or cannot be read, or no token has a loss.
    pub fn open(options: &MeasureOptions) -> Result<Self> {
        let Opened { checkpoint, rows, .. } = Opened::new(options)?;
        let count = options.rows.unwrap_or(usize::MAX).min(rows.manifest().rows());
        let rows = (0..count).map(|index| rows.row(index)).collect::<Result<_, _>>()?;
        Self::new(checkpoint.state.model, checkpoint.training.parameters, rows, options.threads)
    }

    fn new(model: ModelConfig, parameters: Vec<f32>, rows: Vec<Row>, threads: usize) -> Result<Self> {
        if rows.iter().all(|row| row.scored() == 0) {
            return Err(TrainError::NoTokens);
        }
        Ok(Self { model, parameters: parameters.into(), rows, threads: threads.max(1) })
    }

    /// The rows of each thread, with the number of the first.
    fn parts(&self) -> impl ExactSizeIterator<Item = (usize, &[Row])> {
        let part = self.rows.len().div_ceil(self.threads);
        self.rows.chunks(part).enumerate().map(move |(number, rows)| (number * part, rows))
    }

    fn coder(&self) -> Coder {
        Coder { sampler: Sampler::new(self.model.clone(), self.parameters.clone()), counts: Vec::new() }
    }

    /// Codes the tokens.
    ///
    /// # Errors
    /// The model's output is no number ([`TrainError::NoNumber`]).
    pub fn encode(&self) -> Result<Encoded> {
        let (mut lengths, mut codes, mut bits) = (Vec::new(), Vec::new(), 0.0);
        ordered(
            self.threads,
            self.parts().map(Ok),
            || Ok(self.coder()),
            |coder, (first, rows)| coder.encode(first, rows),
            |part| {
                let Encoded { code, bits: of_part } = part?;
                lengths.push(code.len() as u32);
                codes.extend(code);
                bits += of_part;
                Ok::<_, TrainError>(())
            },
        )?;
        lengths.pop();
        let lengths = lengths.iter().flat_map(|length| length.to_le_bytes());
        Ok(Encoded { code: lengths.chain(codes).collect(), bits })
    }

    /// Decodes a code, and compares with the tokens.
    ///
    /// # Errors
    /// It decodes to others ([`TrainError::Unproven`]), or is not the code of these ([`TrainError::OtherCode`]).
    pub fn verify(&self, code: &[u8]) -> Result<()> {
        let parts = self.parts().len();
        let (lengths, mut rest) = code.split_at_checked(4 * (parts - 1)).ok_or(TrainError::OtherCode)?;
        let lengths =
            lengths.chunks_exact(4).map(|bytes| bytes.iter().rev().fold(0, |all, &b| all << 8 | usize::from(b)));
        let mut strings = Vec::with_capacity(parts);
        for length in lengths {
            let (string, more) = rest.split_at_checked(length).ok_or(TrainError::OtherCode)?;
            strings.push(string);
            rest = more;
        }
        strings.push(rest);
        ordered(
            self.threads,
            self.parts().zip(strings).map(Ok),
            || Ok(self.coder()),
            |coder, ((first, rows), code)| coder.verify(first, rows, code),
            |verified| verified,
        )
    }

    /// What a code says that [`Self::verify`] took.
    pub fn proof(&self, encoded: &Encoded) -> Proof {
        let text = self.rows.iter().map(|row| row.text).sum::<u64>().max(1) as f64;
        let bytes = encoded.code.len();
        Proof { bytes, bits_per_byte: 8.0 * bytes as f64 / text, computed_bits_per_byte: encoded.bits / text }
    }
}

/// M2 as a coder of rows.
struct Coder {
    sampler: Sampler,
    /// How likely each token is to be the next, in shares of [`WIDE_TOTAL`].
    counts: Vec<u32>,
}

impl Coder {
    /// A code string for these rows; the first of them is number `first`.
    fn encode(&mut self, first: usize, rows: &[Row]) -> Result<Encoded> {
        let tokens: usize = rows.iter().map(Row::scored).sum();
        // A token costs at most 32 bits, and next to nothing for rounding.
        let (mut code, mut bits) = (vec![0; 4 * tokens + tokens / 256 + 16], 0.0);
        let mut encoder = RangeEncoder::new(&mut code);
        for (number, row) in (first..).zip(rows) {
            self.row(number, row, |counts, position| {
                let id = row.ids[position];
                let (start, count) = (counts[..id as usize].iter().sum(), counts[id as usize]);
                encoder.encode_wide(start, count);
                bits += 32.0 - f64::from(count).log2();
                Ok(id)
            })?;
        }
        let length = encoder.finish().ok_or(TrainError::OtherCode)?;
        code.truncate(length);
        Ok(Encoded { code, bits })
    }

    /// Decodes a code string, and compares with these rows.
    fn verify(&mut self, first: usize, rows: &[Row], code: &[u8]) -> Result<()> {
        let mut decoder = RangeDecoder::new();
        let mut left = code.iter();
        let mut feed = |decoder: &mut RangeDecoder| {
            while decoder.wants_input() {
                decoder.feed(left.next().copied().unwrap_or(0));
            }
        };
        for (number, row) in (first..).zip(rows) {
            self.row(number, row, |counts, position| {
                feed(&mut decoder);
                let found = decoder.decode_wide(|place| {
                    let mut start = 0u64;
                    (0..).zip(counts).find_map(|(id, &count)| {
                        let end = start + u64::from(count);
                        let interval = (id, start as u32, count);
                        start = end;
                        (u64::from(place) < end).then_some(interval)
                    })
                });
                let expected = row.ids[position];
                match found {
                    Some(id) if id == expected => Ok(id),
                    found => {
                        let found = found.map_or_else(|| "no token".to_owned(), |id: u32| format!("token {id}"));
                        Err(TrainError::Unproven { row: number, position, found, expected })
                    }
                }
            })?;
        }
        feed(&mut decoder);
        let is_whole = decoder.is_canonical() && left.next().is_none() && code.last() != Some(&0);
        if is_whole { Ok(()) } else { Err(TrainError::OtherCode) }
    }

    /// Walks through a row. `next` gets the counts for each token with a loss and its position, and returns the token.
    fn row(&mut self, number: usize, row: &Row, mut next: impl FnMut(&[u32], usize) -> Result<u32>) -> Result<()> {
        self.sampler.reset();
        let mut symbol = self.sampler.start_symbol();
        for position in 0..row.ids.len() {
            let logits = self.sampler.push(symbol);
            symbol = match row.ids.get(position).filter(|_| position < row.given) {
                Some(&given) => given,
                None => {
                    if !logits.iter().all(|logit| logit.is_finite()) {
                        return Err(TrainError::NoNumber { row: number, position });
                    }
                    count(&logits, &mut self.counts);
                    next(&self.counts, position)?
                }
            };
        }
        Ok(())
    }
}

/// The softmax of logits as counts: each is at least 1, and together they are less than [`WIDE_TOTAL`].
fn count(logits: &[f32], counts: &mut Vec<u32>) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = || logits.iter().map(|&logit| f64::from(logit - largest).exp());
    // What each gets in any case, and as much for rounding.
    let shared = WIDE_TOTAL - 2 * logits.len() as u64 - 1;
    let factor = shared as f64 / weights().sum::<f64>();
    counts.clear();
    counts.extend(weights().map(|weight| 1 + (factor * weight) as u32));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::initial_parameters;
    use equalinfo::random::Random;

    /// An M2 of a vocabulary with sharp predictions, and rows that it finds as likely as any, some with given tokens.
    fn prover(vocabulary: usize, rows: usize, threads: usize) -> Prover {
        let model = ModelConfig { layers: 1, heads: 1, feed_forward: 64, context: 24, vocabulary, ngrams: Vec::new() };
        let mut random = Random::new(3);
        let mut parameters = initial_parameters(&model, 5);
        parameters.iter_mut().for_each(|parameter| *parameter *= 2.0);
        let row = |number: usize, random: &mut Random| {
            let ids: Vec<u32> = (0..24 - number % 5).map(|_| random.below(vocabulary) as u32).collect();
            Row { ids, given: if number % 4 == 3 { 7 } else { 0 }, text: 40 }
        };
        let rows = (0..rows).map(|number| row(number, &mut random)).collect();
        Prover::new(model, parameters, rows, threads).unwrap()
    }

    #[test]
    fn a_code_is_as_long_as_it_was_computed_and_decodes() {
        for (vocabulary, rows, threads) in [(257, 21, 1), (257, 21, 4), (300, 3, 8), (65_537, 2, 2)] {
            let prover = prover(vocabulary, rows, threads);
            let encoded = prover.encode().unwrap();
            prover.verify(&encoded.code).unwrap();
            let proof = prover.proof(&encoded);
            // A byte more for each string, and the lengths of all but one.
            let strings = rows.min(threads);
            let most = encoded.bits / 8.0 + (5 * strings - 3) as f64;
            assert!((encoded.bits / 8.0 - strings as f64..most).contains(&(proof.bytes as f64)), "{proof:?}");
            assert!((proof.bits_per_byte - 8.0 * encoded.code.len() as f64 / (40 * rows) as f64).abs() < 1e-9);
            let tokens: usize = prover.rows.iter().map(Row::scored).sum();
            assert!(encoded.bits > 4.0 * tokens as f64 && encoded.bits < 32.0 * tokens as f64, "{proof:?}");
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let prover = prover(257, 6, 2);
        let Encoded { mut code, .. } = prover.encode().unwrap();
        for bit in 0..8 * code.len() {
            code[bit / 8] ^= 1 << (bit % 8);
            assert!(prover.verify(&code).is_err(), "bit {bit}");
            code[bit / 8] ^= 1 << (bit % 8);
        }
        prover.verify(&code).unwrap();
        for other in [&code[..code.len() - 1], &[&code[..], &[0]].concat(), &[]] {
            assert!(prover.verify(other).is_err());
        }
        code[7] ^= 0x80;
        let error = prover.verify(&code).unwrap_err().to_string();
        assert!(error.starts_with("row ") && error.contains("expected token"), "{error}");
    }

    #[test]
    fn a_model_without_numbers_proves_nothing() {
        let mut prover = prover(257, 2, 1);
        prover.parameters = Arc::new(vec![f32::NAN; prover.parameters.len()]);
        assert!(matches!(prover.encode(), Err(TrainError::NoNumber { row: 0, position: 0 })));
        prover.rows.clear();
        assert!(Prover::new(prover.model, Vec::new(), prover.rows, 1).is_err());
    }

    #[test]
    fn counts_are_those_of_the_softmax() {
        let mut counts = Vec::new();
        for logits in [vec![0.0; 65_537], vec![1e30, -1e30, 0.0], vec![5.0], vec![3.0, 2.0, 1.0, -80.0]] {
            count(&logits, &mut counts);
            let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
            assert!(counts.iter().all(|&count| count >= 1));
            assert!((WIDE_TOTAL - 4 * logits.len() as u64..WIDE_TOTAL).contains(&total), "{total}");
        }
        assert!((f64::from(counts[0]) / f64::from(counts[1]) - 1f64.exp()).abs() < 1e-6);
    }
}
