//! Raw payloads: messages and independent windows, in one piece and byte by byte.

#![allow(clippy::float_arithmetic)] // The bounds are in bits of information.

mod common;

use common::{HashModel, NgramModel, Random};
use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::raw::{self, Check, EncodeError, MessageEncoder, PayloadDecoder, PayloadError, PayloadLayout};
use equalinfo_codec::window::WindowEncoder;
use equalinfo_codec::{ByteModel, Frequencies, Progress, WindowBits, WindowCode};
use proptest::prelude::*;

fn encode(model: &mut impl ByteModel, layout: PayloadLayout, text: &[u8]) -> Vec<u8> {
    let mut output = vec![0; text.len() * 16 + 16];
    let length = raw::encode(model, layout, text, &mut output).unwrap();
    output.truncate(length);
    output
}

fn decode(
    model: &mut impl ByteModel,
    layout: PayloadLayout,
    payload: &[u8],
    room: usize,
) -> Result<Vec<u8>, PayloadError> {
    let mut output = vec![0; room];
    let length = raw::decode(model, layout, payload, &mut output)?;
    output.truncate(length);
    Ok(output)
}

/// As a device encodes what it measures.
fn encode_as_it_comes(model: &mut impl ByteModel, text: &[u8]) -> Vec<u8> {
    let mut encoder = MessageEncoder::new();
    let mut message: Vec<u8> = text.iter().filter_map(|&byte| encoder.push(model, byte)).flatten().collect();
    let (last, length) = encoder.finish();
    message.extend(&last[..length]);
    message
}

/// With every buffer one byte long.
fn decode_in_drops(model: &mut impl ByteModel, layout: PayloadLayout, payload: &[u8]) -> Vec<u8> {
    let mut decoder = PayloadDecoder::new(layout, payload.len()).unwrap();
    let (mut position, mut text, mut place) = (0, Vec::new(), [0]);
    while !decoder.is_done() {
        let end = (position + 1).min(payload.len());
        let progress = decoder.decode(model, &payload[position..end], &mut place).unwrap();
        position += progress.consumed;
        text.extend_from_slice(&place[..progress.written]);
        assert!(progress != Progress::default(), "stuck at {position}");
    }
    assert_eq!(position, payload.len());
    text
}

fn layouts() -> impl Strategy<Value = PayloadLayout> {
    let independent =
        (2u32..=16, 1usize..100, any::<bool>()).prop_map(|(bytes, context, delay)| PayloadLayout::Independent {
            bits: WindowBits::from_bits(bytes * 8).unwrap(),
            code: if delay { WindowCode::Delay } else { WindowCode::Default },
            context,
        });
    prop_oneof![Just(PayloadLayout::Message), independent]
}

proptest! {
    #[test]
    fn messages_are_the_same_as_they_come(seed in any::<u64>(), text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut model = HashModel::new(seed, 200);
        for text in [model.sample(&mut Random::new(seed), text.len()), text] {
            let message = encode_as_it_comes(&mut model, &text);
            let expected = encode(&mut model, PayloadLayout::Message, &text);
            if message.len() <= text.len() + 1 {
                prop_assert_eq!(&message, &expected);
            } else {
                // What is longer is stored only where the whole text is known.
                prop_assert_eq!((expected.len(), expected[0]), (text.len() + 1, 0xfd));
            }
            prop_assert_eq!(decode(&mut model, PayloadLayout::Message, &message, text.len()), Ok(text));
        }
    }

    #[test]
    fn texts_come_back(
        layout in layouts(),
        seed in any::<u64>(),
        sharpness in 0u32..300,
        length in 0usize..300,
        noise in any::<bool>(),
    ) {
        let mut model = HashModel::new(seed, sharpness);
        let mut text = model.sample(&mut Random::new(seed), length);
        if noise {
            text.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x5a);
        }
        let payload = encode(&mut model, layout, &text);
        prop_assert_eq!(payload.is_empty(), text.is_empty());
        prop_assert_eq!(&decode(&mut model, layout, &payload, text.len()).unwrap(), &text);
        prop_assert_eq!(&decode_in_drops(&mut model, layout, &payload), &text);
        if !text.is_empty() {
            let found = text.len() - 1;
            let short = decode(&mut model, layout, &payload, found);
            prop_assert_eq!(short, Err(PayloadError::OutputTooSmall { found }));
        }
    }

    #[test]
    fn any_message_decodes_to_a_text_or_is_refused(
        seed in any::<u64>(),
        sharpness in 0u32..300,
        payload in proptest::collection::vec(any::<u8>(), 0..70),
    ) {
        let mut model = HashModel::new(seed, sharpness);
        if let Ok(text) = decode(&mut model, PayloadLayout::Message, &payload, 1 << 16) {
            let again = encode(&mut model, PayloadLayout::Message, &text);
            prop_assert_eq!(decode(&mut model, PayloadLayout::Message, &again, 1 << 16), Ok(text));
        }
    }
}

#[test]
fn messages_are_little_longer_than_their_information() {
    let (training, text) = common::ENGLISH.split_at(common::ENGLISH.len() * 3 / 4);
    let mut model = NgramModel::train(training.as_bytes());
    let (mut bits, mut coded) = (0.0, 0);
    for message in text.as_bytes().chunks(120) {
        model.reset();
        for &byte in message {
            bits += 16.0 - f64::from(model.frequencies().count(byte)).log2();
            model.push(byte);
        }
        coded += encode(&mut model, PayloadLayout::Message, message).len() * 8;
    }
    println!("{coded} bits for {bits}: {:.3}", coded as f64 / bits);
    assert!((coded as f64) < bits * 1.04, "{coded} bits for {bits}");
}

