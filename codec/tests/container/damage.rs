//! Damage of every kind is an error that names what was found, after text that is intact up to the block named.

use crate::common::{self, HashModel};
use crate::{Coders, MODEL, decode_in_pieces, header, methods, mixed, sample};
use equalinfo_codec::container::StreamPart;
use equalinfo_codec::container::{
    BlockHeader, DecodeError, Decoder, Header, Method, ModelIdentity, ModelName, Stream, Trailer, decode_block,
    encode_block,
};
use equalinfo_codec::mix::Class;
use equalinfo_codec::raw::PayloadError;
use equalinfo_codec::{WindowBits, WindowCode};
use proptest::prelude::*;

proptest! {
    #[test]
    fn noise_is_never_taken_for_a_stream(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        kept in 0usize..120,
        length in proptest::sample::select(vec![90, 300]),
        method in proptest::sample::select(methods()),
    ) {
        let (model, text) = mixed(1, length);
        let mut coders = Coders::new(&model, method);
        let mut stream = coders.write(&header(method, 100), &text);
        stream.truncate(kept.min(stream.len() - 1));
        stream.extend_from_slice(&noise);
        let (decoded, end) = coders.decode(&stream);
        prop_assert!(end.is_err() || decoded == text);
        if length == 300 {
            prop_assert!(end.is_err() && Stream::open(&stream).is_err());
            prop_assert!(decoded.len() <= 300);
        }
    }
}

