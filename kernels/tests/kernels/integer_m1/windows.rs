use equalinfo_codec::ByteModel;
use equalinfo_codec::window::{WindowBits, WindowCode, WindowDecoder, encode_window};

use super::*;
use equalinfo_kernels::integer_m1::{Windows, decode_windows, encode_windows};

/// A document's windows with the lengths of their texts, by the codec.
fn codec_windows(m1: &mut M1, bits: WindowBits, context: usize, document: &[u8]) -> (Vec<u8>, Vec<u16>) {
    let (mut values, mut lengths, mut rest) = (Vec::new(), Vec::new(), document);
    while !rest.is_empty() {
        let window = encode_window(m1, bits, WindowCode::Default, context, rest);
        values.extend(&window.value.to_be_bytes()[16 - bits.bytes()..]);
        lengths.push(window.consumed as u16);
        rest = &rest[window.consumed..];
    }
    (values, lengths)
}

fn check_encoding(driver: &TestDriver, model: &Model, tile: Tile, context: usize, bits: u32, documents: &[Vec<u8>]) {
    let device = OnDevice::new(driver, model, context, tile, 2);
    let joined = Joined::new(driver, documents);
    let width = bits as usize / 8;
    let mut room = 0;
    let first: Vec<i64> = documents
        .iter()
        .map(|document| {
            room += document.len();
            (room - document.len()) as i64
        })
        .collect();
    let first_windows = upload(driver, &first);
    let (values, lengths) = (poisoned::<u8>(driver, room * width), poisoned::<u16>(driver, room));
    let counts = poisoned::<i64>(driver, documents.len());
    let windows = Windows {
        first: View::new(&first_windows),
        values: View::new(&values),
        lengths: Some(View::new(&lengths)),
        counts: View::new(&counts),
        room,
    };
    encode_windows(driver, device.batch(), bits, joined.view(), &windows).unwrap();
    let (values, lengths) = (download::<u8>(driver, &values), download::<u16>(driver, &lengths));
    let counts = download::<i64>(driver, &counts);
    let window_bits = WindowBits::from_bits(bits).unwrap();
    with_m1(model, context, |m1| {
        for ((document, &first), &count) in documents.iter().zip(&first).zip(&counts) {
            let expected = codec_windows(m1, window_bits, context, document);
            assert_eq!(count as usize, expected.1.len(), "windows of {} bytes, {bits} bits", document.len());
            let (begin, end) = (first as usize, (first + count) as usize);
            assert_eq!(lengths[begin..end], expected.1, "{bits} bits");
            assert_eq!(values[begin * width..end * width], expected.0, "{bits} bits");
        }
    });
}

fn check_decoding(driver: &TestDriver, model: &Model, tile: Tile, context: usize, bits: u32, values: &[u8]) {
    let width = bits as usize / 8;
    let count = values.len() / width;
    let device = OnDevice::new(driver, model, context, tile, 1);
    let windows = upload(driver, values);
    let (texts, lengths) = (poisoned::<u8>(driver, count * context), poisoned::<u16>(driver, count));
    let canonical = poisoned::<u8>(driver, count);
    let [windows, texts_view, lengths_view, canonical_view] = [&windows, &texts, &lengths, &canonical].map(View::new);
    decode_windows(driver, device.batch(), bits, count, windows, texts_view, lengths_view, canonical_view).unwrap();
    let (texts, lengths) = (download::<u8>(driver, &texts), download::<u16>(driver, &lengths));
    let canonical = download::<u8>(driver, &canonical);
    with_m1(model, context, |m1| {
        for (index, value) in values.chunks_exact(width).enumerate() {
            let value = value.iter().fold(0u128, |value, &byte| value << 8 | u128::from(byte));
            let window_bits = WindowBits::from_bits(bits).unwrap();
            let mut decoder = WindowDecoder::new(window_bits, WindowCode::Default, context, value).unwrap();
            m1.reset();
            let expected: Vec<u8> = std::iter::from_fn(|| decoder.next(m1)).collect();
            let found = &texts[index * context..][..usize::from(lengths[index])];
            assert_eq!(found, expected, "{bits} bits, value {value:x}");
            assert_eq!(canonical[index], u8::from(decoder.is_canonical()), "{bits} bits, value {value:x}");
        }
    });
}

/// All kinds of widths for one model, only the narrowest and the widest for the others.
fn widths(config: Config) -> &'static [u32] {
    if config == CONFIGS[0] { &[16, 24, 32, 64, 120, 128] } else { &[16, 128] }
}

#[test]
fn documents_become_the_codecs_windows() {
    for (seed, config) in (20..).zip(CONFIGS) {
        let image = images::build(config, seed).bytes;
        let model = Model::load(&image).unwrap();
        // More documents than one block has rows; some are empty.
        let lengths: Vec<usize> = (0..19).map(|i| [0, 1, 2, 9, 30, 5][i % 6]).collect();
        let documents = texts(seed, &lengths);
        let driver = &TestDriver::default();
        for &bits in widths(config) {
            check_encoding(driver, &model, Tile::Rows16, config.context, bits, &documents);
        }
        // A context that closes windows before their bits are spent.
        check_encoding(driver, &model, Tile::Rows16, 2, 64, &documents);
        check_encoding(driver, &model, Tile::Rows16, 1, 16, &documents);
    }
}

#[test]
fn any_value_becomes_the_codecs_text() {
    for (seed, config) in (30..).zip(CONFIGS) {
        let image = images::build(config, seed).bytes;
        let model = Model::load(&image).unwrap();
        let mut random = Random::new(seed);
        for &bits in widths(config) {
            let width = bits as usize / 8;
            let mut values: Vec<u8> = (0..20 * width).map(|_| random.bits() as u8).collect();
            // The empty text, the smallest values and the largest.
            for last in 0..4 {
                values.extend((1..width).map(|_| 0).chain([last]));
                values.extend((1..width).map(|_| 255).chain([255 - last]));
            }
            check_decoding(&TestDriver::default(), &model, Tile::Rows16, config.context, bits, &values);
        }
        let values: Vec<u8> = (0..40).map(|_| random.bits() as u8).collect();
        check_decoding(&TestDriver::default(), &model, Tile::Rows16, 1, 64, &values);
    }
}

#[test]
fn schedules_and_tiles_change_nothing() {
    let config = CONFIGS[0];
    let image = images::build(config, 40).bytes;
    let model = Model::load(&image).unwrap();
    let documents = texts(40, &[12, 3, 25]);
    on_every_schedule(|driver| {
        check_encoding(driver, &model, Tile::Rows16, config.context, 32, &documents);
        check_decoding(driver, &model, Tile::Rows16, config.context, 16, &[3, 1, 200, 7, 0, 0, 90, 90]);
    });
    let driver = &TestDriver::default();
    check_encoding(driver, &model, Tile::Rows64, config.context, 24, &documents);
    check_decoding(driver, &model, Tile::Rows64, config.context, 32, &[3, 1, 200, 7, 0, 0, 90, 90]);
}

#[test]
fn windows_of_nano() {
    let model = Model::load(NANO).unwrap();
    let documents = [b"Every token that the model emits decodes.".to_vec(), b"0.31\r\n".to_vec()];
    let driver = &TestDriver::default();
    check_encoding(driver, &model, Tile::Rows16, 128, 16, &documents);
    check_decoding(driver, &model, Tile::Rows16, 128, 16, &[0x12, 0x34, 0xab, 0xcd, 0xff, 0xff, 0, 1]);
}
