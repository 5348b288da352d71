//! M1 computes what the specification defines.

use equalinfo_codec::m1::image::weight;
use equalinfo_codec::m1::{Config, Kernels, M1, Matrix, Model, ModelError, Requantizer};
use equalinfo_codec::{ByteModel, Frequencies};

use super::images::{Random, build, build_with};
use super::restatement::Restatement;

const CONFIGS: [Config; 3] = [
    Config { d: 64, ff: 192, context: 64, layers: 2, heads: 1 },
    Config { d: 128, ff: 64, context: 33, layers: 3, heads: 2 },
    Config { d: 64, ff: 64, context: 256, layers: 1, heads: 1 },
];

fn bounds(frequencies: &Frequencies) -> Vec<i64> {
    (0..=255).map(|byte| i64::from(frequencies.start(byte))).collect()
}

fn with_m1<T>(image: &[u8], context: usize, run: impl FnOnce(&mut M1) -> T) -> T {
    let model = Model::load(image).unwrap();
    let config = model.config();
    let (mut bytes, mut words) = (vec![99; config.byte_buffer(context)], vec![99; config.word_buffer(context)]);
    run(&mut M1::new(&model, context, &mut bytes, &mut words).unwrap())
}

#[test]
fn frequencies_are_those_of_the_specification() {
    let without = |(seed, config)| (config, build_with(config, [0; 5], 0, seed));
    let models = (1..).zip(CONFIGS).map(|(seed, config)| (config, build(config, seed)));
    for (seed, (config, image)) in (1..).zip(models.chain((1..).zip(CONFIGS).map(without))) {
        // With a small alphabet, the same bytes are cached repeatedly.
        for (context, alphabet) in [(config.context, 256), (config.context, 12), (7, 4), (1, 2)] {
            let mut text = Random::new(seed).text(config.context + 40);
            text.iter_mut().for_each(|byte| *byte = (usize::from(*byte) % alphabet) as u8);
            let expected = Restatement::new(&image.bytes).trace(&text, context);
            let largest = |bounds: &[i64]| {
                bounds.iter().zip(bounds.iter().skip(1).chain([&65536])).map(|(a, b)| b - a).max().unwrap()
            };
            assert!(
                expected.iter().any(|bounds| largest(bounds) > 4000),
                "the model must say something for this to be a test"
            );
            with_m1(&image.bytes, context, |m1| {
                for (position, expected) in expected.iter().enumerate() {
                    assert_eq!(&bounds(m1.frequencies()), expected, "{config:?} context {context} position {position}");
                    if let Some(&byte) = text.get(position) {
                        m1.push(byte);
                    }
                }
            });
        }
    }
}

#[test]
fn a_reset_forgets_everything() {
    let image = build(CONFIGS[0], 5);
    let mut random = Random::new(6);
    let context = 12;
    with_m1(&image.bytes, context, |used| {
        for _ in 0..60 {
            let mut expected = Vec::new();
            let length = random.below(30) as usize;
            let mut text = random.text(length);
            if random.below(2) == 0 {
                text.iter_mut().for_each(|byte| *byte %= 5);
            }
            with_m1(&image.bytes, context, |fresh| {
                for &byte in &text {
                    expected.push(fresh.frequencies().clone());
                    fresh.push(byte);
                }
                expected.push(fresh.frequencies().clone());
            });
            used.reset();
            for (position, expected) in expected.iter().enumerate() {
                // Frequencies that are not asked for change nothing.
                if random.below(3) > 0 {
                    assert_eq!(used.frequencies(), expected, "length {length} position {position}");
                }
                if let Some(&byte) = text.get(position) {
                    used.push(byte);
                }
            }
        }
    });
}

