//! Each inner loop against the codec's primitives, on random input that reaches every clamp and shift.

use std::sync::LazyLock;

use equalinfo_codec::Frequencies;
use equalinfo_codec::m1::image::{RESIDUAL_SHIFT, row_weights, weight_byte};
use equalinfo_codec::m1::ops::{clamp_i8, clamp_i16, exp2_neg, norm, reciprocal};
use equalinfo_codec::m1::{Kernels as _, Matrix, Portable, Requantizer};

use crate::engine::loops::{Head, Loops, Powers, Scratch};
#[cfg(target_arch = "aarch64")]
use crate::engine::neon::Neon;
use crate::engine::packed::{HeadCache, PackedMatrix};
#[cfg(target_arch = "x86_64")]
use crate::engine::{avx2::Avx2, avx512::Avx512};
use crate::random::Random;

/// Runs a generic check with every kernel that this processor supports.
macro_rules! with_every_kernel {
    ($check:ident) => {
        #[test]
        fn $check() {
            #[cfg(target_arch = "aarch64")]
            for kernels in [Neon::detect(), Neon::detect_with_dot()].into_iter().flatten() {
                checks::$check(kernels);
            }
            #[cfg(target_arch = "x86_64")]
            for kernels in [Avx2::detect(), Avx2::detect_with_vnni()].into_iter().flatten() {
                checks::$check(kernels);
            }
            #[cfg(target_arch = "x86_64")]
            for kernels in [Avx512::detect(), Avx512::detect_with_tiles()].into_iter().flatten() {
                checks::$check(kernels);
            }
        }
    };
}

with_every_kernel!(norms);
with_every_kernel!(matrices);
with_every_kernel!(gates);
with_every_kernel!(frequencies);
with_every_kernel!(attention);

/// An activation: often one of the ends.
fn activation(random: &mut Random) -> i8 {
    match random.below(8) {
        0 => 127,
        1 => -127,
        _ => random.below(255) as i8,
    }
    .max(-127)
}

fn requantizer(random: &mut Random, shifts: std::ops::Range<usize>) -> Requantizer {
    let shift = shifts.start + random.below(shifts.len());
    let multiplier = if random.below(8) == 0 { 32767 } else { random.below(1 << 15) as u16 };
    Requantizer::new(multiplier, shift as u8).unwrap()
}

/// A matrix whose rows range from none clamped to all clamped.
struct Source {
    weights: Vec<u8>,
    requantizers: Vec<[u8; 4]>,
    width: usize,
}

impl Source {
    fn new(random: &mut Random, rows: usize, width: usize) -> Self {
        let weights = (0..rows * width).map(|i| weight_byte(i, activation(random))).collect();
        let requantizers = (0..rows)
            .map(|_| {
                let requantizer = requantizer(random, 17..47);
                let [low, high] = requantizer.multiplier().to_le_bytes();
                [low, high, requantizer.shift(), 0]
            })
            .collect();
        Self { weights, requantizers, width }
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix { weights: &self.weights, requantizers: &self.requantizers, width: self.width }
    }

    /// The result of every row for one item.
    fn rows(&self, item: &[i8], scale: u32) -> Vec<i32> {
        let row = |(weights, requantizer): (&[u8], &[u8; 4])| {
            let weights: Vec<i8> = row_weights(weights).collect();
            Requantizer::from_image(*requantizer).apply(Portable::dot(&weights, item) << scale)
        };
        self.weights.chunks_exact(self.width).zip(&self.requantizers).map(row).collect()
    }
}

/// Converts between plain activations and the kernel's own form; the conversion is its own inverse.
fn convert<K: Loops>(kernels: K, bytes: &[u8]) -> Vec<u8> {
    bytes.as_chunks::<64>().0.iter().flat_map(|bytes| kernels.plain(bytes).map(|byte| byte as u8)).collect()
}

fn plain<K: Loops>(kernels: K, bytes: &[u8]) -> Vec<i8> {
    convert(kernels, bytes).into_iter().map(|byte| byte as i8).collect()
}

fn powers() -> &'static Powers {
    static POWERS: LazyLock<Powers> = LazyLock::new(|| {
        let power = |f: usize| libm::rint(65536.0 * libm::exp2(-(f as f64) / 256.0)).min(65535.0) as u16;
        Powers::new(std::array::from_fn(power))
    });
    &POWERS
}

fn table() -> &'static [[u8; 2]; 256] {
    static TABLE: LazyLock<[[u8; 2]; 256]> = LazyLock::new(|| powers().halves.map(u16::to_le_bytes));
    &TABLE
}

mod checks {
    use super::*;

    pub fn norms<K: Loops>(kernels: K) {
        let mut random = Random::new(1);
        for round in 0..3000 {
            let width = 64 * (1 + random.below(4));
            let bits = random.below(30) as u32;
            let sparse = round % 3 == 0;
            let mut x: Vec<i32> = (0..width).map(|_| random.below(1 << (bits + 1)) as i32 - (1 << bits)).collect();
            if sparse {
                x.iter_mut().enumerate().for_each(|(i, x)| *x *= i32::from(i % 61 == 7));
            }
            if round % 50 == 0 {
                x.fill(0);
            }
            let constant = random.next_u64() as u32 >> random.below(20);
            let mut expected = vec![0; width];
            norm(&x, constant, &mut expected);
            let mut found = vec![0; width];
            kernels.norm(&x, constant, &mut found);
            assert_eq!(plain(kernels, &found), expected, "round {round}");
        }
    }

