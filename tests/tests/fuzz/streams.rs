//! Streams and messages.

use std::io::Cursor;
use std::sync::LazyLock;

use equalinfo::message::Check;
use equalinfo::stream::{FileMap, Models, StreamFile};
use equalinfo::{ByteFrequencies, CodingModel, Compressor, Decompressor, MessageCoder, Model, WindowBits};
use equalinfo_codec::container::Method;
use equalinfo_codec::mix::Class;
use equalinfo_tests::{ALICE, tiny_model};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{cases, edited, edits};

/// Bytes of text in a block.
const BLOCK: usize = 100;
const TEXT: &[u8] = ALICE.split_at(3000 + 4 * BLOCK).0.split_at(3000).1;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(tiny_model(1)).expect("a model"));

/// Streams of every kind, in blocks and of one block, and several one after the other.
static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let compressors = [
        Compressor::new(&*MODEL).method(Method::Ac),
        Compressor::new(&*MODEL).method(Method::Mix(Class::Kib4)),
        Compressor::new(CodingModel::None).method(Method::Tables(Class::Kib4)),
        Compressor::new(ByteFrequencies::english()),
        Compressor::new(&*MODEL).window_bits(WindowBits::B32),
    ];
    let stream = |compressor: &Compressor, text: &[u8]| {
        compressor.clone().block_size(BLOCK as u64).threads(1).compress_to_vec(text).expect("a stream")
    };
    let in_blocks = compressors.iter().map(|compressor| stream(compressor, TEXT));
    let of_one = compressors.iter().map(|compressor| stream(compressor, &TEXT[..BLOCK]));
    let mut all: Vec<_> = in_blocks.chain(of_one).collect();
    all.push([&all[0][..], &all[1][..]].concat());
    all
});

fn models() -> Models<'static> {
    Models::new().with(&*MODEL)
}

/// Whether a text is made of whole blocks of the text, in their order, once or, of two streams, twice.
fn is_of_blocks(mut text: &[u8]) -> bool {
    for block in TEXT.chunks(BLOCK).chain(TEXT.chunks(BLOCK)) {
        text = text.strip_prefix(block).unwrap_or(text);
    }
    text.is_empty()
}

/// Reads it in every way, within limits that no small input needs more than.
fn read(stream: &[u8]) -> [Vec<u8>; 3] {
    let decompressor = Decompressor::new().models(models()).threads(1).max_output(1 << 20).max_memory(1 << 28);
    let (mut from_pipe, mut from_file, mut by_index) = (Vec::new(), Vec::new(), Vec::new());
    let _ = decompressor.decompress(stream, &mut from_pipe);
    let _ = decompressor.decompress_file(Cursor::new(stream), &mut from_file);
    let _ = FileMap::read(&mut Cursor::new(stream));
    if let Ok(mut file) = StreamFile::open(Cursor::new(stream)).map(|file| file.models(models())) {
        if file.text_length() <= 1 << 20 {
            let _ = file.write_range(0..u64::MAX, &mut by_index);
        }
        for number in [0, 1, u32::MAX] {
            let _ = file.text(number);
            let _ = file.window(u64::from(number));
        }
    }
    [from_pipe, from_file, by_index]
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn changed_streams_give_intact_blocks_alone(which in any::<Index>(), edits in edits()) {
        let stream = &STREAMS[which.index(STREAMS.len())];
        for text in read(&edited(stream, &edits)) {
            prop_assert!(is_of_blocks(&text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn bytes_that_are_no_stream_give_nothing_wrong(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        head in 0usize..12,
    ) {
        // With the beginning of a stream, more of the reader is reached.
        for text in read(&[&STREAMS[0][..head], &bytes].concat()) {
            prop_assert!(text.is_empty(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn changed_messages_are_errors_or_texts(text in 0usize..3000, edits in edits(), check in any::<bool>()) {
        let check = if check { Check::Bits16 } else { Check::None };
        let coder = MessageCoder::new(&*MODEL).check(check);
        let message = coder.encode(&ALICE[text..text + 40]).expect("a message");
        if let Ok(found) = coder.decode(&edited(&message, &edits)) && check == Check::None {
            prop_assert_eq!(coder.decode(&coder.encode(&found).expect("a message")).expect("a text"), found);
        }
    }
}

/// An index entry that points beyond the end, which once made readers go around for ever.
#[test]
fn offsets_beyond_the_end_are_refused() {
    let hex = "93455149010000008000000000010000920250e3edd45b1eadd2b101fe45515300000000010000000100000043beb7e8f5ad56b761\
               58455153010000000100000001000000f9efbe71b4469e5e62fe4551530200000001000000010000006fdfb906f6db364a63fe4551\
               450000000000010000010000000000000000000000000000004e00000000000000020000000000000000000000000000000300000003\
               000000000000001c2a203f49514593";
    let bytes: Vec<u8> = hex
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(str::from_utf8(digits).expect("digits"), 16).expect("digits"))
        .collect();
    assert!(read(&bytes).iter().all(Vec::is_empty));
}

/// A second stream that claims as many blocks as there are numbers, behind those of the first.
#[test]
fn blocks_of_several_streams_may_be_more_than_numbers() {
    let mut streams = STREAMS.last().expect("two streams in one").clone();
    // What chance found, as a part of the length.
    let place = |part: u64| ((u128::from(part) * streams.len() as u128) >> 64) as usize;
    let (flipped, number) = (place(14781044930857012513), place(18052582875553364616));
    streams[flipped] ^= 1;
    let end = streams.len().min(number + 4);
    streams[number..end].fill(0xff);
    assert!(read(&streams).iter().all(|text| is_of_blocks(text)));
}