#[test]
fn other_kernels_give_the_same() {
    /// Sums backwards, and omits numbers that are not needed.
    #[derive(Debug)]
    struct Backwards;
    impl Backwards {
        fn row(rows: &Matrix, row: usize, activations: &[i8], scale: u32) -> i32 {
            let n = activations.len();
            assert_eq!((rows.width, rows.weights.len()), (n, n * rows.requantizers.len()));
            let products =
                (0..n).rev().map(|i| i32::from(weight(i, rows.weights[row * n + i])) * i32::from(activations[i]));
            Self::requantize(Requantizer::from_image(rows.requantizers[row]), products.sum::<i32>() << scale)
        }
    }
    impl Kernels for Backwards {
        type Prepared<'a> = Vec<i8>;

        fn prepare(activations: &[i8], scratch: &mut [i32]) -> Vec<i8> {
            assert!(activations.len().is_multiple_of(64) && scratch.len() >= 64);
            scratch.fill(-1);
            activations.to_vec()
        }

        fn project(rows: &Matrix, activations: &Vec<i8>, scale: u32, out: &mut [i32]) {
            assert!(out.len() == rows.requantizers.len() && out.len().is_multiple_of(64));
            out.iter_mut().enumerate().for_each(|(row, out)| *out = Self::row(rows, row, activations, scale));
        }

        fn project_gated(rows: &Matrix, activations: &Vec<i8>, gates: &[i32], out: &mut [i32]) {
            assert_eq!(gates.len(), out.len());
            for (row, (out, &gate)) in out.iter_mut().zip(gates).enumerate() {
                *out = if gate > 0 { Self::row(rows, row, activations, 0) } else { i32::MIN };
            }
        }

        fn dot(a: &[i8], b: &[i8]) -> i32 {
            a.iter().zip(b).rev().map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
        }

        fn requantize(requantizer: Requantizer, x: i32) -> i32 {
            let (multiplier, shift) = (i64::from(requantizer.multiplier()), requantizer.shift());
            ((i64::from(x) * multiplier + (1 << (shift - 1))) >> shift) as i32
        }
    }
    let image = build(CONFIGS[1], 8);
    let model = Model::load(&image.bytes).unwrap();
    let config = model.config();
    let (mut bytes, mut words) = (vec![0; config.byte_buffer(9)], vec![0; config.word_buffer(9)]);
    let mut other = M1::<Backwards>::with_kernels(&model, 9, &mut bytes, &mut words).unwrap();
    with_m1(&image.bytes, 9, |m1| {
        for byte in Random::new(9).text(25) {
            assert_eq!(m1.frequencies(), other.frequencies());
            m1.push(byte);
            other.push(byte);
        }
    });
}

#[test]
fn buffers_and_context_are_checked() {
    let image = build(CONFIGS[0], 1);
    let model = Model::load(&image.bytes).unwrap();
    let (bytes, words) = (CONFIGS[0].byte_buffer(10), CONFIGS[0].word_buffer(10));
    let new = |context, bytes, words| M1::new(&model, context, &mut vec![0; bytes], &mut vec![0; words]).map(|_| ());
    assert_eq!(new(10, bytes, words), Ok(()));
    assert_eq!(new(10, bytes - 1, words), Err(ModelError::ByteBuffer { expected: bytes, found: bytes - 1 }));
    assert_eq!(new(10, bytes, words - 1), Err(ModelError::WordBuffer { expected: words, found: words - 1 }));
    assert_eq!(new(0, bytes, words), Err(ModelError::Context { expected: 64, found: 0 }));
    assert_eq!(new(65, 1 << 20, 1 << 20), Err(ModelError::Context { expected: 64, found: 65 }));
}

/// The digest of what a random model says about a random text.
fn digest_of(image: &[u8], context: usize) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    with_m1(image, context, |m1| {
        for byte in Random::new(7).text(100) {
            for bound in bounds(m1.frequencies()) {
                hash = (hash ^ bound as u64).wrapping_mul(0x100_0000_01b3);
            }
            m1.push(byte);
        }
    });
    hash
}

/// A change of one of these numbers is a change of the format: it needs a new version of it.
#[test]
fn golden_traces() {
    let config = CONFIGS[1];
    let hash = digest_of(&build_with(config, [0; 5], 0, 2024).bytes, config.context);
    assert_eq!(hash, 0xbfc6_0c0f_e0b7_bb0c, "{hash:#018x}");
    let hash = digest_of(&build(config, 2024).bytes, config.context);
    assert_eq!(hash, 0x664b_c536_d80b_c17c, "{hash:#018x}");
}
