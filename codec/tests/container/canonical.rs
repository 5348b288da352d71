//! A text, a model and a method have one payload: every other one is refused, though it decodes to the same text.

use crate::{Coders, MODEL, header, mixed};
use equalinfo_codec::container::{
    BlockHeader, BlockKind, DecodeError, Header, Layout, Method, decode_block, encode_payload,
};
use equalinfo_codec::mix::{AnyTables, Class, WithTables};
use equalinfo_codec::raw::PayloadError;
use equalinfo_codec::{Frequencies, StaticModel, WindowBits, WindowCode};

/// The methods whose payload is a code string.
const CODES: [Method; 5] = [
    Method::Ac,
    Method::Mix(Class::Kib4),
    Method::Mix(Class::Kib16),
    Method::Tables(Class::Kib4),
    Method::Tables(Class::Kib16),
];

/// The stream of a block with this payload.
fn stream(method: Method, text: &[u8], payload: &[u8]) -> Vec<u8> {
    let (text_length, payload_length) = (text.len() as u32, payload.len() as u32);
    let layout = Layout::One { text_length, payload_length, text_checksum: BlockHeader::stored(0, text).text_checksum };
    [&Header { layout, ..header(method, 1) }.to_bytes(), payload].concat()
}

fn payload(coders: &mut Coders, method: Method, text: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; text.len()];
    let context = MODEL.context.into();
    let length = encode_payload(&mut coders.coder(), method, context, text, &mut payload).unwrap();
    payload.truncate(length);
    payload
}

fn cause(end: Result<(), DecodeError>) -> Option<PayloadError> {
    match end {
        Err(DecodeError::Payload { block: 0, cause }) => Some(cause),
        _ => None,
    }
}

#[test]
fn of_all_payloads_of_two_bytes_one_is_accepted() {
    // A model for which each byte of the text is one bit or two.
    let counts = core::array::from_fn(|byte| match byte {
        0x61 => 40_000,
        0x62 => 25_028,
        _ => 2,
    });
    let model = StaticModel(Frequencies::from_counts(&counts).unwrap());
    let text = b"abaababa";
    for method in [Method::Ac, Method::Mix(Class::Kib4), Method::Mix(Class::Kib16)] {
        let mut memory = vec![0; Class::Kib16.words()];
        let mut coder = WithTables::new(model.clone(), AnyTables::new(&mut memory));
        let mut expected = vec![0; text.len()];
        let length = encode_payload(&mut coder, method, 48, text, &mut expected).unwrap();
        expected.truncate(length);
        assert!((1..=2).contains(&length), "{method}: {expected:?}");
        let two = (0..=u16::MAX).map(|code| code.to_be_bytes().to_vec());
        let shorter = (0..=u8::MAX).map(|code| vec![code]).chain([vec![]]);
        let (mut accepted, mut of_this_text) = (Vec::new(), 0);
        for payload in two.chain(shorter) {
            let block = BlockHeader::coded(BlockKind::Coded, 0, text, payload.len());
            match decode_block(&mut coder, &header(method, 100), &block, &payload, &mut [0; 8]) {
                Ok(()) => accepted.push(payload),
                end => of_this_text += u32::from(matches!(cause(end), Some(PayloadError::NotCanonicalEnd { .. }))),
            }
        }
        assert_eq!(accepted, [expected], "{method}");
        assert!(of_this_text > 20, "{method}: {of_this_text}");
    }
}

