//! A window-code lexicon agrees with the window code of 16 bits: it has the same text for every code, the same code for
//! every text, and the same streams.

use std::sync::OnceLock;

use equalinfo_codec::container::DecodeError;
use equalinfo_codec::container::{Decoder, Header, Method, ModelIdentity, ModelName, encode_block};
use equalinfo_codec::lexicon::LexiconKind;
use equalinfo_codec::lexicon::payload::METHOD;
use equalinfo_codec::raw::PayloadError;
use equalinfo_codec::raw::{self, PayloadLayout};
use equalinfo_codec::{Uniform, Window, WindowBits, WindowCode, encode_window};
use proptest::prelude::*;

use crate::common::{HashModel, Random, write_stream};
use crate::images::{Codes, WINDOW_CODE};
use crate::load;

const MODEL: ModelIdentity = ModelIdentity { id: 0x1122_3344, context: 64 };
/// The lower half of the id is not named.
const MODEL_ID: u64 = 0x1122_3344_5566_7788;
const SHARPNESS: u32 = 40;

fn model() -> HashModel {
    HashModel::new(1, SHARPNESS)
}

pub fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| Codes::of_windows(&mut model(), 64).image(WINDOW_CODE, MODEL.context, MODEL_ID))
}

fn header(method: Method) -> Header {
    Header::new(method, MODEL, ModelName::NONE, 300)
}

/// A stream with blocks of both kinds.
pub fn stream() -> (Vec<u8>, Vec<u8>) {
    let noise: Vec<u8> = (0..300).map(|byte| (byte * 151) as u8).collect();
    let mut random = Random::new(5);
    let text = [model().sample(&mut random, 600), noise, model().sample(&mut random, 100)].concat();
    (write_stream(&mut model(), &header(METHOD), &text), text)
}

#[test]
fn every_code_has_the_text_of_the_window_code() {
    let models: [(HashModel, u16); 4] =
        [(model(), 64), (HashModel::new(2, 6), 64), (HashModel::new(3, 200), 256), (HashModel::new(4, 60), 3)];
    for (mut model, context) in models {
        let codes = Codes::of_windows(&mut model, usize::from(context));
        let image = codes.image(WINDOW_CODE, context, 7);
        let lexicon = load(&image);
        for (code, (text, canonical)) in (0..=u16::MAX).zip(&codes.0) {
            let mut decoded = Vec::new();
            assert_eq!(lexicon.decode(code, |byte| decoded.push(byte)), *canonical);
            assert_eq!(decoded, *text);
            assert_eq!(lexicon.text_length(code), text.len());
            let (again, taken) = lexicon.encode(text);
            assert_eq!((taken, again == code), (text.len(), *canonical));
        }
    }
}

/// The window code at its worst: most codes are left over.
#[test]
fn a_model_that_knows_nothing_has_a_lexicon() {
    let codes = Codes::of_windows(&mut Uniform, 64);
    let image = codes.image(WINDOW_CODE, 64, 0);
    let lexicon = load(&image);
    assert_eq!(codes.0.iter().filter(|(_, canonical)| *canonical).count(), 257);
    for (code, (text, canonical)) in (0..=u16::MAX).zip(&codes.0) {
        let mut decoded = Vec::new();
        assert_eq!(lexicon.decode(code, |byte| decoded.push(byte)), *canonical);
        assert_eq!(decoded, *text);
    }
    assert_eq!(lexicon.encode(b"\x09more"), (2296, 1));
}

#[test]
fn a_lexicon_says_where_it_comes_from() {
    let lexicon = load(image());
    assert_eq!((lexicon.kind(), lexicon.model_id(), lexicon.context()), (LexiconKind::WindowCode, MODEL_ID, 64));
    assert_eq!(lexicon.identity(), MODEL);
    // Flash behind the image is not looked at.
    let longer = [image(), b"and more"].concat();
    assert_eq!(load(&longer).id(), lexicon.id());
    // Made from the small model of these tests by the specifications alone: it changes with the window code or the
    // format, and with nothing else.
    assert_eq!(format!("{:016x}", lexicon.id()), include_str!("../golden/lexicon.txt").trim());
}