#[test]
fn a_truncated_stream_ends_in_an_error_at_every_length() {
    for method in methods() {
        for length in [80, 350] {
            let (model, text) = mixed(7, length);
            let mut coders = Coders::new(&model, method);
            let stream = coders.write(&header(method, 100), &text);
            for length in (0..stream.len()).step_by(common::stride()) {
                let (decoded, end) = coders.decode(&stream[..length]);
                assert!(matches!(end, Err(DecodeError::Truncated { .. })), "{method} {length}: {end:?}");
                assert!(text.starts_with(&decoded), "{method} {length}");
                assert!(Stream::open(&stream[..length]).is_err());
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed_and_spares_the_blocks_before_it() {
    let windows = |code| Method::EqualInfo { bits: WindowBits::B32, code };
    let class = Class::Kib4;
    for method in [
        Method::Stored,
        Method::StaticAc,
        Method::Ac,
        Method::Mix(class),
        Method::Tables(class),
        windows(WindowCode::Default),
        windows(WindowCode::Delay),
    ] {
        for length in [80, 250] {
            let (model, text) = mixed(9, length);
            let mut coders = Coders::new(&model, method);
            let stream = coders.write(&header(method, 100), &text);
            let stream_view = Stream::open(&stream).unwrap();
            let entries: Vec<_> = stream_view.index().entries().collect();
            for bit in (0..stream.len() * 8).step_by(common::stride()) {
                let mut damaged = stream.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let (decoded, end) = coders.decode(&damaged);
                assert!(end.is_err(), "{method} {length} bit {bit}");
                let hit = entries.iter().rev().find(|entry| entry.offset <= (bit / 8) as u64);
                let intact = hit.map_or(0, |entry| entry.text_offset as usize);
                assert!(decoded.len() >= intact, "{method} bit {bit}");
                assert_eq!(decoded[..intact], text[..intact], "{method} bit {bit}");
                // Opened from its end, it is refused, or the block hit is.
                if bit % 3 > 0 {
                    continue;
                }
                if let Ok(opened) = Stream::open(&damaged) {
                    let coder = &mut coders.coder();
                    for entry in &entries {
                        let mut output = [0; 100];
                        match opened.decode_block(coder, entry.block.number, &mut output) {
                            Ok(length) => assert_eq!(output[..length], text[entry.text_offset as usize..][..length]),
                            Err(_) => assert_eq!(hit.map_or(0, |entry| entry.block.number), entry.block.number),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_wrong_model_is_named() {
    let (mut model, text) = sample(15, 100);
    let name = ModelName::new("hashed");
    for block_size in [30, 100] {
        let stream = common::write_stream(&mut model, &header(Method::Ac, block_size), &text);
        let wrong = |identity| Decoder::new(model.clone(), identity).decode(&stream, &mut [0; 100]);
        let other = wrong(ModelIdentity { id: 7, ..MODEL });
        assert_eq!(other, Err(DecodeError::WrongModel { expected: MODEL.id, name, found: 7 }));
        assert!(other.unwrap_err().to_string().contains("model hashed 01234567"));
        let shorter = ModelIdentity { context: 32, ..MODEL };
        assert_eq!(wrong(shorter), Err(DecodeError::WrongContext { expected: 48, found: 32 }));
    }
    assert_eq!(ModelIdentity::new(0x0123_4567_89ab_cdef, 48), MODEL);
}

#[test]
fn a_model_that_only_claims_to_be_the_right_one_is_found_out() {
    for method in methods().into_iter().filter(|method| method.has_model()) {
        for block_size in [400, 1000] {
            let (model, text) = mixed(17, 1000);
            let stream = Coders::new(&model, method).write(&header(method, block_size), &text[..700]);
            let (_, end) = Coders::new(&HashModel::new(18, 200), method).decode(&stream);
            let found =
                matches!(end, Err(DecodeError::Payload { block: 0, .. } | DecodeError::TextChecksum { block: 0, .. }));
            assert!(found || Header::parse(&stream).unwrap().method == Method::Stored, "{method}: {end:?}");
        }
    }
}

#[test]
fn blocks_out_of_order_are_named() {
    let (mut model, text) = sample(19, 300);
    let stream = common::write_stream(&mut model, &header(Method::Ac, 100), &text);
    let entries: Vec<_> = Stream::open(&stream).unwrap().index().entries().collect();
    let mut coders = Coders::new(&model, Method::Ac);
    let (first, second) = (entries[0].offset as usize, entries[1].offset as usize);
    let without_first = [&stream[..first], &stream[second..]].concat();
    let end = coders.decode(&without_first);
    assert_eq!(end, (Vec::new(), Err(DecodeError::BlockOrder { expected: 0, found: 1 })));
    let twice = [&stream[..second], &stream[first..]].concat();
    let (decoded, end) = coders.decode(&twice);
    assert_eq!((decoded.len(), end), (100, Err(DecodeError::BlockOrder { expected: 1, found: 0 })));
    let last = entries[2].offset as usize;
    let marker = stream.len() - Trailer::parse(&stream).unwrap().end_length() as usize;
    let without_last = [&stream[..last], &stream[marker..]].concat();
    let (decoded, end) = coders.decode(&without_last);
    assert_eq!(decoded.len(), 200);
    assert!(end.is_err());
}

#[test]
fn blocks_and_ends_of_other_streams_are_refused() {
    let (mut model, text) = sample(21, 200);
    let plain = header(Method::Ac, 100);
    let stream = common::write_stream(&mut model, &plain, &text);
    let (_, other_text) = sample(22, 200);
    let other = common::write_stream(&mut model, &plain, &other_text);
    let start = plain.to_bytes().len();
    let end_length = Trailer::parse(&stream).unwrap().end_length() as usize;
    let mut coders = Coders::new(&model, Method::Ac);
    // Its end is intact in itself.
    let forged = [&stream[..stream.len() - end_length], &other[other.len() - end_length..]].concat();
    assert_eq!(coders.decode(&forged), (text.clone(), Err(DecodeError::IndexContents)));
    assert_eq!(Stream::open(&forged).map(|_| ()), Err(DecodeError::IndexContents));
    // So are its blocks, but not with this header.
    let forged = [&stream[..start], &other[start..]].concat();
    let end = coders.decode(&forged).1;
    assert!(matches!(end, Err(DecodeError::BlockHeaderChecksum { block: 0, .. })), "{end:?}");
    // A first block that claims to belong here is not the one that the header was written for.
    let bound = Header::parse(&stream).unwrap();
    let first = BlockHeader::parse(&other[start..], &Header::parse(&other).unwrap(), 0).unwrap();
    let forged = [&stream[..start], &first.to_bytes(&bound), &other[start + 24..]].concat();
    assert_eq!(coders.decode(&forged), (Vec::new(), Err(DecodeError::Tag)));
    assert_eq!(
        (bound.check_tag(&first), Header::parse(&other).unwrap().check_tag(&first)),
        (Err(DecodeError::Tag), Ok(()))
    );
}

#[test]
fn a_block_that_promises_more_text_than_its_windows_hold_is_refused() {
    let (mut model, text) = sample(27, 100);
    let mut header = header(Method::EqualInfo { bits: WindowBits::B32, code: WindowCode::Default }, 100);
    let mut buffer = [0; 200];
    let block = encode_block(&mut model, &mut header, 0, &text, &mut buffer).unwrap();
    let payload = &buffer[BlockHeader::LENGTH..][..block.payload_length as usize];
    let mut decode = |block: BlockHeader, payload| decode_block(&mut model, &header, &block, payload, &mut [0; 200]);
    let failure = |cause| Err(DecodeError::Payload { block: 0, cause });
    assert_eq!(decode(block, payload), Ok(()));
    let short = PayloadError::TooShort { expected: 150, found: 100 };
    assert_eq!(decode(BlockHeader { text_length: 150, ..block }, payload), failure(short));
    let long = PayloadError::TooLong { expected: 99 };
    assert_eq!(decode(BlockHeader { text_length: 99, ..block }, payload), failure(long));
    let partial = PayloadError::PartialWindow { expected: 4, found: block.payload_length as usize - 1 };
    assert_eq!(decode(BlockHeader { payload_length: block.payload_length - 1, ..block }, payload), failure(partial));
    let truncated = Err(DecodeError::Truncated { part: StreamPart::Payload, block: 0 });
    assert_eq!(decode(block, &payload[..payload.len() - 1]), truncated);
}

#[test]
fn errors_come_through_buffers_of_one_byte() {
    for method in methods() {
        let (model, text) = mixed(33, 250);
        let mut coders = Coders::new(&model, method);
        let stream = coders.write(&header(method, 100), &text);
        for at in (0..stream.len()).step_by(3 * common::stride()) {
            let mut damaged = stream.clone();
            damaged[at] ^= 0x10;
            let (whole, end) = coders.decode(&damaged);
            let (pieces, end_of_pieces) = decode_in_pieces(coders.coder(), &damaged, 1, 1);
            // What precedes an error in the same call is not counted.
            assert_eq!((end, pieces.starts_with(&whole)), (end_of_pieces, true), "{method} {at}");
        }
    }
}
