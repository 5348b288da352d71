//! Raw payloads: messages and independent windows, in one piece and byte by byte.

#![allow(clippy::float_arithmetic)] // The bounds are in bits of information.

mod common;

use common::{HashModel, NgramModel, Random};
use equalinfo_codec::error::{EncodeError, PayloadError};
use equalinfo_codec::raw::{self, Layout, PayloadDecoder};
use equalinfo_codec::{ByteModel, Progress, WindowBits, WindowCode};
use proptest::prelude::*;

fn encode(model: &mut impl ByteModel, layout: Layout, text: &[u8]) -> Vec<u8> {
    let mut output = vec![0; text.len() * 16 + 16];
    let length = raw::encode(model, layout, text, &mut output).unwrap();
    output.truncate(length);
    output
}

fn decode(model: &mut impl ByteModel, layout: Layout, payload: &[u8], room: usize) -> Result<Vec<u8>, PayloadError> {
    let mut output = vec![0; room];
    let length = raw::decode(model, layout, payload, &mut output)?;
    output.truncate(length);
    Ok(output)
}

/// With every buffer one byte long.
fn decode_in_drops(model: &mut impl ByteModel, layout: Layout, payload: &[u8]) -> Vec<u8> {
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

fn layouts() -> impl Strategy<Value = Layout> {
    let independent = (2u32..=16, 1usize..100, any::<bool>()).prop_map(|(bytes, context, delay)| Layout::Independent {
        bits: WindowBits::from_bits(bytes * 8).unwrap(),
        code: if delay { WindowCode::Delay } else { WindowCode::Default },
        context,
    });
    prop_oneof![Just(Layout::Message), independent]
}

proptest! {
    #[test]
    fn texts_come_back(
        layout in layouts(),
        seed in any::<u64>(),
        sharpness in 0u32..300,
        length in 0usize..300,
        noise in any::<bool>(),
    ) {
        let mut model = HashModel::new(seed, sharpness);
        let mut text = model.sample(&mut Random(seed), length);
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
        if let Ok(text) = decode(&mut model, Layout::Message, &payload, 1 << 16) {
            let again = encode(&mut model, Layout::Message, &text);
            prop_assert_eq!(decode(&mut model, Layout::Message, &again, 1 << 16), Ok(text));
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
        coded += encode(&mut model, Layout::Message, message).len() * 8;
    }
    println!("{coded} bits for {bits}: {:.3}", coded as f64 / bits);
    assert!((coded as f64) < bits * 1.04, "{coded} bits for {bits}");
}

#[test]
fn wrong_lengths_are_refused() {
    let mut model = HashModel::new(1, 8);
    let layout = Layout::Independent { bits: WindowBits::B32, code: WindowCode::Default, context: 64 };
    let partial = PayloadError::PartialWindow { expected: 4, found: 6 };
    assert_eq!(decode(&mut model, layout, &[0; 6], 10), Err(partial));
    let paper = Layout::Independent { bits: WindowBits::B32, code: WindowCode::Paper, context: 64 };
    assert_eq!(decode(&mut model, paper, &[0; 4], 10), Err(PayloadError::NotDecodable));
    let contextless = Layout::Independent { bits: WindowBits::B32, code: WindowCode::Default, context: 0 };
    assert_eq!(raw::encode(&mut model, contextless, b"text", &mut [0; 100]), Err(EncodeError::NoContext));
    let too_small = EncodeError::OutputTooSmall { found: 7 };
    assert_eq!(raw::encode(&mut model, layout, &[7; 100], &mut [0; 7]), Err(too_small));
}
