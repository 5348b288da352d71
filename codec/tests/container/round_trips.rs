//! What was encoded comes back: whole, in pieces, block by block and window by window.

use crate::common::{self, HashModel, Random};
use crate::{Coders, MODEL, decode_in_pieces, header, methods, mixed, sample, write_blocks};
use equalinfo_codec::container::{
    BlockKind, DecodeError, Decoder, Header, Layout, Method, Stream, StreamPart, TABLE_LENGTH, decode_stream,
    encode_block, encode_stream, parse_table, stream_bound, write_table,
};
use equalinfo_codec::mix::Class;
use equalinfo_codec::raw::{EncodeError, PayloadError};
use equalinfo_codec::{Frequencies, Progress, WindowBits, WindowCode};
use proptest::prelude::*;

#[test]
fn streams_come_back_by_every_method() {
    for method in methods() {
        for length in [0, 1, 2, 99, 100, 101, 1000] {
            let (model, text) = mixed(3, length);
            let mut coders = Coders::new(&model, method);
            let stream = coders.write(&header(method, 100), &text);
            let layout = Header::parse(&stream).unwrap().layout;
            assert_eq!(matches!(layout, Layout::One { .. }), length <= 100);
            for (input, output) in [(1, 1), (1, 1000), (10_000, 1), (7, 3), (10_000, 10_000)] {
                let (decoded, end) = decode_in_pieces(coders.coder(), &stream, input, output);
                assert_eq!((decoded == text, end), (true, Ok(())), "{method} {length} {input} {output}");
            }
        }
    }
}

#[test]
fn blocks_are_coded_by_every_method_and_stored_where_that_is_shorter() {
    for method in methods() {
        let (model, text) = mixed(3, 1000);
        let stream = Coders::new(&model, method).write(&header(method, 100), &text);
        let stream = Stream::open(&stream).unwrap();
        for entry in stream.index().entries() {
            let is_noise = entry.block.number % 3 == 2;
            let expected = if is_noise || method == Method::Stored { BlockKind::Stored } else { BlockKind::Coded };
            // By the frequencies of all bytes no block of this text is shorter.
            assert!(entry.block.kind == expected || method == Method::StaticAc, "{method}: {:?}", entry.block);
        }
    }
}

#[test]
fn every_class_comes_back() {
    for class in Class::ALL {
        for method in [Method::Mix(class), Method::Tables(class)] {
            for length in [90, 350] {
                let (model, text) = mixed(5, length);
                let mut coders = Coders::new(&model, method);
                let stream = coders.write(&header(method, 100), &text);
                assert_eq!(Header::parse(&stream).unwrap().method, method);
                for (input, output) in [(1, 1), (1000, 1000)] {
                    let (decoded, end) = decode_in_pieces(coders.coder(), &stream, input, output);
                    assert_eq!((decoded == text, end), (true, Ok(())), "{method} {length}");
                }
            }
        }
    }
}

