//! Whole streams: round trips through buffers of any size, random access, and what damage does.

mod common;

use common::{HashModel, Random, write_stream};
use equalinfo_codec::container::{
    BlockHeader, BlockKind, Decoder, Header, Index, Method, ModelIdentity, Stream, TABLE_LENGTH, Trailer, decode_block,
    encode_block, find_block, parse_table, write_table,
};
use equalinfo_codec::error::{DecodeError, EncodeError, Part, PayloadError};
use equalinfo_codec::{ByteModel, Frequencies, Progress, WindowBits, WindowCode};
use proptest::prelude::*;

const MODEL: ModelIdentity = ModelIdentity { id: 0x0123_4567_89ab_cdef, context: 48 };

fn header(method: Method, block_size: u32) -> Header {
    let model = if method == Method::StaticAc { ModelIdentity::default() } else { MODEL };
    Header { method, model, block_size }
}

fn methods() -> Vec<Method> {
    let mut methods = vec![Method::Ac, Method::StaticAc];
    for bits in WindowBits::STANDARD {
        methods.push(Method::EqualInfo { bits, code: WindowCode::Default });
        methods.push(Method::EqualInfo { bits, code: WindowCode::Delay });
    }
    methods
}

/// Feeds `input` in pieces and takes the text in pieces; what was delivered, and how it ended.
fn decode_in_pieces(
    model: impl ByteModel,
    stream: &[u8],
    input_piece: usize,
    output_piece: usize,
) -> (Vec<u8>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(model, MODEL);
    let (mut position, mut text, mut output) = (0, Vec::new(), vec![0; output_piece]);
    loop {
        let end = (position + input_piece).min(stream.len());
        match decoder.decode(&stream[position..end], &mut output) {
            Ok(progress) => {
                position += progress.consumed;
                text.extend_from_slice(&output[..progress.written]);
                if progress == Progress::default() {
                    assert!(end == stream.len() || decoder.is_done(), "stuck at {position} of {}", stream.len());
                    return (text, decoder.finish());
                }
            }
            Err(error) => {
                assert_eq!(decoder.finish(), Err(error));
                assert_eq!(decoder.decode(&[], &mut output), Err(error));
                return (text, Err(error));
            }
        }
    }
}

fn decode(model: impl ByteModel, stream: &[u8]) -> (Vec<u8>, Result<(), DecodeError>) {
    decode_in_pieces(model, stream, stream.len().max(1), 4096)
}

fn sample(seed: u64, length: usize) -> (HashModel, Vec<u8>) {
    let mut model = HashModel::new(seed, 200);
    let text = model.sample(&mut Random(seed), length);
    (model, text)
}

/// Text of which some blocks are coded and some stored.
fn mixed(seed: u64, length: usize) -> (HashModel, Vec<u8>) {
    let (model, mut text) = sample(seed, length);
    let mut random = Random(seed);
    for block in text.chunks_mut(100).step_by(3) {
        block.iter_mut().for_each(|byte| *byte = random.next() as u8);
    }
    (model, text)
}

