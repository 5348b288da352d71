//! Every path against the codec's model, bit for bit: whole traces here, single loops on extreme input in [`ops`].

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod ops;

use std::sync::Arc;

use equalinfo_codec::m1::Config;
use equalinfo_codec::{ByteModel, Frequencies};

use super::*;
use crate::quantize::quantize_model;
use crate::quantize::reference::{forward, random_model, random_text};

const CONFIGS: [Config; 3] = [
    Config { d: 64, ff: 192, context: 64, layers: 2, heads: 1 },
    Config { d: 128, ff: 384, context: 40, layers: 3, heads: 2 },
    Config { d: 192, ff: 64, context: 256, layers: 1, heads: 3 },
];

fn image(config: Config, seed: u64) -> Arc<Image> {
    let model = random_model(config, seed);
    let (_, scales) = forward(&model, &random_text(40, seed), config.context);
    Arc::new(Image::from_bytes(quantize_model(&model, &scales).unwrap()).unwrap())
}

fn fast() -> impl Iterator<Item = Simd> {
    Simd::available().filter(|simd| *simd != Simd::Portable)
}

fn portable_trace(image: &Arc<Image>, text: &[u8], context: usize) -> Vec<Frequencies> {
    let mut trace = Vec::new();
    let engine = Engine::with_simd(image.clone(), Simd::Portable).unwrap();
    engine.trace(text, context, |_, frequencies| trace.push(frequencies.clone())).unwrap();
    trace
}

#[test]
fn sessions_agree_with_the_codec() {
    for (seed, config) in (1..).zip(CONFIGS) {
        let image = image(config, seed);
        for context in [config.context, 17, 16, 1] {
            let text = random_text(2 * config.context + 9, seed);
            let expected = portable_trace(&image, &text, context);
            for simd in fast() {
                let mut session = Engine::with_simd(image.clone(), simd).unwrap().session(context).unwrap();
                for (position, (&byte, expected)) in text.iter().zip(&expected).enumerate() {
                    assert!(
                        session.frequencies() == expected,
                        "{simd:?} {config:?} context {context} position {position}"
                    );
                    session.push(byte);
                }
            }
        }
    }
}

#[test]
fn resets_at_any_time_agree_with_the_codec() {
    let image = image(CONFIGS[1], 7);
    let mut random = crate::random::Random::new(8);
    for simd in fast() {
        let context = 24;
        let mut fast = Engine::with_simd(image.clone(), simd).unwrap().session(context).unwrap();
        let mut plain = Engine::with_simd(image.clone(), Simd::Portable).unwrap().session(context).unwrap();
        for step in 0..600 {
            match random.below(20) {
                0 => {
                    fast.reset();
                    plain.reset();
                }
                1..8 => assert!(fast.frequencies() == plain.frequencies(), "{simd:?} step {step}"),
                _ => {
                    let byte = random.below(256) as u8;
                    fast.push(byte);
                    plain.push(byte);
                }
            }
        }
    }
}

#[test]
fn traces_agree_with_the_codec() {
    for (seed, config) in (1..).zip(CONFIGS) {
        let image = image(config, seed);
        for (context, length) in [(config.context, 300), (17, 100), (1, 5), (16, 1), (16, 0)] {
            let text = random_text(length, seed);
            let expected = portable_trace(&image, &text, context);
            for simd in fast() {
                let mut positions = 0;
                let check = |position: usize, frequencies: &Frequencies| {
                    assert!(
                        *frequencies == expected[position],
                        "{simd:?} {config:?} context {context} position {position}"
                    );
                    assert_eq!(position, positions);
                    positions += 1;
                };
                Engine::with_simd(image.clone(), simd).unwrap().trace(&text, context, check).unwrap();
                assert_eq!(positions, length);
            }
        }
    }
}

#[test]
fn threads_that_read_ahead_agree_with_the_codec() {
    for (seed, config) in (1..).zip(CONFIGS) {
        let image = image(config, seed);
        // Contexts shorter than an n-gram; pieces shorter and longer than what they depend on.
        for (context, length, size) in
            [(config.context, 900, 37), (config.context, 900, 400), (3, 300, 20), (1, 99, 7), (17, 9, 9), (16, 0, 5)]
        {
            let text = random_text(length, seed);
            let expected = portable_trace(&image, &text, context);
            for simd in Simd::available() {
                let engine = Engine::with_simd(image.clone(), simd).unwrap();
                for threads in [0, 1, 3] {
                    let check = |ahead: &mut Ahead| {
                        ahead.reset();
                        for (position, (&byte, expected)) in text.iter().zip(&expected).enumerate() {
                            // Coders do not ask for all of them.
                            if position % 7 != 3 {
                                assert!(
                                    ahead.frequencies() == expected,
                                    "{simd:?} {config:?} context {context} threads {threads} position {position}"
                                );
                            }
                            ahead.push(byte);
                        }
                    };
                    engine.ahead_by(size, threads, &text, context, check).unwrap();
                }
                // Who stops early does not wait for the rest.
                engine.ahead_by(size, 2, &text, context, |ahead| ahead.push(0)).unwrap();
            }
        }
    }
    let engine = Engine::new(image(CONFIGS[0], 11)).unwrap();
    assert!(engine.ahead(2, b"text", 65, |_| ()).is_err() && engine.ahead(2, b"text", 0, |_| ()).is_err());
}

#[test]
fn batches_agree_with_the_codec() {
    let image = image(CONFIGS[0], 9);
    let mut random = crate::random::Random::new(10);
    for simd in fast() {
        let (lanes, context) = (37, 20);
        let mut fast = Engine::with_simd(image.clone(), simd).unwrap().lockstep(lanes, context).unwrap();
        let mut plain = Engine::with_simd(image.clone(), Simd::Portable).unwrap().lockstep(lanes, context).unwrap();
        for step in 0..6000 {
            let lane = random.below(lanes);
            match random.below(16) {
                0 => {
                    fast.reset(lane);
                    plain.reset(lane);
                }
                1 => assert!(fast.frequencies(lane) == plain.frequencies(lane), "{simd:?} lane {lane} step {step}"),
                _ => {
                    let byte = random.below(256) as u8;
                    fast.push(lane, byte);
                    plain.push(lane, byte);
                }
            }
        }
    }
}

#[test]
fn a_context_outside_the_model_is_an_error() {
    let image = image(CONFIGS[0], 11);
    let engine = Engine::new(image).unwrap();
    for context in [0, 65] {
        assert!(matches!(engine.session(context), Err(EngineError::Model(ModelError::Context { expected: 64, .. }))));
    }
}
