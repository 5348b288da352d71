//! Streams and messages.

use std::io::Cursor;
use std::sync::LazyLock;

use equalinfo::message::Check;
use equalinfo::stream::{FileMap, Models, StreamFile};
use equalinfo::{
    ByteFrequencies, CodingModel, Compressor, Decompressor, Lexicon, MessageCoder, Model, WindowBits, WindowCode,
};
use equalinfo_codec::container::{Method, Trailer};
use equalinfo_codec::mix::Class;
use equalinfo_codec::raw::{self, PayloadLayout};
use equalinfo_tests::{ALICE, tiny_model};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{cases, edited, edits};

/// Bytes of text in a block: few, as time goes into decoding them.
const BLOCK: usize = 16;
const TEXT: &[u8] = ALICE.split_at(3000 + 4 * BLOCK).0.split_at(3000).1;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::from_bytes(tiny_model(1)).expect("a model"));
static ENGLISH: LazyLock<ByteFrequencies> = LazyLock::new(ByteFrequencies::english);
static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| MODEL.lexicon(MODEL.context(), 2).expect("a lexicon"));
static DECOMPRESSOR: LazyLock<Decompressor> = LazyLock::new(|| {
    // Within limits that no small input needs more than.
    Decompressor::new().models(models()).threads(1).max_output(1 << 20).max_memory(1 << 28)
});

/// Streams of every method, in blocks and of one block, and several one after the other.
static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let windows = |code| Compressor::new(&*MODEL).window_bits(WindowBits::B32).code(code);
    let compressors = [
        Compressor::new(&*MODEL).method(Method::Ac),
        Compressor::new(&*MODEL).method(Method::Mix(Class::Kib4)),
        Compressor::new(CodingModel::None).method(Method::Tables(Class::Kib4)),
        Compressor::new(ENGLISH.clone()),
        windows(WindowCode::Default),
        windows(WindowCode::Delay),
        Compressor::new(&*LEXICON),
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

/// Messages of one kind.
struct Messages {
    check: Check,
    coder: MessageCoder,
    all: Vec<Vec<u8>>,
}

impl Messages {
    fn new(model: &CodingModel, check: Check) -> Self {
        let coder = MessageCoder::new(model.clone()).check(check);
        let texts = ALICE[3000..].chunks(BLOCK).take(200);
        let all = texts.map(|text| coder.encode(text).expect("a message")).collect();
        Self { check, coder, all }
    }
}

/// By a model and by frequencies, without a check and with one of 16 bits.
static MESSAGES: LazyLock<Vec<Messages>> = LazyLock::new(|| {
    let models = [CodingModel::from(&*MODEL), CodingModel::from(ENGLISH.clone())];
    models.iter().flat_map(|model| [Check::None, Check::Bits16].map(|check| Messages::new(model, check))).collect()
});

fn models() -> Models<'static> {
    Models::new().with(&*MODEL).with(&*LEXICON)
}

/// Whether a text is made of whole blocks of the text, in their order, once or, of two streams, twice.
fn is_of_blocks(mut text: &[u8]) -> bool {
    for block in TEXT.chunks(BLOCK).chain(TEXT.chunks(BLOCK)) {
        text = text.strip_prefix(block).unwrap_or(text);
    }
    text.is_empty()
}

/// Reads it in every way.
fn read(stream: &[u8]) -> [Vec<u8>; 3] {
    let (mut from_pipe, mut from_file, mut by_index) = (Vec::new(), Vec::new(), Vec::new());
    let _ = DECOMPRESSOR.decompress(stream, &mut from_pipe);
    let _ = DECOMPRESSOR.decompress_file(Cursor::new(stream), &mut from_file);
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
    fn changed_messages_are_errors_or_texts(kind in 0usize..4, which in any::<Index>(), edits in edits()) {
        let Messages { check, coder, all } = &MESSAGES[kind];
        if let Ok(found) = coder.decode(&edited(&all[which.index(all.len())], &edits)) && *check == Check::None {
            prop_assert_eq!(coder.decode(&coder.encode(&found).expect("a message")).expect("a text"), found);
        }
    }

    /// The codec alone, by byte frequencies, which cost nothing: messages and windows of every width.
    #[test]
    fn bytes_as_payloads_are_errors_or_texts(
        payload in proptest::collection::vec(any::<u8>(), 0..80),
        bits in 0u32..=16,
        delay in any::<bool>(),
    ) {
        let mut model = ENGLISH.session();
        let code = if delay { WindowCode::Delay } else { WindowCode::Default };
        let layout = WindowBits::from_bits(8 * bits)
            .map_or(PayloadLayout::Message, |bits| PayloadLayout::Independent { bits, code, context: 40 });
        let (mut text, mut again, mut back) = ([0; 1 << 12], [0; 1 << 14], [0; 1 << 12]);
        if let Ok(length) = raw::decode(&mut model, layout, &payload, &mut text) {
            let size = raw::encode(&mut model, layout, &text[..length], &mut again).expect("a window holds a byte");
            prop_assert_eq!(raw::decode(&mut model, layout, &again[..size], &mut back), Ok(length));
            prop_assert_eq!(&back[..length], &text[..length]);
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
    // What chance found: the last block is lost, and the trailer lies about how many there are.
    let last_block = streams.windows(4).rposition(|bytes| bytes == b"\xfeEQC").expect("a block");
    streams[last_block] ^= 1;
    let count = streams.len() - Trailer::LENGTH + 2;
    assert_eq!(streams[count..count + 4], 4u32.to_le_bytes());
    streams[count..count + 4].fill(0xff);
    assert!(read(&streams).iter().all(|text| is_of_blocks(text)));
}
