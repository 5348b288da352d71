//! The range coder: inverse, exact in its carries, and no longer than the entropy demands.

#![allow(clippy::float_arithmetic)] // The bounds are in bits of information.

mod common;

use common::{HashModel, Random};
use equalinfo_codec::range_coder::WIDE_TOTAL;
use equalinfo_codec::{ByteModel, Frequencies, RangeDecoder, RangeEncoder};
use proptest::prelude::*;

fn encode(model: &mut impl ByteModel, text: &[u8]) -> Vec<u8> {
    let mut output = vec![0; text.len() * 2 + 8];
    model.reset();
    let mut encoder = RangeEncoder::new(&mut output);
    for &byte in text {
        encoder.encode(model.frequencies(), byte);
        model.push(byte);
    }
    let length = encoder.finish().expect("a byte costs at most 15 bits");
    output.truncate(length);
    output
}

fn decode(model: &mut impl ByteModel, code: &[u8], length: usize) -> Option<Vec<u8>> {
    model.reset();
    let mut decoder = RangeDecoder::new();
    let mut code = code.iter().copied().chain(std::iter::repeat(0));
    (0..length)
        .map(|_| {
            while decoder.wants_input() {
                decoder.feed(code.next()?);
            }
            let byte = decoder.decode(model.frequencies())?;
            model.push(byte);
            Some(byte)
        })
        .collect()
}

fn bits_of_information(model: &mut impl ByteModel, text: &[u8]) -> f64 {
    model.reset();
    let bits = |model: &mut _, byte| {
        let bits = 16.0 - f64::from(ByteModel::frequencies(model).count(byte)).log2();
        ByteModel::push(model, byte);
        bits
    };
    text.iter().map(|&byte| bits(model, byte)).sum()
}

/// A model that gives one byte nearly the whole range. Carries run far if it is the last byte, and nothing is written
/// if it is the first.
#[derive(Clone)]
struct Nearly(Frequencies);

impl Nearly {
    fn new(byte: u8) -> Self {
        let mut counts = [2; 256];
        counts[usize::from(byte)] = (65536u32 - 510) as u16;
        Self(Frequencies::from_counts(&counts).unwrap())
    }
}

impl ByteModel for Nearly {
    fn reset(&mut self) {}
    fn frequencies(&mut self) -> &Frequencies {
        &self.0
    }
    fn push(&mut self, _byte: u8) {}
}

/// The encoder of `docs/range-coder.md`, word for word.
fn specified(model: &mut impl ByteModel, text: &[u8]) -> Vec<u8> {
    fn add(code: &mut [u8], low: &mut u64, distance: u64) {
        let carry;
        (*low, carry) = low.overflowing_add(distance);
        if carry {
            let full = code.iter().rev().take_while(|&&byte| byte == 255).count();
            let (absorbing, full) = code.split_at_mut(code.len() - full);
            *absorbing.last_mut().unwrap() += 1;
            full.fill(0);
        }
    }
    let (mut code, mut low, mut range) = (Vec::new(), 0u64, u64::MAX);
    model.reset();
    for &byte in text {
        let unit = range >> 16;
        let frequencies = model.frequencies();
        add(&mut code, &mut low, unit * u64::from(frequencies.start(byte)));
        range = unit * u64::from(frequencies.count(byte));
        while range < 1 << 56 {
            code.push((low >> 56) as u8);
            low <<= 8;
            range <<= 8;
        }
        model.push(byte);
    }
    // `low` rounded up to as few bytes as possible.
    let end = u128::from(low) + u128::from(range);
    let (bytes, value) = (0..=8u32)
        .map(|bytes| (bytes, u128::from(low).next_multiple_of(1 << (64 - 8 * bytes))))
        .find(|&(_, value)| value < end)
        .unwrap();
    let distance = (value - u128::from(low)) as u64;
    add(&mut code, &mut low, distance);
    code.extend(low.to_be_bytes().iter().take(bytes as usize));
    while code.pop_if(|byte| *byte == 0).is_some() {}
    code
}

