//! Deterministic models and random numbers for the tests.
#![allow(dead_code)] // Each test binary uses its own part.

use equalinfo_codec::container::{Header, encode_stream, stream_bound};
use equalinfo_codec::mix::Coder;
use equalinfo_codec::{ByteModel, Frequencies};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// Random numbers that are the same on every machine.
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A hash: what the generator gives in state `z`, to which it adds its constant first.
fn mix(z: u64) -> u64 {
    SplitMix64::seed_from_u64(z.wrapping_sub(0x9e37_79b9_7f4a_7c15)).next_u64()
}

/// A model whose frequencies are a hash of the byte before, and nearly flat without one, so that windows and blocks of
/// a sampled text compress as well as the whole. Sharpness 0 is nearly flat, 30 leaves about four bits per byte, and
/// 200 about two.
#[derive(Clone)]
pub struct HashModel {
    seed: u64,
    sharpness: u32,
    context: Option<u8>,
    frequencies: Frequencies,
    fresh: bool,
    pub evaluations: usize,
}

impl HashModel {
    pub fn new(seed: u64, sharpness: u32) -> Self {
        let frequencies = Frequencies::uniform();
        Self { seed, sharpness, context: None, frequencies, fresh: false, evaluations: 0 }
    }

    /// A text that is likely under this model.
    pub fn sample(&mut self, random: &mut Random, length: usize) -> Vec<u8> {
        self.reset();
        (0..length)
            .map(|_| {
                let byte = self.frequencies().find(random.below(65536) as u32);
                self.push(byte);
                byte
            })
            .collect()
    }
}

impl ByteModel for HashModel {
    fn reset(&mut self) {
        self.context = None;
        self.fresh = false;
    }

    fn frequencies(&mut self) -> &Frequencies {
        if !self.fresh {
            let (context, sharpness) = match self.context {
                Some(byte) => (mix(self.seed ^ u64::from(byte)), self.sharpness),
                None => (self.seed, self.sharpness.min(6)),
            };
            self.frequencies.set_weights(|byte| {
                let hash = mix(context ^ (u64::from(byte) << 32));
                let drop = ((hash & 0xffff) * u64::from(sharpness)) >> 16;
                ((hash >> 48) >> drop.min(16)) as u16
            });
            self.fresh = true;
            self.evaluations += 1;
        }
        &self.frequencies
    }

    fn push(&mut self, byte: u8) {
        self.context = Some(byte);
        self.fresh = false;
    }
}

/// An order-3 model of a text, mixed from the counts of all orders: it replaces M1 where a test needs English
/// statistics.
pub struct NgramModel {
    counts: Vec<std::collections::HashMap<Vec<u8>, Vec<u32>>>,
    context: Vec<u8>,
    frequencies: Frequencies,
}

impl NgramModel {
    pub const ORDER: usize = 3;

    pub fn train(text: &[u8]) -> Self {
        let mut counts = vec![std::collections::HashMap::new(); Self::ORDER + 1];
        for position in 0..text.len() {
            for (order, counts) in counts.iter_mut().enumerate().take(position + 1) {
                let context = text[position - order..position].to_vec();
                counts.entry(context).or_insert_with(|| vec![0; 256])[usize::from(text[position])] += 1;
            }
        }
        Self { counts, context: Vec::new(), frequencies: Frequencies::uniform() }
    }
}

impl ByteModel for NgramModel {
    fn reset(&mut self) {
        self.context.clear();
    }

    fn frequencies(&mut self) -> &Frequencies {
        let mut mixed = [1u64; 256];
        for (order, counts) in self.counts.iter().enumerate().take(self.context.len() + 1) {
            if let Some(counts) = counts.get(&self.context[self.context.len() - order..]) {
                let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
                for (mixed, &count) in mixed.iter_mut().zip(counts) {
                    *mixed = *mixed / 4 + u64::from(count) * 60_000 / (total + 1);
                }
            }
        }
        self.frequencies.set_weights(|byte| mixed[usize::from(byte)].min(65535) as u16);
        &self.frequencies
    }

    fn push(&mut self, byte: u8) {
        if self.context.len() == Self::ORDER {
            self.context.remove(0);
        }
        self.context.push(byte);
    }
}

/// How much of an exhaustive test is left out, as of property tests: an emulated machine takes one place of so many.
pub fn stride() -> usize {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<usize>().ok());
    cases.map_or(1, |cases| 1 + 2 * (256usize.saturating_sub(cases) / 16))
}

/// English text.
pub const ENGLISH: &str = include_str!("../../LICENSE-APACHE");

/// A whole stream.
pub fn write_stream(coder: &mut impl Coder, header: &Header, text: &[u8]) -> Vec<u8> {
    let mut stream = vec![0; stream_bound(header, text.len())];
    let length = encode_stream(coder, header, text, &mut stream).unwrap();
    stream.truncate(length);
    stream
}
