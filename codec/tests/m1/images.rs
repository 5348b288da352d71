//! Random images with values of the size that real ones have, written as `docs/m1q.md` lists the fields.

use std::collections::BTreeMap;

use equalinfo_codec::m1::Config;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn text(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| if self.below(4) == 0 { self.next() as u8 } else { b'a' + self.below(8) as u8 }).collect()
    }
}

/// An image with the offset of each section by name; sections of layer `i` are named `i.section`.
pub struct Built {
    pub bytes: Vec<u8>,
    pub offsets: BTreeMap<String, usize>,
}

impl Built {
    /// Makes length, id and checksum agree with the content again.
    pub fn seal(&mut self) {
        let length = self.bytes.len() as u32;
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        let id = self.bytes[20..]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        self.bytes[8..16].copy_from_slice(&id.to_le_bytes());
        let mut crc = !0u32;
        for &byte in self.bytes[..16].iter().chain(&self.bytes[20..]) {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            }
        }
        self.bytes[16..20].copy_from_slice(&(!crc).to_le_bytes());
    }

    fn section(&mut self, name: impl Into<String>, bytes: impl IntoIterator<Item = u8>) {
        self.offsets.insert(name.into(), self.bytes.len());
        self.bytes.extend(bytes);
    }

    fn weights(&mut self, name: impl Into<String>, count: usize, random: &mut Random) {
        // Of every pair of columns, the first in offset binary.
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

/// A random image; the same seed gives the same bytes everywhere.
pub fn build(config: Config, seed: u64) -> Built {
    let mut random = Random(seed);
    let random = &mut random;
    let Config { d, ff, context, layers, heads } = config;
    let mut image = Built { bytes: b"M1Q2".to_vec(), offsets: BTreeMap::new() };
    image.bytes.resize(20, 0);
    image.section(
        "dimensions",
        [d, ff, context].iter().flat_map(|&n| (n as u16).to_le_bytes()).chain([layers as u8, heads as u8]),
    );
    image.section("name", *b"random\0\0\0\0\0\0\0\0\0\0");
    let norm = ((d as f64).sqrt() * 32.0 * f64::from(1 << 20)).round() as u32;
    image.section("output norm", norm.to_le_bytes());
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
    image.seal();
    image
}