proptest! {
    #[test]
    fn the_code_is_that_of_the_specification(
        kind in 0u32..4,
        seed in any::<u64>(),
        length in prop_oneof![0usize..40, 0usize..3000],
    ) {
        let mut random = Random::new(seed);
        let mut text: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if kind == 0 {
            let mut model = Nearly(Frequencies::uniform());
            text.iter_mut().for_each(|byte| *byte &= 0x7f);
            prop_assert_eq!(encode(&mut model, &text), specified(&mut model, &text));
        } else if kind == 1 {
            let mut model = Nearly::new(seed as u8);
            text.iter_mut().for_each(|byte| *byte = if *byte < 250 { seed as u8 } else { *byte });
            prop_assert_eq!(encode(&mut model, &text), specified(&mut model, &text));
        } else {
            let mut model = HashModel::new(seed, 1 << (seed % 9));
            text = model.sample(&mut random, length);
            prop_assert_eq!(encode(&mut model, &text), specified(&mut model, &text));
        }
    }

    #[test]
    fn texts_come_back(seed in any::<u64>(), sharpness in 0u32..300, length in 0usize..2000) {
        let mut model = HashModel::new(seed, sharpness);
        let mut random = Random::new(seed);
        let mut text = model.sample(&mut random, length);
        for byte in &mut text {
            if random.below(64) < seed % 8 {
                *byte = random.next() as u8;
            }
        }
        let code = encode(&mut model, &text);
        prop_assert_ne!(code.last(), Some(&0), "trailing zeros are implied");
        prop_assert_eq!(decode(&mut model, &code, length), Some(text));
    }

    #[test]
    fn pieces_of_code_may_have_any_size(seed in any::<u64>(), sharpness in 0u32..300, length in 0usize..300) {
        let mut model = HashModel::new(seed, sharpness);
        let mut random = Random::new(seed);
        let text = model.sample(&mut random, length);
        let code = encode(&mut model, &text);
        model.reset();
        let mut decoder = RangeDecoder::new();
        let (mut taken, mut given) = (0, 0);
        for &byte in &text {
            while decoder.wants_input() {
                let fed = decoder.feed_from(&code[taken..given]);
                taken += fed;
                if decoder.wants_input() && given == code.len() {
                    decoder.feed(0);
                }
                given = (given + random.below(4) as usize).min(code.len());
            }
            prop_assert_eq!(decoder.feed_from(&code[taken..]), 0);
            prop_assert_eq!(decoder.decode(model.frequencies()), Some(byte));
            model.push(byte);
        }
    }

    #[test]
    fn carries_reach_any_distance(
        likely in prop_oneof![Just(0u8), Just(255), any::<u8>()],
        text in proptest::collection::vec(prop_oneof![Just(255u8), Just(0), any::<u8>()], 0..500),
    ) {
        let mut model = Nearly::new(likely);
        let code = encode(&mut model, &text);
        prop_assert_eq!(decode(&mut model, &code, text.len()), Some(text));
    }

    #[test]
    fn any_code_decodes_or_is_refused(
        seed in any::<u64>(),
        sharpness in 0u32..300,
        code in proptest::collection::vec(prop_oneof![Just(255u8), any::<u8>()], 0..60),
    ) {
        decode(&mut HashModel::new(seed, sharpness), &code, 100);
    }

    #[test]
    fn a_small_buffer_is_noticed(seed in any::<u64>(), length in 1usize..200, missing in 1usize..20) {
        let mut model = HashModel::new(seed, 3);
        let text = model.sample(&mut Random::new(seed), length);
        let code = encode(&mut model, &text);
        let mut output = vec![0; code.len().saturating_sub(missing)];
        model.reset();
        let mut encoder = RangeEncoder::new(&mut output);
        for &byte in &text {
            encoder.encode(model.frequencies(), byte);
            model.push(byte);
        }
        prop_assert!(code.is_empty() || encoder.finish().is_none());
    }
}

#[test]
fn the_code_is_as_short_as_the_information() {
    for sharpness in [0, 10, 30, 100, 300, 1000] {
        let mut model = HashModel::new(7, sharpness);
        let text = model.sample(&mut Random::new(8), 200_000);
        let information = bits_of_information(&mut model, &text);
        let code = encode(&mut model, &text).len() as f64 * 8.0;
        assert!(code <= information * 1.0001 + 8.0, "sharpness {sharpness}: {code} bits for {information}");
        assert!(code >= information - 8.0);
    }
    let mut model = Nearly::new(b'x');
    let text = vec![b'x'; 1_000_000];
    let information = bits_of_information(&mut model, &text);
    let code = encode(&mut model, &text).len() as f64 * 8.0;
    assert!(code <= information * 1.0001 + 8.0, "{code} bits for {information}");
}

