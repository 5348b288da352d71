//! Shared helpers of the end-to-end tests: a sandbox that runs the tool, texts, and a model small enough to be made on the spot.

mod sandbox;

use equalinfo::ByteFrequencies;
use equalinfo::quantize::{ActivationScales, FloatLayer, FloatM1, FloatTable, quantize_model};
use equalinfo_codec::checksum::{image_checksum, image_id};
use equalinfo_codec::m1::Config;

pub use sandbox::{Run, Sandbox};

/// `alice29.txt` of the Canterbury corpus.
pub const ALICE: &[u8] = include_bytes!("../data/alice29.txt");

/// Random numbers of a seed, the same in every run.
pub struct Random(equalinfo::random::Random);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(equalinfo::random::Random::new(seed))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in -1..1.
    pub fn symmetric(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Bytes without any structure.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.bits().to_le_bytes()).take(length).collect()
    }
}

/// A `.m1q` image with one layer: it predicts bytes by their frequency in English, disturbed a little by the context,
/// so that text becomes smaller and every part of a model takes part. Models of different seeds have different ids.
pub fn tiny_model(seed: u64) -> Vec<u8> {
    const D: usize = 64;
    let config = Config { d: D, ff: D, context: 64, layers: 1, heads: 1 };
    let english = ByteFrequencies::english();
    let mut random = Random::new(seed);
    let mut noise = |count: usize, size: f32| -> Vec<f32> { (0..count).map(|_| size * random.symmetric()).collect() };
    // With every row along one direction, the normalized residual is that direction whatever was read, and the logit
    // of a byte is the length of its row: here the logarithm of its count.
    let mut embedding = noise(257 * D, 0.02);
    for (row, values) in embedding.chunks_mut(D).enumerate() {
        let count = u8::try_from(row).map_or(256, |byte| english.frequencies().count(byte));
        let length = ((count as f32).ln() + 1.0) / (D as f32).sqrt();
        for value in values {
            *value += length / (D as f32).sqrt();
        }
    }
    let layer = FloatLayer {
        qkv: noise(3 * D * D, 0.1),
        bias: noise(32, 1.0),
        out: noise(D * D, 0.05),
        gate: noise(D * D, 0.1),
        linear: noise(D * D, 0.1),
        down: noise(D * D, 0.05),
    };
    let ngrams = [(2, 60), (4, 101)].map(|(order, rows)| FloatTable { order, values: noise(rows * D, 0.01) }).into();
    let model = FloatM1 { config, name: format!("tiny-{seed}"), embedding, layers: vec![layer], ngrams };
    quantize_model(&model, &ActivationScales::new(&config)).expect("scales that suit these weights")
}

/// A `.m1q` image with its length, id and checksums made right, as a stranger would.
pub fn resealed(mut image: Vec<u8>) -> Vec<u8> {
    if image.len() < 68 {
        return image;
    }
    let length = image.len() as u32;
    image[4..8].copy_from_slice(&length.to_le_bytes());
    let id = image_id(&image[24..]);
    image[8..16].copy_from_slice(&id.to_le_bytes());
    let content = image_checksum(&[], &image[68..]);
    image[16..20].copy_from_slice(&content.to_le_bytes());
    let header = image_checksum(&image[..20], &image[24..68]);
    image[20..24].copy_from_slice(&header.to_le_bytes());
    image
}

/// Texts that have broken compressors: empty, one byte, zeros, many scripts, a character cut in two, every byte value.
pub fn awkward_texts() -> Vec<(&'static str, Vec<u8>)> {
    let scripts = "English, \u{e4}\u{f6}\u{fc}\u{df}; \u{395}\u{3bb}\u{3bb}\u{3b7}\u{3bd}\u{3b9}\u{3ba}\u{3ac}; \u{420}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{439}; \u{5e2}\u{5d1}\u{5e8}\u{5d9}\u{5ea}; \u{627}\u{644}\u{639}\u{631}\u{628}\u{64a}\u{629}; \u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}; \u{4e2d}\u{6587}; \u{65e5}\u{672c}\u{8a9e}; \u{d55c}\u{ad6d}\u{c5b4}; \u{1f600}\u{1f680}\n";
    let repeated = scripts.repeat(20).into_bytes();
    let cut = repeated[..repeated.len() - 2].to_vec();
    vec![
        ("empty", Vec::new()),
        ("one byte", vec![b'x']),
        ("one odd byte", vec![0xff]),
        ("zeros", vec![0; 10_000]),
        ("scripts", repeated),
        ("cut in mid-character", cut),
        ("every byte", (0..=255).cycle().take(2000).collect()),
        ("line ends", b"a\r\nb\n\nc\r".to_vec()),
        ("noise", Random::new(7).bytes(5000)),
    ]
}