proptest! {
    #[test]
    fn every_text_has_the_code_of_the_window_code(seed in any::<u64>(), sampled in any::<bool>(), length in 0usize..300) {
        let mut random = Random::new(seed);
        let text = if sampled {
            model().sample(&mut random, length)
        } else {
            (0..length).map(|_| random.next() as u8).collect()
        };
        let lexicon = load(image());
        let window = encode_window(&mut model(), WindowBits::B16, WindowCode::Default, 64, &text);
        let (code, taken) = lexicon.encode(&text);
        prop_assert_eq!(window, Window { value: code.into(), consumed: taken });

        let layout = PayloadLayout::Independent { bits: WindowBits::B16, code: WindowCode::Default, context: 64 };
        let (mut ours, mut theirs, mut back) = (vec![0; 2 * length], vec![0; 2 * length], vec![0; length]);
        let size = lexicon.encode_payload(&text, &mut ours).expect("room");
        prop_assert_eq!(raw::encode(&mut model(), layout, &text, &mut theirs), Ok(size));
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(lexicon.decode_payload(&ours[..size], &mut back), Ok(length));
        prop_assert_eq!(back, text);
    }

    #[test]
    fn any_payload_means_the_same_to_both(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let layout = PayloadLayout::Independent { bits: WindowBits::B16, code: WindowCode::Default, context: 64 };
        let (mut ours, mut theirs) = (vec![0; 4096], vec![0; 4096]);
        let found = load(image()).decode_payload(&payload, &mut ours);
        prop_assert_eq!(found, raw::decode(&mut model(), layout, &payload, &mut theirs));
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn streams_are_those_of_the_model() {
    let lexicon = load(image());
    let (stream, text) = stream();
    let followed = [&stream[..], b"and more"].concat();
    let mut decoder = lexicon.stream(&followed).expect("a stream");
    let decoded: Result<Vec<u8>, DecodeError> = (&mut decoder).collect();
    assert_eq!(decoded.as_ref(), Ok(&text));
    assert_eq!(decoder.rest(), b"and more");
    assert_eq!(decoder.next(), None);

    let (mut ours, mut theirs, mut back) = ([0; 400], [0; 400], [0; 300]);
    let (mut our_header, mut their_header) = (header(METHOD), header(METHOD));
    for (number, text) in (0..).zip(text.chunks(300)) {
        let block = lexicon.encode_block(&mut our_header, number, text, &mut ours).expect("room");
        assert_eq!(encode_block(&mut model(), &mut their_header, number, text, &mut theirs), Ok(block));
        assert_eq!((ours, our_header), (theirs, their_header));
        let payload = &ours[24..];
        assert_eq!(lexicon.decode_block(&block, payload, &mut back), Ok(()));
        assert_eq!(&back[..text.len()], text);
    }
    assert_eq!(our_header, Header::parse(&stream).expect("intact"));
    assert!(lexicon.encode_block(&mut our_header, 0, &[], &mut ours).is_err());
    assert!(lexicon.encode_block(&mut our_header, 0, &[7; 301], &mut ours).is_err());
    assert!(lexicon.encode_block(&mut our_header, 0, &[7; 100], &mut ours[..100]).is_err());

    // And the model reads what the lexicon wrote.
    let mut model_decoder = Decoder::new(model(), MODEL);
    let mut back = vec![0; text.len() + 1];
    let progress = model_decoder.decode(&stream, &mut back).expect("intact");
    assert_eq!((progress.written, &back[..text.len()]), (text.len(), &text[..]));
}

#[test]
fn streams_of_something_else_are_refused() {
    let lexicon = load(image());
    let text = model().sample(&mut Random::new(9), 400);
    let refused = |header: Header| lexicon.stream(&write_stream(&mut model(), &header, &text)).err();
    assert_eq!(refused(header(METHOD)), None);
    assert_eq!(refused(Header::new(Method::Stored, Default::default(), ModelName::NONE, 300)), None);
    for method in [
        Method::Ac,
        Method::EqualInfo { bits: WindowBits::B24, code: WindowCode::Default },
        Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Delay },
    ] {
        assert_eq!(refused(header(method)), Some(DecodeError::WrongMethod { expected: METHOD, found: method }));
    }
    let other = Header { model: ModelIdentity { id: 8, ..MODEL }, ..header(METHOD) };
    assert_eq!(refused(other), Some(DecodeError::WrongModel { expected: 8, name: ModelName::NONE, found: MODEL.id }));
    let other = Header { model: ModelIdentity { context: 63, ..MODEL }, ..header(METHOD) };
    assert_eq!(refused(other), Some(DecodeError::WrongContext { expected: 63, found: 64 }));
}

#[test]
fn a_block_may_be_all() {
    let lexicon = load(image());
    let noise: Vec<u8> = (0..300).map(|byte| (byte * 151) as u8).collect();
    for text in [model().sample(&mut Random::new(7), 250), noise, Vec::new()] {
        let stream = write_stream(&mut model(), &header(METHOD), &text);
        let followed = [&stream[..], b"and more"].concat();
        let mut decoder = lexicon.stream(&followed).expect("a stream");
        assert_eq!((&mut decoder).collect::<Result<Vec<u8>, _>>(), Ok(text));
        assert_eq!(decoder.rest(), b"and more");
    }
}

#[test]
fn codes_hold_text() {
    let lexicon = load(image());
    let (code, _) = lexicon.encode(b"");
    let payload = [7u16, code, 9].map(u16::to_be_bytes).concat();
    let refused = lexicon.decode_payload(&payload, &mut [0; 100]);
    assert_eq!(refused, Err(PayloadError::NotCanonical { window: 1 }));
}

#[test]
fn buffers_that_are_too_small_are_errors() {
    let lexicon = load(image());
    let text = model().sample(&mut Random::new(3), 50);
    let mut payload = [0; 100];
    let size = lexicon.encode_payload(&text, &mut payload).expect("room");
    assert!(lexicon.encode_payload(&text, &mut [0; 100][..size - 1]).is_err());
    assert_eq!(lexicon.decode_payload(&payload[..size], &mut [0; 49]), Err(PayloadError::OutputTooSmall { found: 49 }));
    assert_eq!(lexicon.encode(b""), (0, 0));
    assert_eq!(lexicon.encode_payload(b"", &mut []), Ok(0));
}
