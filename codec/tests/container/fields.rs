//! Every field of headers, index and trailer, and the lengths of everything but text.

use crate::{Coders, MODEL, header, methods, mixed, sample};
use equalinfo_codec::container::{
    BlockHeader, BlockKind, DecodeError, Header, Index, IndexEntry, Layout, Method, ModelIdentity, ModelName, Stream,
    StreamPart, Trailer, encode_stream,
};
use equalinfo_codec::mix::Class;
use equalinfo_codec::raw::EncodeError;
use equalinfo_codec::{Uniform, WindowBits, WindowCode};
use proptest::prelude::*;

/// CRC-32 of zip, restated.
fn crc32(bytes: &[u8]) -> u32 {
    crc(bytes, 0xedb8_8320)
}

/// CRC-32C of iSCSI, restated.
fn crc32c(bytes: &[u8]) -> u32 {
    crc(bytes, 0x82f6_3b78)
}

fn crc(bytes: &[u8], polynomial: u32) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (polynomial & (crc & 1).wrapping_neg()))
    })
}

fn one(text_length: u32, payload_length: u32) -> Layout {
    Layout::One { text_length, payload_length, text_checksum: 0x1234_5678 }
}

#[test]
fn an_empty_text_takes_10_bytes_and_a_block_at_most_20_around_its_code() {
    for method in methods() {
        let (model, text) = sample(1, 500);
        let mut coders = Coders::new(&model, method);
        let header = Header { name: ModelName::new("nano"), ..header(method, 1000) };
        let empty = coders.write(&header, &[]);
        assert_eq!((empty.len(), &empty[..6]), (10, &b"\x93EQ\x28\0\0"[..]));
        assert_eq!(empty[6..], crc32(&empty[..6]).to_le_bytes());
        let stream = coders.write(&header, &text);
        let index = Stream::open(&stream).unwrap();
        let payload = index.index().entry(0).unwrap().block.payload_length as usize;
        let table = if Header::parse(&stream).unwrap().method == Method::StaticAc { 100 } else { 0 };
        assert!(stream.len() <= payload + 18 + table, "{method}");
    }
    let longest = |method, name| {
        let header = Header { layout: one((1 << 21) - 1, (1 << 21) - 2), name, ..header(method, 1) };
        header.to_bytes().len()
    };
    assert_eq!(longest(Method::Ac, ModelName::NONE), 20);
    assert_eq!(longest(Method::Mix(Class::Mib16), ModelName::new("micro")), 20);
    assert_eq!(longest(Method::Mix(Class::Mib16), ModelName::new("telemetry")), 20 + 1 + 9);
    assert_eq!(longest(Method::Tables(Class::Mib16), ModelName::NONE), 15);
    assert_eq!(longest(Method::Stored, ModelName::NONE), 12);
    let spelled = ModelName::new("sixteen-letters.");
    let layout = one(1 << 28, (1 << 28) - 1);
    assert!(Header { layout, name: spelled, ..header(Method::Ac, 1) }.to_bytes().len() <= Header::LONGEST);
}

#[test]
fn a_block_takes_36_bytes_besides_its_payload() {
    let (model, text) = sample(3, 300);
    let mut coders = Coders::new(&model, Method::Ac);
    let header = header(Method::Ac, 100);
    let stream = coders.write(&header, &text);
    let opened = Stream::open(&stream).unwrap();
    let payloads: u64 = opened.index().entries().map(|entry| u64::from(entry.block.payload_length)).sum();
    let around = 2 * header.to_bytes().len() + 4 + 22 + 3 * 36;
    assert_eq!(stream.len() as u64, payloads + around as u64);
    assert_eq!((BlockHeader::LENGTH, IndexEntry::LENGTH, Trailer::LENGTH), (24, 12, 22));
}

#[test]
fn checksums_cover_what_the_specification_says() {
    let (model, text) = mixed(5, 300);
    let mut coders = Coders::new(&model, Method::Ac);
    let stream = coders.write(&header(Method::Ac, 100), &text);
    let number = |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().unwrap());
    let length = header(Method::Ac, 100).to_bytes().len();
    let first = crc32c(&text[..100]);
    // The header's tag and checksum.
    let tag = crc32(&[&stream[..length - 8], &100u32.to_le_bytes(), &first.to_le_bytes()].concat());
    assert_eq!((number(length - 8), number(length - 4)), (tag, crc32(&stream[..length - 4])));
    // The first block's.
    let block = &stream[length..][..24];
    assert_eq!(number(length + 16), first);
    assert_eq!(number(length + 20), crc32(&[&tag.to_le_bytes(), &block[..20]].concat()));
    // The end: the start again, the index, and the trailer's.
    let end = stream.len() - 22 - 36 - length - 4;
    assert_eq!(stream[end..end + 4], *b"\xfeEQE");
    assert_eq!(stream[end + 4..][..length], stream[..length]);
    let (index, trailer) = (&stream[stream.len() - 58..][..36], &stream[stream.len() - 22..]);
    assert_eq!(
        trailer[..14],
        [&(length as u16).to_le_bytes()[..], &3u32.to_le_bytes(), &300u64.to_le_bytes()].concat()
    );
    let check = crc32(&[index, &trailer[..14], &crc32(&stream[..length]).to_le_bytes()].concat());
    assert_eq!((number(stream.len() - 8), &trailer[18..]), (check, &b"IQE\x93"[..]));
    // A stream of one block.
    let stream = coders.write(&header(Method::Ac, 100), &text[..100]);
    let length = Header::parse_with_length(&stream).unwrap().1;
    let check = u32::from_le_bytes(stream[length - 4..length].try_into().unwrap());
    assert_eq!(check, first ^ crc32(&stream[..length - 4]));
}

