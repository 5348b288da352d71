//! The window code meets its specification: it inverts on every text, decodes every value, and comes close to the
//! bound.

#![allow(clippy::float_arithmetic)] // The bounds are in bits of information.

mod common;

use common::{HashModel, NgramModel, Random};
use equalinfo_codec::{
    ByteModel, Frequencies, Uniform, Window, WindowBits, WindowCode, decode_window, encode_window,
    window::{WindowDecoder, WindowEncoder},
};
use proptest::prelude::*;
use std::collections::HashMap;

fn decode(model: &mut impl ByteModel, bits: WindowBits, code: WindowCode, context: usize, value: u128) -> Vec<u8> {
    let mut text = Vec::new();
    let length = decode_window(model, bits, code, context, value, |byte| text.push(byte)).unwrap();
    assert_eq!(length, text.len());
    text
}

fn widths() -> impl Strategy<Value = WindowBits> {
    (2u32..=16).prop_map(|bytes| WindowBits::from_bits(bytes * 8).unwrap())
}

/// Texts that are likely under a model, texts that are not, and mixtures.
fn text_for(model: &mut HashModel, seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = model.sample(&mut random, length);
    for byte in &mut text {
        if random.below(64) < seed % 8 {
            *byte = random.next() as u8;
        }
    }
    text
}

#[test]
fn widths_are_multiples_of_eight_from_16_to_128() {
    let widths: Vec<u32> = (0..=300).filter(|&bits| WindowBits::from_bits(bits).is_some()).collect();
    assert_eq!(widths, (2..=16).map(|bytes| bytes * 8).collect::<Vec<u32>>());
    assert_eq!(WindowBits::STANDARD.map(WindowBits::bits), [16, 24, 32, 64, 128]);
    assert_eq!(WindowBits::B128.largest(), u128::MAX);
    assert_eq!(WindowBits::B24.largest(), 0xff_ffff);
}

proptest! {
    #[test]
    fn texts_come_back(
        bits in widths(),
        seed in any::<u64>(),
        sharpness in 0u32..300,
        context in 1usize..300,
        length in 0usize..600,
    ) {
        let mut model = HashModel::new(seed, sharpness);
        let text = text_for(&mut model, seed, length);
        for code in [WindowCode::Default, WindowCode::Delay] {
            let mut rest = text.as_slice();
            while !rest.is_empty() {
                let window = encode_window(&mut model, bits, code, context, rest);
                prop_assert!(window.value <= bits.largest());
                prop_assert!((1..=context.min(rest.len())).contains(&window.consumed));
                let (coded, later) = rest.split_at(window.consumed);
                prop_assert_eq!(decode(&mut model, bits, code, context, window.value), coded);
                rest = later;
            }
            let empty = encode_window(&mut model, bits, code, context, &[]);
            prop_assert_eq!(empty, Window { value: 0, consumed: 0 });
        }
    }

    #[test]
    fn every_value_decodes_to_one_text(
        bits in widths(),
        seed in any::<u64>(),
        sharpness in 0u32..300,
        context in 1usize..300,
        value in any::<u128>(),
    ) {
        let value = value & bits.largest();
        let mut model = HashModel::new(seed, sharpness);
        let text = decode(&mut model, bits, WindowCode::Default, context, value);
        let canonical = encode_window(&mut model, bits, WindowCode::Default, context, &text);
        prop_assert_eq!(canonical.consumed, text.len());
        prop_assert!(canonical.value <= value);
        prop_assert_eq!(decode(&mut model, bits, WindowCode::Default, context, canonical.value), text);
        let delayed = decode(&mut model, bits, WindowCode::Delay, context, value);
        prop_assert!(delayed.len() <= context);
    }

    #[test]
    fn greedy_values_grow_bit_by_bit(
        bits in widths(),
        seed in any::<u64>(),
        sharpness in 0u32..300,
        length in 1usize..200,
    ) {
        let mut model = HashModel::new(seed, sharpness);
        let text = text_for(&mut model, seed, length);
        let paper = encode_window(&mut model, bits, WindowCode::Paper, usize::MAX, &text);
        let delay = encode_window(&mut model, bits, WindowCode::Delay, usize::MAX, &text);
        // A delay window ends where the greedy value no longer changes, and has that value.
        prop_assert!(delay.consumed <= paper.consumed);
        prop_assert_eq!(delay.value, paper.value);
        let shorter = encode_window(&mut model, bits, WindowCode::Paper, usize::MAX, &text[..delay.consumed]);
        prop_assert_eq!(shorter, delay);
        if delay.consumed > 1 {
            let before = encode_window(&mut model, bits, WindowCode::Paper, usize::MAX, &text[..delay.consumed - 1]);
            prop_assert_ne!(before.value, delay.value);
        }
    }
}

#[test]
fn paper_values_are_the_shortest_strings_inside() {
    // Uniform frequencies: the interval of a text is the text itself as a base-256 fraction.
    let value = |text: &[u8]| encode_window(&mut Uniform, WindowBits::B32, WindowCode::Paper, 100, text);
    assert_eq!(value(&[0x80]), Window { value: 0x8000_0000, consumed: 1 });
    assert_eq!(value(&[0x7f, 0xff]), Window { value: 0x7fff_0000, consumed: 2 });
    assert_eq!(value(&[1, 2, 3, 4]), Window { value: 0x0102_0304, consumed: 4 });
    // Zero bytes add only zeros to the value, so greedy coding takes them at no cost and is not injective.
    assert_eq!(value(&[1, 2, 3, 4, 0, 0, 0, 5]), Window { value: 0x0102_0304, consumed: 7 });
    let delay = encode_window(&mut Uniform, WindowBits::B32, WindowCode::Delay, 100, &[1, 2, 3, 4, 0, 0, 0, 5]);
    assert_eq!(delay, Window { value: 0x0102_0304, consumed: 4 });
    assert!(WindowDecoder::new(WindowBits::B32, WindowCode::Paper, 100, 0).is_none());
}