#[test]
fn short_codes_waste_less_than_a_byte() {
    let mut model = HashModel::new(9, 12);
    for seed in 0..2000 {
        let text = model.sample(&mut Random::new(seed), 1 + seed as usize % 40);
        let information = bits_of_information(&mut model, &text);
        let code = encode(&mut model, &text).len();
        assert!((code as f64) < information / 8.0 + 1.0, "{code} bytes for {information} bits");
    }
}

#[test]
fn texts_without_information_cost_nothing() {
    assert!(encode(&mut Nearly::new(0), &[0; 5000]).is_empty());
    assert!(encode(&mut Nearly::new(9), &[]).is_empty());
}

#[test]
fn decoding_waits_for_input() {
    let mut decoder = RangeDecoder::new();
    let frequencies = Frequencies::uniform();
    for byte in 0..8 {
        assert!(decoder.wants_input());
        assert_eq!(decoder.decode(&frequencies), None);
        decoder.feed(byte);
    }
    assert!(!decoder.wants_input());
    decoder.feed(99);
    assert_eq!(decoder.decode(&frequencies), Some(0));
    assert!(decoder.wants_input());
}

/// Counts of an alphabet of this many symbols: most are 1, and a few have nearly all of the total.
fn wide_counts(random: &mut Random, symbols: usize) -> Vec<u32> {
    let mut counts = vec![1; symbols];
    let mut left = WIDE_TOTAL - symbols as u64 - 1;
    let symbols = symbols as u64;
    for _ in 0..random.below(6) {
        let count = left >> (1 + random.below(20));
        counts[random.below(symbols) as usize] += count as u32;
        left -= count;
    }
    counts[random.below(symbols) as usize] += left as u32;
    counts
}

#[test]
fn symbols_of_large_alphabets_come_back() {
    let mut random = Random::new(12);
    for symbols in [1usize, 2, 257, 65_537] {
        let all: Vec<(Vec<u32>, usize)> = (0..60)
            .map(|number| {
                let counts = wide_counts(&mut random, symbols);
                // As the counts say, or anything.
                let point = random.below(1 << 16) << 16 | random.below(1 << 16);
                let mut end = 0;
                let drawn = counts.iter().position(|&count| {
                    end += u64::from(count);
                    point < end
                });
                (counts, if number % 3 > 0 { drawn.unwrap_or(0) } else { random.below(symbols as u64) as usize })
            })
            .collect();
        let start = |counts: &[u32], symbol: usize| counts[..symbol].iter().sum::<u32>();
        let mut output = vec![0; 5 * all.len() + 8];
        let mut encoder = RangeEncoder::new(&mut output);
        all.iter().for_each(|(counts, symbol)| encoder.encode_wide(start(counts, *symbol), counts[*symbol]));
        let length = encoder.finish().expect("a symbol costs at most 32 bits");
        let bits: f64 = all.iter().map(|(counts, symbol)| 32.0 - f64::from(counts[*symbol]).log2()).sum();
        assert!(
            length as f64 <= bits / 8.0 + 1.0 && length as f64 >= bits / 8.0 - 1.0,
            "{length} bytes of {bits} bits"
        );
        let decoded = |code: &[u8]| -> Option<(Vec<usize>, bool)> {
            let mut decoder = RangeDecoder::new();
            let mut code = code.iter().copied().chain(std::iter::repeat(0));
            let mut feed = |decoder: &mut RangeDecoder| {
                while decoder.wants_input() {
                    decoder.feed(code.next().unwrap_or(0));
                }
            };
            let mut found = Vec::new();
            for (counts, _) in &all {
                feed(&mut decoder);
                let find = |place: u32| {
                    let mut end = 0u64;
                    let symbol = counts.iter().position(|&count| {
                        end += u64::from(count);
                        u64::from(place) < end
                    })?;
                    Some((symbol, (end - u64::from(counts[symbol])) as u32, counts[symbol]))
                };
                found.push(decoder.decode_wide(find)?);
            }
            feed(&mut decoder);
            Some((found, decoder.is_canonical()))
        };
        let expected: Vec<usize> = all.iter().map(|&(_, symbol)| symbol).collect();
        assert_eq!(decoded(&output[..length]), Some((expected.clone(), true)), "{symbols} symbols");
        // Every bit counts: another string is other symbols, or one that no encoder writes.
        for bit in (0..8 * length).step_by(if symbols > 1000 { 97 } else { 1 }) {
            output[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(decoded(&output[..length]), Some((expected.clone(), true)), "bit {bit}");
            output[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