#[test]
fn streams_come_back_by_every_method() {
    for method in methods() {
        for length in [0, 1, 2, 99, 100, 101, 1000] {
            let (mut model, text) = mixed(3, length);
            let stream = write_stream(&mut model, &header(method, 100), &text);
            for (input, output) in [(1, 1), (1, 1000), (10_000, 1), (7, 3), (10_000, 10_000)] {
                let (decoded, end) = decode_in_pieces(model.clone(), &stream, input, output);
                assert_eq!((decoded == text, end), (true, Ok(())), "{method:?} {length} {input} {output}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_come_back(
        text in proptest::collection::vec(any::<u8>(), 0..700),
        block_size in 1u32..800,
        method in proptest::sample::select(methods()),
        seed in any::<u64>(),
        sharpness in 0u32..300,
        (input, output) in (1usize..300, 1usize..300),
    ) {
        let mut model = HashModel::new(seed, sharpness);
        let stream = write_stream(&mut model, &header(method, block_size), &text);
        let blocks = text.len().div_ceil(block_size as usize);
        prop_assert!(stream.len() <= text.len() + 52 + TABLE_LENGTH + blocks * 48);
        let (decoded, end) = decode_in_pieces(model, &stream, input, output);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(decoded, text);
    }

    #[test]
    fn any_frequencies_come_back_as_a_table(weights in proptest::collection::vec(0u16..2000, 256), power in 1u32..7) {
        let mut frequencies = Frequencies::uniform();
        frequencies.set_weights(|byte| (u128::from(weights[usize::from(byte)]).pow(power) >> (11 * (power - 1))) as u16);
        let mut bytes = [0; TABLE_LENGTH];
        let length = write_table(&frequencies, &mut bytes);
        prop_assert_eq!(parse_table(&bytes), Ok((frequencies, length)));
        let truncated = Err(DecodeError::Truncated { part: Part::Table, block: 0 });
        prop_assert_eq!(parse_table(&bytes[..length - 1]), truncated);
    }

    #[test]
    fn noise_is_never_taken_for_a_stream(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        kept in 0usize..120,
        method in proptest::sample::select(methods()),
    ) {
        let (mut model, text) = sample(1, 300);
        let mut stream = write_stream(&mut model, &header(method, 100), &text);
        stream.truncate(kept);
        stream.extend_from_slice(&noise);
        let (decoded, end) = decode(model.clone(), &stream);
        prop_assert!(end.is_err());
        prop_assert!(decoded.len() <= 300);
        prop_assert!(Stream::open(&stream).is_err());
    }
}

#[test]
fn blocks_that_do_not_shrink_are_stored() {
    let mut random = Random(5);
    let text: Vec<u8> = (0..1_000_000).map(|_| random.next() as u8).collect();
    for method in [Method::Ac, Method::StaticAc, Method::EqualInfo { bits: WindowBits::B64, code: WindowCode::Default }]
    {
        let stream = write_stream(&mut HashModel::new(1, 20), &header(method, 1 << 16), &text);
        let limit = text.len() + text.len() / 1000 + Header::LENGTH + TABLE_LENGTH;
        assert!(stream.len() <= limit, "{} bytes for {}", stream.len(), text.len());
    }
}

#[test]
fn an_empty_text_takes_52_bytes_and_one_block_24_more() {
    let (mut model, text) = sample(1, 50);
    let stream = write_stream(&mut model, &header(Method::Ac, 100), &[]);
    assert_eq!(stream.len(), 52);
    let mut buffer = [0; 100];
    let block = encode_block(&mut model, &header(Method::Ac, 100), 0, &text, &mut buffer).unwrap();
    let stream = write_stream(&mut model, &header(Method::Ac, 100), &text);
    assert_eq!(stream.len(), 52 + 24 + block.payload_length as usize);
}

#[test]
fn a_truncated_stream_ends_in_an_error_at_every_length() {
    for method in methods() {
        let (mut model, text) = mixed(7, 350);
        let stream = write_stream(&mut model, &header(method, 100), &text);
        for length in 0..stream.len() {
            let (decoded, end) = decode(model.clone(), &stream[..length]);
            assert!(matches!(end, Err(DecodeError::Truncated { .. })), "{method:?} {length}: {end:?}");
            assert!(text.starts_with(&decoded), "{method:?} {length}");
            assert!(Stream::open(&stream[..length]).is_err());
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed_or_harmless_and_spares_the_blocks_before_it() {
    for method in methods() {
        let (mut model, text) = mixed(9, 250);
        let header = header(method, 100);
        let stream = write_stream(&mut model, &header, &text);
        let stream_view = Stream::open(&stream).unwrap();
        let entries: Vec<_> = stream_view.index().entries().collect();
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (decoded, end) = decode(model.clone(), &damaged);
            match end {
                Ok(()) => assert_eq!(decoded, text, "{method:?} bit {bit}: silent garbage"),
                Err(_) => {
                    let intact = entries.iter().rev().find(|entry| entry.offset <= (bit / 8) as u64);
                    let intact = intact.map_or(0, |entry| entry.text_offset as usize);
                    assert!(decoded.len() >= intact, "{method:?} bit {bit}");
                    assert_eq!(decoded[..intact], text[..intact], "{method:?} bit {bit}");
                }
            }
        }
    }
}

#[test]
fn blocks_after_damage_are_found_again() {
    let (mut model, text) = mixed(11, 1000);
    let header = header(Method::Ac, 100);
    let stream = write_stream(&mut model, &header, &text);
    let entries: Vec<_> = Stream::open(&stream).unwrap().index().entries().collect();
    for damage in 0..stream.len() - 24 * 10 {
        let mut damaged = stream.clone();
        damaged[damage] ^= 0x40;
        let mut found = Vec::new();
        let mut from = 0;
        while let Some((offset, block)) = find_block(&damaged, &header, from) {
            let payload = &damaged[offset + BlockHeader::LENGTH..];
            let mut output = [0; 100];
            if decode_block(&mut model, &header, &block, payload, &mut output).is_ok() {
                let start = block.number as usize * 100;
                assert_eq!(output[..block.text_length as usize], text[start..][..block.text_length as usize]);
                found.push(block.number);
            }
            from = offset + 1;
        }
        let hit = entries.iter().rposition(|entry| entry.offset <= damage as u64).map(|block| block as u32);
        let spared = (0..10).filter(|&block| Some(block) != hit);
        assert!(spared.into_iter().all(|block| found.contains(&block)), "damage at {damage}: only {found:?}");
    }
}

#[test]
fn blocks_and_windows_are_read_alone() {
    for method in methods() {
        let (mut model, text) = mixed(13, 1000);
        let stream = write_stream(&mut model, &header(method, 100), &text);
        let stream = Stream::open(&stream).unwrap();
        assert_eq!((stream.index().blocks(), stream.index().text_length()), (10, 1000));
        let mut window = 0;
        for number in (0..10).rev() {
            let mut output = [0; 100];
            assert_eq!(stream.decode_block(&mut model, number, &mut output), Ok(100));
            assert_eq!(output, text[number as usize * 100..][..100]);
            assert_eq!(stream.index().block_of_text(u64::from(number) * 100 + 99), Some(number));
        }
        assert_eq!(stream.index().block_of_text(1000), None);
        let none = DecodeError::NoSuchBlock { expected: 10, found: 10 };
        assert_eq!(stream.block(10).unwrap_err(), none);
        let mut from_windows = Vec::new();
        for number in 0..10 {
            let (block, _) = stream.block(number).unwrap();
            if block.kind == BlockKind::Stored {
                from_windows.extend_from_slice(&text[number as usize * 100..][..100]);
            }
            for _ in 0..block.windows(method) {
                stream.decode_window(&mut model, window, |byte| from_windows.push(byte)).unwrap();
                window += 1;
            }
        }
        if let Method::EqualInfo { .. } = method {
            assert_eq!(from_windows, text);
        }
        assert_eq!(stream.window(window), Err(DecodeError::NoSuchWindow { found: window }));
    }
}

#[test]
fn the_wrong_model_is_named() {
    let (mut model, text) = sample(15, 100);
    let stream = write_stream(&mut model, &header(Method::Ac, 100), &text);
    let wrong = |identity| Decoder::new(model.clone(), identity).decode(&stream, &mut [0; 100]);
    let other = ModelIdentity { id: 7, ..MODEL };
    assert_eq!(wrong(other), Err(DecodeError::WrongModel { expected: MODEL.id, found: 7 }));
    let shorter = ModelIdentity { context: 32, ..MODEL };
    assert_eq!(wrong(shorter), Err(DecodeError::WrongContext { expected: 48, found: 32 }));
}

#[test]
fn a_model_that_only_claims_to_be_the_right_one_is_found_out() {
    for method in methods().into_iter().filter(|&method| method != Method::StaticAc) {
        let (mut model, text) = sample(17, 1000);
        let stream = write_stream(&mut model, &header(method, 1000), &text);
        let (_, end) = decode(HashModel::new(18, 200), &stream);
        let found =
            matches!(end, Err(DecodeError::Payload { block: 0, .. } | DecodeError::TextChecksum { block: 0, .. }));
        assert!(found, "{method:?}: {end:?}");
    }
}

#[test]
fn blocks_out_of_order_are_named() {
    let (mut model, text) = sample(19, 300);
    let stream = write_stream(&mut model, &header(Method::Ac, 100), &text);
    let entries: Vec<_> = Stream::open(&stream).unwrap().index().entries().collect();
    let (first, second) = (entries[0].offset as usize, entries[1].offset as usize);
    let without_first = [&stream[..first], &stream[second..]].concat();
    let (decoded, end) = decode(model.clone(), &without_first);
    assert_eq!((decoded, end), (Vec::new(), Err(DecodeError::BlockOrder { expected: 0, found: 1 })));
    let twice = [&stream[..second], &stream[first..]].concat();
    let (decoded, end) = decode(model.clone(), &twice);
    assert_eq!((decoded.len(), end), (100, Err(DecodeError::BlockOrder { expected: 1, found: 0 })));
    let last = entries[2].offset as usize;
    let marker = stream.len() - Trailer::LENGTH - 48 - 4;
    let without_last = [&stream[..last], &stream[marker..]].concat();
    let (decoded, end) = decode(model, &without_last);
    assert_eq!(decoded.len(), 200);
    assert!(end.is_err());
}

#[test]
fn an_index_that_lies_is_found_out() {
    let (mut model, text) = sample(21, 200);
    let header = header(Method::Ac, 100);
    let stream = write_stream(&mut model, &header, &text);
    // The same blocks, but with the index of another stream: intact in itself.
    let (mut other_model, other_text) = sample(22, 200);
    let other = write_stream(&mut other_model, &header, &other_text);
    let end_length = 4 + 24 + Trailer::LENGTH;
    let forged = [&stream[..stream.len() - end_length], &other[other.len() - end_length..]].concat();
    assert_eq!(decode(model.clone(), &forged), (text.clone(), Err(DecodeError::IndexContents)));
    let trailer = Trailer::parse(&stream).unwrap();
    assert_eq!((trailer.blocks, trailer.text_length, trailer.index_length()), (2, 200, 24));
    let index = Index::parse(&stream[stream.len() - 44..], Header::LENGTH).unwrap();
    assert_eq!((index.length(), index.entries().count()), (44, 2));
}

#[test]
fn input_after_the_end_is_left_alone() {
    let (mut model, text) = sample(23, 100);
    let mut stream = write_stream(&mut model, &header(Method::Ac, 100), &text);
    let length = stream.len();
    stream.extend_from_slice(b"more");
    let mut decoder = Decoder::new(model, MODEL);
    let progress = decoder.decode(&stream, &mut [0; 200]).unwrap();
    assert_eq!(progress, Progress { consumed: length, written: 100 });
    assert!(decoder.is_done());
    assert_eq!(decoder.decode(&stream[length..], &mut [0; 10]), Ok(Progress::default()));
    assert_eq!(decoder.totals().unwrap().text_length(), 100);
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let (mut model, text) = sample(25, 200);
    let mut buffer = [0; 300];
    let mut encode =
        |method, text: &[u8], room| encode_block(&mut model, &header(method, 100), 0, text, &mut buffer[..room]);
    let paper = Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Paper };
    assert_eq!(encode(paper, &text[..100], 300), Err(EncodeError::NotDecodable));
    assert_eq!(encode(Method::Ac, &text, 300), Err(EncodeError::BlockLength { expected: 100, found: 200 }));
    assert_eq!(encode(Method::Ac, &[], 300), Err(EncodeError::BlockLength { expected: 100, found: 0 }));
    assert_eq!(encode(Method::Ac, &text[..50], 73), Err(EncodeError::OutputTooSmall { found: 73 }));
    assert!(encode(Method::Ac, &text[..50], 74).is_ok());
}

#[test]
fn headers_are_checked_field_by_field() {
    let good = header(Method::EqualInfo { bits: WindowBits::B24, code: WindowCode::Delay }, 1 << 16);
    assert_eq!(Header::parse(&good.to_bytes()), Ok(good));
    let version = DecodeError::UnsupportedVersion { expected: 1, found: 2 };
    let mut newer = good.to_bytes();
    newer[4] = 2;
    assert_eq!(Header::parse(&newer), Err(version));
    assert_eq!(Header::parse(b"PK\x03\x04"), Err(DecodeError::NotAStream { found: *b"PK\x03\x04" }));
    assert_eq!(Header::parse(b"PK"), Err(DecodeError::Truncated { part: Part::Header, block: 0 }));
    let invalid = |header: Header| match Header::parse(&header.to_bytes()) {
        Err(DecodeError::InvalidHeader { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(invalid(Header { block_size: 0, ..good }), "block size");
    assert_eq!(invalid(Header { block_size: (1 << 28) + 1, ..good }), "block size");
    assert_eq!(invalid(Header { model: ModelIdentity { context: 0, ..MODEL }, ..good }), "context");
    assert_eq!(invalid(Header { method: Method::StaticAc, ..good }), "context");
    let id_only = ModelIdentity { id: 5, context: 0 };
    assert_eq!(invalid(Header { method: Method::StaticAc, model: id_only, ..good }), "model");
    let paper = Method::EqualInfo { bits: WindowBits::B24, code: WindowCode::Paper };
    assert_eq!(invalid(Header { method: paper, ..good }), "window code");
}

#[test]
fn a_block_that_promises_more_text_than_its_windows_hold_is_refused() {
    let (mut model, text) = sample(27, 100);
    let header = header(Method::EqualInfo { bits: WindowBits::B32, code: WindowCode::Default }, 100);
    let mut buffer = [0; 200];
    let block = encode_block(&mut model, &header, 0, &text, &mut buffer).unwrap();
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
    let truncated = Err(DecodeError::Truncated { part: Part::Payload, block: 0 });
    assert_eq!(decode(block, &payload[..payload.len() - 1]), truncated);
}