#[test]
fn code_ends_as_an_encoder_ends_it() {
    for method in CODES {
        for length in [30, 57, 100] {
            let (model, text) = mixed(37, length);
            let mut coders = Coders::new(&model, method);
            let good = payload(&mut coders, method, &text);
            assert_eq!(coders.decode(&stream(method, &text, &good)), (text.clone(), Ok(())));
            assert_ne!(good.last(), Some(&0));
            for surplus in [&b"\0"[..], b"\0\0\0\0\0\0\0\0\0\0", b"\x01", b"\xff", b"\0\0\0\0\0\0\0\0\0\x01"] {
                let longer = [&good, surplus].concat();
                if longer.len() < text.len() {
                    let end = coders.decode(&stream(method, &text, &longer)).1;
                    let expected = length as u32;
                    assert!(end.is_err(), "{method} {surplus:?}");
                    if surplus.iter().all(|&byte| byte == 0) {
                        let refused = [PayloadError::NotCanonicalEnd { expected }, PayloadError::TooLong { expected }];
                        assert!(cause(end).is_some_and(|cause| refused.contains(&cause)), "{method}: {end:?}");
                    }
                }
            }
            // Neither a shorter string nor a neighbour does.
            assert!(coders.decode(&stream(method, &text, &good[..good.len() - 1])).1.is_err());
            for neighbour in [good[good.len() - 1].wrapping_add(1), good[good.len() - 1].wrapping_sub(1)] {
                let mut other = good.clone();
                *other.last_mut().unwrap() = neighbour;
                assert!(coders.decode(&stream(method, &text, &other)).1.is_err());
            }
        }
    }
}

#[test]
fn a_sure_text_is_padded_to_the_length_that_bounds_the_work() {
    let counts = core::array::from_fn(|byte| if byte == 0 { 65026 } else { 2 });
    let mut sure = StaticModel(Frequencies::from_counts(&counts).unwrap());
    let text = vec![0; 100_000];
    let mut code = vec![1; text.len()];
    let length = encode_payload(&mut sure, Method::Ac, 48, &text, &mut code).unwrap();
    assert_eq!((length, &code[..length]), (100_000usize.div_ceil(2048) - 2, &[0; 47][..]));
    let header = header(Method::Ac, 1 << 20);
    let mut output = vec![0; text.len()];
    let mut decode = |payload: &[u8]| {
        let block = BlockHeader::coded(BlockKind::Coded, 0, &text, payload.len());
        decode_block(&mut sure, &header, &block, payload, &mut output)
    };
    assert_eq!(decode(&[0; 47]), Ok(()));
    assert!(decode(&[0; 48]).is_err());
    for at in [0, 7, 8, 46] {
        let mut other = [0; 47];
        other[at] = 1;
        assert!(decode(&other).is_err(), "{at}");
    }
    // In pieces, and with less than is asked for.
    let one = stream(Method::Ac, &text, &[0; 47]);
    for piece in [1, 46, 1000] {
        let (decoded, end) = crate::decode_in_pieces(&mut sure, &one, piece, 1000);
        assert_eq!((decoded == text, end), (true, Ok(())), "{piece}");
    }
    let short = stream(Method::Ac, &text, &[0; 46]);
    let (_, end) = crate::decode_in_pieces(&mut sure, &short, 1000, 1000);
    assert_eq!(end, Err(DecodeError::Header { field: "payload length", found: 46 }));
}

#[test]
fn windows_hold_text() {
    for bits in WindowBits::STANDARD {
        for code in [WindowCode::Default, WindowCode::Delay] {
            let method = Method::EqualInfo { bits, code };
            let (model, text) = mixed(41, 100);
            let mut coders = Coders::new(&model, method);
            let good = payload(&mut coders, method, &text);
            assert_eq!(coders.decode(&stream(method, &text, &good)), (text.clone(), Ok(())));
            // Of these one is the value of no text at all, at the beginning, in the middle and at the end.
            let width = bits.bytes();
            for window in [vec![0; width], vec![255; width]] {
                for at in [0, width, good.len()] {
                    let longer = [&good[..at], &window, &good[at..]].concat();
                    let block = BlockHeader::coded(BlockKind::Coded, 0, &text, longer.len());
                    let coder = &mut coders.coder();
                    let end = decode_block(coder, &header(method, 1000), &block, &longer, &mut [0; 100]);
                    assert!(end.is_err(), "{method} {window:?} at {at}");
                }
            }
        }
    }
}