#[test]
fn a_mix_stream_has_blocks_of_every_kind() {
    let kinds = [BlockKind::Tables, BlockKind::Model, BlockKind::Stored, BlockKind::Coded];
    for class in [Class::Kib4, Class::Kib16] {
        let (model, mut text) = sample(7, 1000);
        (20..1000).for_each(|at| text[at] = text[at - 20]);
        let mut coders = Coders::new(&model, Method::Mix(class));
        let stream = write_blocks(&mut coders.coder(), header(Method::Mix(class), 100), &text, &kinds);
        for (input, output) in [(1, 1), (1, 1000), (10_000, 1), (10_000, 10_000)] {
            let (decoded, end) = decode_in_pieces(coders.coder(), &stream, input, output);
            assert_eq!((decoded == text, end), (true, Ok(())), "{class} {input} {output}");
        }
        let opened = Stream::open(&stream).unwrap();
        for (number, entry) in opened.index().entries().enumerate() {
            assert_eq!(entry.block.kind, kinds[number % 4]);
            let mut output = [0; 100];
            assert_eq!(opened.decode_block(&mut coders.coder(), number as u32, &mut output), Ok(100));
            assert_eq!(output, text[100 * number..][..100]);
            // Alone, each is a stream of the method that codes it.
            let (block, payload) = opened.block(number as u32).unwrap();
            let one = opened.header().of_one(&block);
            assert_eq!(Some(one.method), block.kind.method(Method::Mix(class)));
            let alone = [&one.to_bytes(), payload].concat();
            assert_eq!(coders.decode(&alone), (output.to_vec(), Ok(())), "{:?}", block.kind);
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
        let mut coders = Coders::new(&HashModel::new(seed, sharpness), method);
        let header = header(method, block_size);
        let stream = coders.write(&header, &text);
        let blocks = text.len().div_ceil(block_size as usize);
        let start = header.to_bytes().len() + if method == Method::StaticAc { TABLE_LENGTH } else { 0 };
        let around = if blocks > 1 { 2 * start + 4 + 22 + blocks * 36 } else { 12 };
        prop_assert!(stream.len() <= text.len() + around, "{} for {}", stream.len(), text.len());
        prop_assert!(stream.len() <= stream_bound(&header, text.len()));
        let (decoded, end) = decode_in_pieces(coders.coder(), &stream, input, output);
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
        let truncated = Err(DecodeError::Truncated { part: StreamPart::Table, block: 0 });
        prop_assert_eq!(parse_table(&bytes[..length - 1]), truncated);
    }
}

#[test]
fn blocks_that_do_not_shrink_are_stored() {
    let mut random = Random::new(5);
    let text: Vec<u8> = (0..200_000).map(|_| random.next() as u8).collect();
    let windows = Method::EqualInfo { bits: WindowBits::B64, code: WindowCode::Default };
    for method in [Method::Ac, Method::StaticAc, Method::Tables(Class::Kib16), windows] {
        let mut coders = Coders::new(&HashModel::new(1, 20), method);
        let stream = coders.write(&header(method, 1 << 16), &text);
        let limit = text.len() + text.len() / 1000 + 2 * (Header::LONGEST + TABLE_LENGTH);
        assert!(stream.len() <= limit, "{} bytes for {}", stream.len(), text.len());
        // The only block needs no header of its own, and no model and no table any more.
        let stream = coders.write(&header(method, 1 << 16), &text[..1000]);
        assert_eq!((stream.len(), Header::parse(&stream).unwrap().method), (1000 + 11, Method::Stored));
    }
}

#[test]
fn frequencies_that_take_more_than_they_save_are_left_out() {
    let header = header(Method::StaticAc, 1000);
    let mut coders = Coders::new(&HashModel::new(1, 20), Method::StaticAc);
    for (length, method) in [(10, Method::Stored), (40, Method::Stored), (60, Method::StaticAc)] {
        let text = b"ab".repeat(length / 2);
        let stream = coders.write(&header, &text);
        assert_eq!(Header::parse(&stream).unwrap().method, method, "{length}");
        assert_eq!(coders.decode(&stream), (text, Ok(())));
    }
}

#[test]
fn blocks_and_windows_are_read_alone() {
    for method in methods() {
        for length in [70, 1000] {
            let (model, text) = mixed(13, length);
            let mut coders = Coders::new(&model, method);
            let stream = coders.write(&header(method, 100), &text);
            let stream = Stream::open(&stream).unwrap();
            let index = stream.index();
            let blocks = length.div_ceil(100) as u32;
            assert_eq!((index.blocks(), index.text_length()), (blocks, length as u64));
            let mut from_windows = vec![Vec::new(); blocks as usize];
            for number in (0..blocks).rev() {
                let expected = text.chunks(100).nth(number as usize).unwrap();
                let mut output = [0; 100];
                assert_eq!(stream.decode_block(&mut coders.coder(), number, &mut output), Ok(expected.len()));
                assert_eq!(&output[..expected.len()], expected);
                let last = u64::from(number) * 100 + expected.len() as u64 - 1;
                let entry = index.entry(number).unwrap();
                assert_eq!(index.block_of_text(last), Some(entry));
                let (block, _) = stream.block(number).unwrap();
                assert_eq!(block, entry.block);
                if block.kind == BlockKind::Stored {
                    from_windows[number as usize].extend_from_slice(expected);
                }
                for window in entry.first_window..entry.first_window + u64::from(block.windows(method)) {
                    assert_eq!(index.block_of_window(window), Some(entry));
                    let text = &mut from_windows[number as usize];
                    stream.decode_window(&mut coders.model, window, |byte| text.push(byte)).unwrap();
                }
            }
            if let Method::EqualInfo { .. } = method {
                assert_eq!(from_windows.concat(), text);
            }
            assert_eq!(index.block_of_text(length as u64), None);
            let none = DecodeError::NoSuchBlock { expected: blocks, found: blocks };
            assert_eq!(stream.block(blocks).unwrap_err(), none);
            let window = index.windows();
            assert_eq!(stream.window(window), Err(DecodeError::NoSuchWindow { found: window }));
        }
    }
}

#[test]
fn streams_follow_each_other() {
    let (model, text) = mixed(19, 450);
    let mut expected = Vec::new();
    let mut all = Vec::new();
    let windows = Method::EqualInfo { bits: WindowBits::B24, code: WindowCode::Delay };
    let class = Class::Kib16;
    let mut coders = Coders::new(&model, Method::Mix(class));
    for method in [Method::Mix(class), Method::StaticAc, Method::Tables(class), Method::Ac, windows, Method::Stored] {
        for length in [450, 60, 0] {
            all.extend(coders.write(&header(method, 100), &text[..length]));
            expected.extend_from_slice(&text[..length]);
        }
    }
    for (input_piece, output_piece) in [(1, 1), (64, 7), (100_000, 100_000)] {
        let mut decoder = Decoder::new(coders.coder(), MODEL);
        let (mut position, mut decoded, mut output) = (0, Vec::new(), vec![0; output_piece]);
        let mut streams = 1;
        loop {
            let end = all.len().min(position + input_piece);
            let progress = decoder.decode(&all[position..end], &mut output).unwrap();
            position += progress.consumed;
            decoded.extend_from_slice(&output[..progress.written]);
            if decoder.is_done() {
                if position == all.len() {
                    break;
                }
                assert!(decoder.next_stream());
                assert_eq!((decoder.header(), decoder.is_done()), (None, false));
                streams += 1;
            } else {
                assert!(!decoder.next_stream());
                assert_ne!(progress, Progress::default(), "stuck at {position}");
            }
        }
        assert_eq!((streams, decoder.finish()), (18, Ok(())));
        assert_eq!(decoded, expected);
        assert!(decoder.next_stream());
        assert_eq!(decoder.finish(), Err(DecodeError::Truncated { part: StreamPart::Header, block: 0 }));
    }
}

#[test]
fn input_after_the_end_is_left_alone() {
    for (method, block_size) in [(Method::Ac, 30), (Method::Ac, 100), (Method::Tables(Class::Kib4), 100)] {
        let (model, text) = mixed(23, 100);
        let mut coders = Coders::new(&model, method);
        let mut stream = coders.write(&header(method, block_size), &text);
        let length = stream.len();
        stream.extend_from_slice(b"more");
        let mut decoder = Decoder::new(coders.coder(), MODEL);
        let progress = decoder.decode(&stream, &mut [0; 200]).unwrap();
        assert_eq!(progress, Progress { consumed: length, written: 100 });
        assert!(decoder.is_done());
        assert_eq!(decoder.decode(&stream[length..], &mut [0; 10]), Ok(Progress::default()));
        assert_eq!(decoder.totals().unwrap().text_length(), 100);
        assert!(Stream::open(&stream).is_err());
    }
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let (model, text) = sample(25, 200);
    let mut coders = Coders::new(&model, Method::Ac);
    let mut buffer = [0; 300];
    let mut encode = |method, text: &[u8], room| {
        encode_block(&mut coders.coder(), &mut header(method, 100), 0, text, &mut buffer[..room])
    };
    let paper = Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Paper };
    assert_eq!(encode(paper, &text[..100], 300), Err(EncodeError::NotDecodable));
    assert_eq!(encode(Method::Ac, &text, 300), Err(EncodeError::BlockLength { expected: 100, found: 200 }));
    assert_eq!(encode(Method::Ac, &[], 300), Err(EncodeError::BlockLength { expected: 100, found: 0 }));
    assert_eq!(encode(Method::Ac, &text[..50], 73), Err(EncodeError::OutputTooSmall { found: 73 }));
    assert!(encode(Method::Ac, &text[..50], 74).is_ok());
    // Without memory, with too little of it, and with that of another class.
    let class = Class::Kib16;
    assert!(matches!(encode(Method::Tables(class), &text[..50], 100), Err(EncodeError::Tables { .. })));
    let mut alone = model.clone();
    let refused = encode_block(&mut alone, &mut header(Method::Mix(class), 100), 0, &text[..50], &mut buffer);
    assert!(matches!(refused, Err(EncodeError::Tables { .. })));
    let (mut coders, stream) = (Coders::new(&model, Method::Mix(class)), text.repeat(2));
    let stream = coders.write(&header(Method::Mix(class), 100), &stream);
    let (_, end) = decode_in_pieces(model, &stream, 1000, 1000);
    assert!(matches!(end, Err(DecodeError::Payload { block: 0, cause: PayloadError::Tables { .. } })), "{end:?}");
    let mut coder = coders.coder();
    assert!(encode_block(&mut coder, &mut header(Method::Mix(class), 100), 0, &text[..50], &mut buffer).is_ok());
    let other = header(Method::Mix(Class::Kib4), 100);
    let refused = encode_block(&mut coder, &mut { other }, 0, &text[..50], &mut buffer);
    assert!(matches!(refused, Err(EncodeError::Tables { .. })));
}