#[test]
fn all_codes_of_16_bits_decode_and_no_two_canonical_ones_share_a_text() {
    for (mut model, context) in [(HashModel::new(1, 30), 64), (HashModel::new(2, 6), 64), (HashModel::new(3, 30), 3)] {
        let mut canonical: HashMap<Vec<u8>, u128> = HashMap::new();
        for value in 0..=0xffff {
            let bits = WindowBits::B16;
            let text = decode(&mut model, bits, WindowCode::Default, context, value);
            let window = encode_window(&mut model, bits, WindowCode::Default, context, &text);
            assert_eq!(window.consumed, text.len());
            if window.value == value {
                assert_eq!(canonical.insert(text, value), None);
            } else {
                // This value is left over: the canonical one of its text is smaller.
                assert_eq!(canonical.get(&text), Some(&window.value));
            }
        }
        assert_eq!(canonical.get(&Vec::new()), Some(&0));
        assert!((0..=255u8).all(|byte| canonical.contains_key(&vec![byte])));
    }
}

#[test]
fn every_code_of_16_bits_under_delay_decodes_within_the_context() {
    let mut model = HashModel::new(4, 20);
    let mut agreeing = 0;
    for value in 0..=0xffff {
        let text = decode(&mut model, WindowBits::B16, WindowCode::Delay, 64, value);
        let window = encode_window(&mut model, WindowBits::B16, WindowCode::Delay, 64, &text);
        agreeing += usize::from(window == Window { value, consumed: text.len() });
    }
    assert!(agreeing > 60_000, "{agreeing}");
}

#[test]
fn the_model_is_not_asked_when_it_cannot_matter() {
    let mut model = HashModel::new(5, 10);
    let text = model.sample(&mut Random::new(1), 100);
    model.evaluations = 0;
    let window = encode_window(&mut model, WindowBits::B128, WindowCode::Default, 5, &text);
    assert_eq!((window.consumed, model.evaluations), (5, 5));
    let before = model.evaluations;
    assert_eq!(decode(&mut model, WindowBits::B128, WindowCode::Default, 5, window.value), text[..5]);
    assert_eq!(model.evaluations - before, 5);
    let before = model.evaluations;
    assert_eq!(decode(&mut model, WindowBits::B16, WindowCode::Default, 5, 0), []);
    assert_eq!(model.evaluations - before, 0);
}

#[test]
fn values_no_encoder_produces_are_told_apart() {
    let frequencies = Frequencies::uniform();
    let decode = |value| {
        let mut decoder = WindowDecoder::new(WindowBits::B16, WindowCode::Default, 64, value).unwrap();
        while decoder.step(&frequencies).is_some() {}
        decoder
    };
    // 65535 values among 256 bytes are 255 each, and 254 among 256 are none: 255 are left over below the root, and 254
    // below every child.
    assert!(decode(0).is_canonical() && decode(1).is_canonical());
    assert!(decode(2).is_finished() && !decode(2).is_canonical());
    assert!(!decode(65535).is_canonical());
}

#[test]
fn refused_bytes_leave_the_window_as_it_was() {
    let frequencies = Frequencies::uniform();
    let mut encoder = WindowEncoder::new(WindowBits::B16, WindowCode::Default, 64);
    assert!(encoder.push(&frequencies, 9));
    let window = encoder.window();
    assert!(!encoder.push(&frequencies, 9));
    assert_eq!(encoder.window(), window);
    assert_eq!(window, Window { value: 1 + 9 * 255, consumed: 1 });
}

/// Compares bytes per window with the bound: the number of bytes whose -log2 P add up to at most b, from the same
/// starts.
#[test]
fn windows_come_close_to_the_bound() {
    let (training, text) = common::ENGLISH.as_bytes().split_at(common::ENGLISH.len() * 3 / 4);
    let mut model = NgramModel::train(training);
    for (bits, least) in [(16, 0.95), (32, 0.97), (64, 0.985), (128, 0.99)] {
        let bits = WindowBits::from_bits(bits).unwrap();
        let (mut windows, mut coded, mut bound) = (0usize, 0usize, 0usize);
        let mut start = 0;
        while start < text.len() - 256 {
            let window = encode_window(&mut model, bits, WindowCode::Default, 256, &text[start..]);
            windows += 1;
            coded += window.consumed;
            model.reset();
            let mut left = f64::from(bits.bits());
            for &byte in &text[start..] {
                let cost = 16.0 - f64::from(model.frequencies().count(byte)).log2();
                left -= cost;
                if left < 0.0 {
                    break;
                }
                bound += 1;
                model.push(byte);
            }
            start += window.consumed;
        }
        let kept = coded as f64 / bound as f64;
        println!("{} bits: {:.3} bytes per window, {kept:.4} of the bound", bits.bits(), coded as f64 / windows as f64);
        assert!(kept >= least, "{} bits keep {kept}", bits.bits());
    }
}
