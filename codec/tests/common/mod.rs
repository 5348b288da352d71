//! Deterministic models and random numbers for the tests.
#![allow(dead_code)] // Each test binary uses its own part.

use equalinfo_codec::container::{
    BlockHeader, END_MARKER, Header, IndexBuilder, Method, TABLE_LENGTH, encode_block, write_table,
};
use equalinfo_codec::{ByteModel, Frequencies, StaticModel};

/// A small generator (splitmix64), so that tests depend on no crate's choice of one.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Frequencies that are a hash of the byte before, and nearly flat where there is none, so that windows and blocks
/// of a sampled text compress as well as the whole. Sharpness 0 is nearly flat; 30 leaves about four bits a byte, and 200 about two.
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

    /// A text that this model finds likely.
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

/// An order-3 model of a text, mixed from the counts of its orders: a stand-in for M1 with English statistics.
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

/// Text for the tests that want English.
pub const ENGLISH: &str = include_str!("../../../LICENSE-APACHE");

/// A whole stream, as a host writes it.
pub fn write_stream(model: &mut impl ByteModel, header: &Header, text: &[u8]) -> Vec<u8> {
    let mut histogram = [0; 256];
    text.iter().for_each(|&byte| histogram[usize::from(byte)] += 1);
    let mut table = StaticModel(Frequencies::from_histogram(&histogram));
    let mut stream = header.to_bytes().to_vec();
    if header.method == Method::StaticAc {
        let mut bytes = [0; TABLE_LENGTH];
        let length = write_table(&table.0, &mut bytes);
        stream.extend_from_slice(&bytes[..length]);
    }
    let mut builder = IndexBuilder::new(header, stream.len());
    let mut index = Vec::new();
    let mut buffer = vec![0; header.block_size as usize + BlockHeader::LENGTH];
    for (number, text) in (0..).zip(text.chunks(header.block_size as usize)) {
        let block = match header.method {
            Method::StaticAc => encode_block(&mut table, header, number, text, &mut buffer),
            _ => encode_block(model, header, number, text, &mut buffer),
        };
        let block = block.unwrap();
        let entry = builder.add(&block);
        if number > 0 {
            index.extend_from_slice(&entry.to_bytes());
        }
        stream.extend_from_slice(&buffer[..block.stream_length() as usize]);
    }
    stream.extend_from_slice(&END_MARKER);
    stream.extend_from_slice(&index);
    stream.extend_from_slice(&builder.trailer().to_bytes());
    stream
}
