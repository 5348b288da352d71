//! Random images with values of realistic magnitude, and the fields in the order of `docs/m1q.md`.

use std::collections::BTreeMap;

use equalinfo_codec::m1::Config;
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

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn text(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| if self.below(4) == 0 { self.next() as u8 } else { b'a' + self.below(8) as u8 }).collect()
    }
}

/// CRC-32 as in zip.
fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = !0u32;
    for &byte in parts.iter().copied().flatten() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// An image, and the offset of each section by name. Sections of layer `i` are named `i.section`.
pub struct Built {
    pub bytes: Vec<u8>,
    pub offsets: BTreeMap<String, usize>,
}

impl Built {
    /// Sets the length, the id and the checksum according to the content.
    pub fn seal(&mut self) {
        let length = self.bytes.len() as u32;
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        let id = self.bytes[24..]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        self.bytes[8..16].copy_from_slice(&id.to_le_bytes());
        self.seal_parts();
    }

    /// Makes both checksums agree with what they are of.
    pub fn seal_parts(&mut self) {
        let content = crc(&[&self.bytes[68..]]);
        self.bytes[16..20].copy_from_slice(&content.to_le_bytes());
        let header = crc(&[&self.bytes[..20], &self.bytes[24..68]]);
        self.bytes[20..24].copy_from_slice(&header.to_le_bytes());
    }

    fn section(&mut self, name: impl Into<String>, bytes: impl IntoIterator<Item = u8>) {
        self.offsets.insert(name.into(), self.bytes.len());
        self.bytes.extend(bytes);
    }

    fn weights(&mut self, name: impl Into<String>, count: usize, random: &mut Random) {
        // The first of each pair of columns is stored with an offset of 128.
        let first = |index: usize| if index.is_multiple_of(2) { 128 } else { 0 };
        let weights: Vec<u8> = (0..count).map(|index| (random.below(255) as i32 - 127 + first(index)) as u8).collect();
        self.section(name, weights);
    }

    /// Requantizers with factors between `2^(14-shift)` and `2^(15-shift)`.
    fn requantizers(&mut self, name: impl Into<String>, count: usize, shift: u8, random: &mut Random) {
        let bytes: Vec<u8> = (0..count)
            .flat_map(|_| {
                let [low, high] = (16384 + random.below(16384) as u16).to_le_bytes();
                [low, high, shift, 0]
            })
            .collect();
        self.section(name, bytes);
    }
}

/// Rows of n-gram tables of two to six symbols: an odd number, none, many, one.
pub const ROWS: [u16; 5] = [7, 0, 300, 0, 1];

/// A random image with n-gram tables and mixer weights; the same seed gives the same bytes everywhere.
pub fn build(config: Config, seed: u64) -> Built {
    build_with(config, ROWS, 12, seed)
}

/// A random image with these tables.
pub fn build_with(config: Config, rows: [u16; 5], mixer: usize, seed: u64) -> Built {
    let mut random = Random::new(seed);
    let random = &mut random;
    let Config { d, ff, context, layers, heads } = config;
    let mut image = Built { bytes: b"M1Q3".to_vec(), offsets: BTreeMap::new() };
    image.bytes.resize(24, 0);
    image.section(
        "dimensions",
        [d, ff, context].iter().flat_map(|&n| (n as u16).to_le_bytes()).chain([layers as u8, heads as u8]),
    );
    image.section("name", *b"random\0\0\0\0\0\0\0\0\0\0");
    let norm = ((d as f64).sqrt() * 32.0 * f64::from(1 << 20)).round() as u32;
    image.section("output norm", norm.to_le_bytes());
    image.section("rows", rows.iter().flat_map(|rows| rows.to_le_bytes()));
    image.section("reserved", [0, 0]);
    image.section("mixer length", (mixer as u32).to_le_bytes());
    let power = |f: i32| (65536.0 * (f64::from(-f) / 256.0).exp2()).round().min(65535.0) as u16;
    image.section("powers", (0..256).flat_map(|f| power(f).to_le_bytes()));
    image.section("buckets", (0..128u8).map(|distance| distance.min(16 + distance / 9).min(31)));
    image.weights("embedding", 257 * d, random);
    image.requantizers("input", 257, 25, random);
    image.requantizers("logit", 256, 23, random);
    for layer in 0..layers {
        let name = |section: &str| format!("{layer}.{section}");
        image.section(name("attention norm"), norm.to_le_bytes());
        image.weights(name("qkv weights"), 3 * d * d, random);
        image.requantizers(name("qkv"), 3 * d, 23, random);
        image.requantizers(name("score"), 1, 27, random);
        image.requantizers(name("output"), 1, 14, random);
        let bias: Vec<u8> = (0..32 * heads).flat_map(|_| (random.below(1500) as i16 - 1000).to_le_bytes()).collect();
        image.section(name("bias"), bias);
        image.weights(name("out weights"), d * d, random);
        image.requantizers(name("out"), d, 17, random);
        image.section(name("feed-forward norm"), norm.to_le_bytes());
        image.weights(name("gate weights"), ff * d, random);
        image.weights(name("linear weights"), ff * d, random);
        image.requantizers(name("gate"), ff, 17, random);
        image.requantizers(name("linear"), ff, 17, random);
        image.requantizers(name("reglu"), 1, 33, random);
        image.weights(name("down weights"), d * ff, random);
        image.requantizers(name("down"), d, 19, random);
    }
    for (index, &rows) in rows.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        let (rows, order) = (usize::from(rows), index + 2);
        let values: Vec<u8> = (0..rows * d / 2).map(|_| random.next() as u8).collect();
        image.section(format!("{order} values"), values);
        // Values of some thousands, as the embedding has them.
        let factors: Vec<u8> = (0..rows).flat_map(|_| (random.below(1200) as u16).to_le_bytes()).collect();
        image.section(format!("{order} factors"), factors);
        image.section(format!("{order} fill"), vec![0; rows % 2 * 2]);
    }
    let mixer: Vec<u8> = (0..mixer).map(|_| random.next() as u8).collect();
    image.section("mixer", mixer);
    image.seal();
    image
}