#[test]
fn windows_without_text_are_refused() {
    let mut model = HashModel::new(1, 200);
    let text = model.sample(&mut Random::new(1), 60);
    for bits in WindowBits::STANDARD {
        for code in [WindowCode::Default, WindowCode::Delay] {
            let layout = PayloadLayout::Independent { bits, code, context: 64 };
            let payload = encode(&mut model, layout, &text);
            // 0 is the default code's value for no text; for the delay code it is that of some text.
            let empty = vec![0; bits.bytes()];
            for at in [0, bits.bytes(), payload.len()] {
                let longer = [&payload[..at], &empty, &payload[at..]].concat();
                let found = decode(&mut model, layout, &longer, 1000);
                match code {
                    WindowCode::Default => {
                        let window = (at / bits.bytes()) as u32;
                        assert_eq!(found, Err(PayloadError::NotCanonical { window }));
                    }
                    _ => assert_ne!(found.as_ref(), Ok(&text)),
                }
            }
        }
    }
    assert!(decode(&mut model, PayloadLayout::Message, &[0], 100).is_err());
    assert!(decode(&mut model, PayloadLayout::Message, &[0; 16], 100).is_err());
}

#[test]
fn wrong_lengths_are_refused() {
    let mut model = HashModel::new(1, 8);
    let layout = PayloadLayout::Independent { bits: WindowBits::B32, code: WindowCode::Default, context: 64 };
    let partial = PayloadError::PartialWindow { expected: 4, found: 6 };
    assert_eq!(decode(&mut model, layout, &[0; 6], 10), Err(partial));
    let paper = PayloadLayout::Independent { bits: WindowBits::B32, code: WindowCode::Paper, context: 64 };
    assert_eq!(decode(&mut model, paper, &[0; 4], 10), Err(PayloadError::NotDecodable));
    let contextless = PayloadLayout::Independent { bits: WindowBits::B32, code: WindowCode::Default, context: 0 };
    assert_eq!(raw::encode(&mut model, contextless, b"text", &mut [0; 100]), Err(EncodeError::NoContext));
    let too_small = EncodeError::OutputTooSmall { found: 7 };
    assert_eq!(raw::encode(&mut model, layout, &[7; 100], &mut [0; 7]), Err(too_small));
}

proptest! {
    /// Whatever the model and the text, a message is at most a byte longer than its text.
    #[test]
    fn messages_never_grow_by_more_than_a_byte(
        seed in any::<u64>(),
        sharpness in 0u32..300,
        text in proptest::collection::vec(any::<u8>(), 0..300),
        (input, output) in (1usize..40, 1usize..40),
    ) {
        let mut model = HashModel::new(seed, sharpness);
        let mut payload = vec![0; text.len() + 1];
        let length = raw::encode(&mut model, PayloadLayout::Message, &text, &mut payload).unwrap();
        payload.truncate(length);
        let mut decoder = PayloadDecoder::new(PayloadLayout::Message, length).unwrap();
        let (mut rest, mut decoded, mut places) = (&payload[..], Vec::new(), vec![0; output]);
        while !decoder.is_done() {
            let progress = decoder.decode(&mut model, &rest[..input.min(rest.len())], &mut places).unwrap();
            rest = &rest[progress.consumed..];
            decoded.extend_from_slice(&places[..progress.written]);
        }
        prop_assert_eq!(decoded, text);
    }

    /// A check notices every flipped bit of most messages, another model and another context.
    #[test]
    fn a_check_notices_damage(seed in any::<u64>(), length in 1usize..80) {
        let mut model = HashModel::new(seed, 100);
        let text = model.sample(&mut Random::new(seed), length);
        let identity = ModelIdentity { id: 7, context: 64 };
        let mut message = vec![0; length + 3];
        let end = raw::encode_checked(&mut model, identity, Check::Bits16, &text, &mut message).unwrap();
        message.truncate(end);
        let mut decode = |identity, message: &[u8]| {
            let mut output = vec![0; 16 * length + 64];
            raw::decode_checked(&mut model, identity, Check::Bits16, message, &mut output).map(|length| output[..length].to_vec())
        };
        prop_assert_eq!(decode(identity, &message), Ok(text));
        let other = ModelIdentity { context: 63, ..identity };
        prop_assert_eq!(decode(other, &message), Err(PayloadError::Check));
        let missed = (0..8 * end).filter(|bit| {
            let mut damaged = message.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            decode(identity, &damaged).is_ok()
        });
        prop_assert!(missed.count() <= 1);
    }
}

/// The last window of a message is as small as it can be.
#[test]
fn a_last_window_that_could_be_smaller_is_refused() {
    let mut model = HashModel::new(4, 200);
    let text = model.sample(&mut Random::new(4), 5);
    let payload = encode(&mut model, PayloadLayout::Message, &text);
    // The same symbols in a window of one byte more.
    let symbols = [&[0][..], &text].concat();
    let bits = WindowBits::from_bits(8 * payload.len() as u32 + 8).unwrap();
    let mut encoder = WindowEncoder::new(bits, WindowCode::Default, usize::MAX);
    let mut forms = [2; 256];
    (forms[0], forms[1]) = (64_768, 260);
    let forms = Frequencies::from_counts(&forms).unwrap();
    model.reset();
    for (index, &symbol) in symbols.iter().enumerate() {
        let frequencies = if index == 0 { &forms } else { model.frequencies() };
        assert!(encoder.push(frequencies, symbol));
        if index > 0 {
            model.push(symbol);
        }
    }
    let mut larger = vec![0; payload.len() + 1];
    bits.write(encoder.window().value, &mut larger).unwrap();
    let refused = Err(PayloadError::NotCanonical { window: 0 });
    assert_eq!(decode(&mut model, PayloadLayout::Message, &larger, 100), refused);
}