#[test]
fn whole_streams_need_their_length_and_no_more() {
    for method in methods() {
        for length in [60, 250] {
            let (model, text) = mixed(29, length);
            let mut coders = Coders::new(&model, method);
            let header = header(method, 100);
            let stream = coders.write(&header, &text);
            let mut buffer = vec![0; stream_bound(&header, text.len())];
            for room in (0..stream.len()).step_by(common::stride()) {
                let too_small = EncodeError::OutputTooSmall { found: room };
                let end = encode_stream(&mut coders.coder(), &header, &text, &mut buffer[..room]);
                assert_eq!(end, Err(too_small), "{method}");
            }
            // A single block is encoded behind a place for a header of its own first.
            let room = if length > 100 { stream.len() } else { buffer.len() };
            assert_eq!(encode_stream(&mut coders.coder(), &header, &text, &mut buffer[..room]), Ok(stream.len()));
            assert_eq!(buffer[..stream.len()], stream);
            for room in (0..text.len()).step_by(common::stride()) {
                let end = decode_stream(&mut coders.coder(), header.model, &stream, &mut buffer[..room]);
                let too_small = matches!(
                    end,
                    Err(DecodeError::Payload { cause: PayloadError::OutputTooSmall { found }, .. }) if found == room
                );
                assert!(too_small, "{method} {length} {room}: {end:?}");
            }
            let mut decoded = vec![0; text.len()];
            assert_eq!(decode_stream(&mut coders.coder(), header.model, &stream, &mut decoded), Ok(text.len()));
            assert_eq!(decoded, text);
            for length in (0..stream.len()).step_by(common::stride()) {
                let end = decode_stream(&mut coders.coder(), header.model, &stream[..length], &mut decoded);
                assert!(matches!(end, Err(DecodeError::Truncated { .. })), "{method} {length}: {end:?}");
            }
        }
    }
}

#[test]
fn a_stream_in_blocks_may_have_one() {
    let (model, text) = mixed(31, 100);
    let mut coders = Coders::new(&model, Method::Ac);
    let stream = write_blocks(&mut coders.coder(), header(Method::Ac, 100), &text, &[BlockKind::Coded]);
    assert_eq!(coders.decode(&stream), (text.clone(), Ok(())));
    assert_eq!(Stream::open(&stream).unwrap().index().blocks(), 1);
    // But not none: that of the empty text has its own form.
    let none = write_blocks(&mut coders.coder(), header(Method::Ac, 100), &[], &[BlockKind::Coded]);
    assert!(coders.decode(&none).1.is_err() && Stream::open(&none).is_err());
    let two = common::write_stream(&mut coders.coder(), &header(Method::Ac, 50), &text);
    assert_eq!(two, write_blocks(&mut coders.coder(), header(Method::Ac, 50), &text, &[BlockKind::Coded]));
}