    pub fn matrices<K: Loops>(kernels: K) {
        let mut random = Random::new(2);
        for items in (1..40).chain([64]) {
            let (rows, width) = (64 * (1 + random.below(3)), 64 * (1 + random.below(4)));
            let source = Source::new(&mut random, rows, width);
            let packed = PackedMatrix::new(&source.matrix(), K::PACKING);
            let plain_inputs: Vec<i8> = (0..items * width).map(|_| activation(&mut random)).collect();
            let inputs = convert(kernels, &plain_inputs.iter().map(|&a| a as u8).collect::<Vec<_>>());
            let expected = |scale| -> Vec<i32> {
                plain_inputs.chunks_exact(width).flat_map(|item| source.rows(item, scale)).collect()
            };

            let mut out = vec![0; items * rows];
            kernels.linear(&packed, &inputs, &mut out);
            let clamped: Vec<i8> = expected(0).into_iter().map(clamp_i8).collect();
            assert_eq!(plain(kernels, &out), clamped, "{items} items");

            let mut residual: Vec<i32> = (0..items * rows).map(|_| random.next_u64() as i32 >> 4).collect();
            let sums: Vec<i32> = residual.iter().zip(expected(RESIDUAL_SHIFT)).map(|(x, add)| x + add).collect();
            kernels.linear_add(&packed, &inputs, &mut residual);
            assert_eq!(residual, sums, "{items} items");

            let mut logits = vec![0; items * rows];
            kernels.logits(&packed, &inputs, &mut logits);
            assert_eq!(logits, expected(4), "{items} items");
        }
    }

    pub fn gates<K: Loops>(kernels: K) {
        let mut random = Random::new(3);
        for items in [1, 2, 3, 5, 16, 18, 35] {
            let (rows, width) = (128, 64 * (1 + random.below(2)));
            let halves = [(); 2].map(|()| Source::new(&mut random, rows, width));
            let reglu = requantizer(&mut random, 20..36);
            let plain_inputs: Vec<i8> = (0..items * width).map(|_| activation(&mut random)).collect();
            let inputs = convert(kernels, &plain_inputs.iter().map(|&a| a as u8).collect::<Vec<_>>());
            let expected: Vec<i8> = (plain_inputs.chunks_exact(width))
                .flat_map(|item| halves[0].rows(item, 0).into_iter().zip(halves[1].rows(item, 0)))
                .map(|(gate, linear)| {
                    clamp_i8(reglu.apply(i32::from(clamp_i16(gate).max(0)) * i32::from(clamp_i16(linear))))
                })
                .collect();
            let packed = halves.each_ref().map(|half| PackedMatrix::new(&half.matrix(), K::PACKING));
            let (mut scratch, mut out) = (vec![0; items * rows], vec![0; items * rows]);
            kernels.gated([&packed[0], &packed[1]], reglu, &inputs, &mut scratch, &mut out);
            assert_eq!(plain(kernels, &out), expected, "{items} items");
        }
    }

    pub fn frequencies<K: Loops>(kernels: K) {
        let mut random = Random::new(4);
        for round in 0..2000 {
            let spread = 1usize << random.below(27);
            let logits: [i32; 256] = std::array::from_fn(|_| random.below(spread) as i32 - (spread / 2) as i32);
            let largest = *logits.iter().max().unwrap();
            let mut expected = Frequencies::uniform();
            expected.set_weights(|byte| exp2_neg(table(), largest - logits[usize::from(byte)]));
            assert!(kernels.frequencies(&logits, powers()) == expected, "round {round} spread {spread}");
        }
    }

    pub fn attention<K: Loops>(kernels: K) {
        let mut random = Random::new(5);
        for round in 0..300 {
            let length = if round < 64 { round + 1 } else { 1 + random.below(256) };
            let mut vector = || -> [i8; 64] { std::array::from_fn(|_| activation(&mut random)) };
            let query = vector();
            let cached: Vec<([i8; 64], [i8; 64])> = (0..length).map(|_| (vector(), vector())).collect();
            let mut cache = HeadCache::new(256);
            // What an earlier text left beyond the newest position must not matter.
            for position in 0..256 {
                cache.store(K::CACHE, position, &[127; 64], &[127; 64]);
            }
            for (position, (key, value)) in cached.iter().enumerate() {
                cache.store(K::CACHE, position, key, value);
            }
            let biases: Vec<i32> = (0..256).map(|_| i32::from(random.next_u64() as i16)).collect();
            let score = requantizer(&mut random, 17..34);
            let output = (random.below(1 << 15) as u16, (3 + random.below(22)) as u8);

            let scores: Vec<i32> = cached
                .iter()
                .zip(&biases)
                .map(|((key, _), bias)| score.apply(Portable::dot(&query, key) << 8) + bias)
                .collect();
            let largest = *scores.iter().max().unwrap();
            let weights: Vec<i32> =
                scores.iter().map(|score| i32::from(exp2_neg(table(), largest - score) >> 1)).collect();
            let (r, n) = reciprocal(weights.iter().sum::<i32>() as u32);
            let multiplier = ((u64::from(r) * u64::from(output.0)) >> 16) as u16;
            let requantizer = Requantizer::new(multiplier, (15 + n + i32::from(output.1)) as u8).unwrap();
            let expected: [i8; 64] =
                std::array::from_fn(|c| {
                    clamp_i8(requantizer.apply(
                        weights.iter().zip(&cached).map(|(weight, (_, value))| weight * i32::from(value[c])).sum(),
                    ))
                });

            let query: [u8; 64] = convert(kernels, &query.map(|q| q as u8)).try_into().unwrap();
            let head = Head { cache: &cache, biases: &biases, length, score, output, powers: powers() };
            let mut found = [0; 64];
            kernels.attend(&head, &query, &mut Scratch::default(), &mut found);
            assert_eq!(kernels.plain(&found), expected, "round {round} length {length}");
        }
    }
}