#[test]
fn other_versions_are_refused_by_number() {
    let mut bytes = header(Method::Ac, 100).to_bytes().to_vec();
    let first = b"\x93EQI\x01\x00\x00\x00";
    assert_eq!(Header::parse(first), Err(DecodeError::Version { expected: 2, found: 1 }));
    let sentence = Header::parse(first).unwrap_err().to_string();
    assert!(sentence.contains("version 1") && sentence.contains("never released"), "{sentence}");
    bytes[3] = 0x32;
    assert_eq!(Header::parse(&bytes), Err(DecodeError::Version { expected: 2, found: 3 }));
    assert_eq!(Header::parse(b"PK\x03\x04"), Err(DecodeError::Magic { found: *b"PK\x03\x04" }));
    assert_eq!(Header::parse(b"PK"), Err(DecodeError::Magic { found: *b"PK\0\0" }));
    assert_eq!(Header::parse(b"\x93E"), Err(DecodeError::Truncated { part: StreamPart::Header, block: 0 }));
    assert_eq!(Header::parse(b""), Err(DecodeError::Truncated { part: StreamPart::Header, block: 0 }));
}

/// The field that a header is refused for, whatever its checksum.
fn refused(bytes: &[u8]) -> &'static str {
    match Header::parse(bytes) {
        Err(DecodeError::Header { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn headers_are_checked_field_by_field() {
    let windows = Method::EqualInfo { bits: WindowBits::B24, code: WindowCode::Delay };
    let good = header(windows, 1 << 16);
    assert_eq!(Header::parse(&good.to_bytes()), Ok(good));
    let changed = |change: &dyn Fn(&mut Header)| {
        let mut header = good;
        change(&mut header);
        refused(&header.to_bytes())
    };
    let block_size = |block_size| move |header: &mut Header| header.layout = Layout::Blocks { block_size, tag: 7 };
    assert_eq!(changed(&block_size(0)), "block size");
    assert_eq!(changed(&block_size((1 << 28) + 1)), "block size");
    let lengths = |layout| move |header: &mut Header| header.layout = layout;
    assert_eq!(changed(&lengths(one(0, 0))), "text length");
    assert_eq!(changed(&lengths(one((1 << 28) + 1, 3))), "text length");
    assert_eq!(changed(&lengths(one(100, 100))), "payload length");
    let changed = |at: usize, value: u8| {
        let mut bytes = good.to_bytes().to_vec();
        bytes[at] = value;
        refused(&bytes)
    };
    assert_eq!(changed(3, 0x27), "method");
    assert_eq!(changed(4, 0xf0), "window width");
    assert_eq!(changed(4, 0xe2), "name's number");
    assert_eq!(changed(5, 0), "name's length");
    assert_eq!(changed(5, 17), "name's length");
    assert_eq!(changed(6, b' '), "model's name");
    assert_eq!(changed(6, 0x80), "model's name");
    // A name that has a number is not spelled.
    assert_eq!(refused(b"\x93EQ\x22\xf0\x04nano\0\0\0\0\x2f\0\x01\0\0\0\0\0\0"), "model's name");
    // Tables have a class, and other methods no parameter; those without a model have no name.
    assert_eq!(refused(b"\x93EQ\x23\x06"), "class");
    assert_eq!(refused(b"\x93EQ\x24\x0f"), "class");
    for start in [b"\x93EQ\x20\x01", b"\x93EQ\x21\x01", b"\x93EQ\x22\x01"] {
        assert_eq!(refused(start), "parameter");
    }
    assert_eq!(refused(b"\x93EQ\x24\x11"), "name's number");
    // Numbers are as short as possible, and below 2^29.
    assert_eq!(refused(b"\x93EQ\x28\0\x80\0\0\0\0\0"), "text length");
    assert_eq!(refused(b"\x93EQ\x28\0\x81\x80\0\0\0\0\0"), "text length");
    assert_eq!(refused(b"\x93EQ\x28\0\xff\xff\xff\xff\x02\0\0\0\0"), "text length");
    // The checksum of an empty text is 0.
    assert_eq!(refused(b"\x93EQ\x28\0\0\0\0\0\0"), "checksum of an empty text");
    let header_checksum = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        Header::parse(&bytes)
    };
    assert!(matches!(header_checksum(good.to_bytes().to_vec()), Err(DecodeError::HeaderChecksum { .. })));
}

#[test]
fn no_stream_is_written_that_no_decoder_reads() {
    let good = header(Method::Ac, 100);
    let refused = |header: Header| encode_stream(&mut Uniform, &header, b"text", &mut [0; 1000]);
    assert!(refused(good).is_ok());
    let field = |field, found| Err(EncodeError::Header { field, found });
    assert_eq!(refused(Header { layout: Layout::Blocks { block_size: 0, tag: 0 }, ..good }), field("block size", 0));
    assert_eq!(refused(Header { model: ModelIdentity { context: 0, ..MODEL }, ..good }), field("context", 0));
    assert_eq!(refused(Header { model: ModelIdentity { context: 257, ..MODEL }, ..good }), field("context", 257));
    assert_eq!(refused(Header { method: Method::StaticAc, ..good }), field("context", 48));
    let id_only = ModelIdentity { id: 5, context: 0 };
    assert_eq!(refused(Header { method: Method::Stored, model: id_only, ..good }), field("model", 5));
    let paper = Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Paper };
    assert_eq!(refused(Header { method: paper, ..good }), field("window code", 1));
}

#[test]
fn names_are_short_and_printable() {
    for name in ["", "pico", "nano", "micro", "3m", "n", "sixteen-letters.", "nano2"] {
        assert_eq!(ModelName::new(name).as_str(), name);
    }
    for name in ["seventeen-letters", "two words", "tab\t", "é"] {
        assert_eq!(ModelName::new(name), ModelName::NONE);
    }
    let length = |name| Header { name: ModelName::new(name), ..header(Method::Ac, 100) }.to_bytes().len();
    assert_eq!((length("nano"), length("3m"), length("n")), (length(""), length(""), length("") + 2));
}

#[test]
fn index_entries_hold_every_field() {
    let block = BlockHeader {
        number: 0,
        kind: BlockKind::Tables,
        text_length: 0x0fff_0001,
        payload_length: 7,
        text_checksum: 9,
    };
    assert_eq!(IndexEntry::to_bytes(&block), [7, 0, 0, 0, 1, 0, 0xff, 0x4f, 9, 0, 0, 0]);
    let (model, text) = sample(21, 200);
    let mut coders = Coders::new(&model, Method::Ac);
    let stream = coders.write(&header(Method::Ac, 100), &text);
    let trailer = Trailer::parse(&stream).unwrap();
    let start = header(Method::Ac, 100).to_bytes().len();
    assert_eq!((trailer.blocks, trailer.text_length, trailer.index_length()), (2, 200, 24));
    assert_eq!((trailer.start as usize, trailer.end_length() as usize), (start, 4 + start + 24 + 22));
    // The end alone says everything.
    let end = stream.len() - trailer.end_length() as usize;
    let index = Index::parse(&stream[end..]).unwrap();
    assert_eq!((index.stream_length(), index.blocks_end()), (stream.len() as u64, end as u64));
    assert_eq!(index.header(), Stream::open(&stream).unwrap().header());
    let truncated = Err(DecodeError::Truncated { part: StreamPart::Index, block: 2 });
    assert_eq!(Index::parse(&stream[end + 1..]).map(|_| ()), truncated);
}

fn any_method() -> impl Strategy<Value = Method> {
    let class = proptest::sample::select(Class::ALL.to_vec());
    let windows = (2u32..=16, any::<bool>()).prop_map(|(bytes, delay)| Method::EqualInfo {
        bits: WindowBits::from_bits(8 * bytes).unwrap(),
        code: if delay { WindowCode::Delay } else { WindowCode::Default },
    });
    prop_oneof![
        Just(Method::Stored),
        Just(Method::StaticAc),
        Just(Method::Ac),
        class.clone().prop_map(Method::Mix),
        class.prop_map(Method::Tables),
        windows,
    ]
}

proptest! {
    #[test]
    fn any_header_comes_back(
        method in any_method(),
        id in any::<u32>(),
        context in 1u16..=256,
        name in "[!-~]{0,16}",
        (lengths, tag) in (any::<(u32, u32)>(), any::<u32>()),
        is_one in any::<bool>(),
    ) {
        let (model, name) = match method.has_model() {
            true => (ModelIdentity { id, context }, ModelName::new(&name)),
            false => Default::default(),
        };
        let size = 1 + lengths.0 % (1 << 28);
        let layout = if is_one {
            let text_length = size.max(2);
            let payload = if method == Method::Stored { text_length } else { text_length - 1 - lengths.1 % (text_length / 2) };
            Layout::One { text_length, payload_length: payload, text_checksum: tag }
        } else {
            Layout::Blocks { block_size: size, tag }
        };
        let header = Header { method, model, name, layout };
        let bytes = header.to_bytes();
        prop_assert!(bytes.len() <= Header::LONGEST);
        prop_assert_eq!(Header::parse_with_length(&bytes), Ok((header, bytes.len())));
        let longer = [&bytes[..], b"more"].concat();
        prop_assert_eq!(Header::parse_with_length(&longer), Ok((header, bytes.len())));
        for length in 0..bytes.len() {
            let truncated = DecodeError::Truncated { part: StreamPart::Header, block: 0 };
            prop_assert_eq!(Header::parse(&bytes[..length]), Err(truncated));
        }
    }
}
