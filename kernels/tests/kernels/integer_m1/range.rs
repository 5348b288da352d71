use equalinfo_codec::ByteModel;
use equalinfo_codec::range_coder::{RangeDecoder, RangeEncoder};

use super::*;
use equalinfo_kernels::integer_m1::{range_decode, range_encode, trace};

/// A text's code string, by the codec.
fn codec_string(m1: &mut M1, text: &[u8]) -> Vec<u8> {
    let mut output = vec![0; 2 * text.len() + 16];
    let mut encoder = RangeEncoder::new(&mut output);
    m1.reset();
    for &byte in text {
        encoder.encode(m1.frequencies(), byte);
        m1.push(byte);
    }
    let length = encoder.finish().unwrap();
    output.truncate(length);
    output
}

/// A code string's text, by the codec; `None` if there is none of this length.
fn codec_text(m1: &mut M1, string: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = RangeDecoder::new();
    let mut input = string.iter().copied().chain(std::iter::repeat(0));
    m1.reset();
    (0..length)
        .map(|_| {
            while decoder.wants_input() {
                decoder.feed(input.next()?);
            }
            let byte = decoder.decode(m1.frequencies())?;
            m1.push(byte);
            Some(byte)
        })
        .collect()
}

fn encode(driver: &TestDriver, device: &OnDevice, texts: &[Vec<u8>], spare: i64) -> Vec<Option<Vec<u8>>> {
    let joined = Joined::new(driver, texts);
    let coded = poisoned::<u32>(driver, joined.length);
    trace(driver, device.batch(), joined.view(), View::new(&coded), None).unwrap();
    let mut begin = 0;
    let mut begins = vec![0];
    for text in texts {
        begin += (text.len() as i64 + spare).max(0);
        begins.push(begin);
    }
    let (codes, lengths) = (poisoned::<u8>(driver, begin as usize), poisoned::<i64>(driver, texts.len()));
    let begins_on_device = upload(driver, &begins);
    let [coded, codes_view, begins_view, lengths_view] = [&coded, &codes, &begins_on_device, &lengths].map(View::new);
    let ends = joined.view().ends;
    range_encode(driver, texts.len(), coded, ends, codes_view, begins_view, lengths_view).unwrap();
    let codes = download::<u8>(driver, &codes);
    let string = |(&length, &begin): (&i64, &i64)| {
        (length >= 0).then(|| codes[begin as usize..(begin + length) as usize].to_vec())
    };
    download::<i64>(driver, &lengths).iter().zip(&begins).map(string).collect()
}

fn decode(driver: &TestDriver, device: &OnDevice, strings: &[Vec<u8>], lengths: &[usize]) -> Vec<Option<Vec<u8>>> {
    let codes = Joined::new(driver, strings);
    let texts = Joined::new(driver, &lengths.iter().map(|&length| vec![0; length]).collect::<Vec<_>>());
    let intact = poisoned::<u8>(driver, strings.len());
    range_decode(driver, device.batch(), codes.view(), texts.view(), View::new(&intact)).unwrap();
    let bytes = download::<u8>(driver, &texts.bytes);
    let mut rest = bytes.as_slice();
    let text = |(&intact, &length): (&u8, &usize)| {
        let (text, after) = rest.split_at(length);
        rest = after;
        (intact == 1).then(|| text.to_vec())
    };
    download::<u8>(driver, &intact).iter().zip(lengths).map(text).collect()
}

#[test]
fn strings_are_the_codecs_and_decode() {
    for (seed, config) in (50..).zip(CONFIGS) {
        let image = images::build(config, seed).bytes;
        let model = Model::load(&image).unwrap();
        let lengths: Vec<usize> = (0..19).map(|i| [0, 1, 7, 40, 2][i % 5]).collect();
        let texts = texts(seed, &lengths);
        for context in [config.context, 5] {
            let driver = &TestDriver::new(seed as u32, 1);
            let device = OnDevice::new(driver, &model, context, Tile::Rows16, 1);
            let strings = encode(driver, &device, &texts, 40);
            let expected: Vec<_> =
                with_m1(&model, context, |m1| texts.iter().map(|text| Some(codec_string(m1, text))).collect());
            assert_eq!(strings, expected, "context {context}");
            let strings: Vec<Vec<u8>> = strings.into_iter().flatten().collect();
            let decoded: Vec<Vec<u8>> = decode(driver, &device, &strings, &lengths).into_iter().flatten().collect();
            assert_eq!(decoded, texts, "context {context}");
        }
    }
}

#[test]
fn strings_that_no_text_has_are_told_apart() {
    let image = images::build(CONFIGS[0], 60).bytes;
    let model = Model::load(&image).unwrap();
    let mut random = Random::new(60);
    // Most of all codes belong to some text; those at the top of the interval don't.
    let mut strings: Vec<Vec<u8>> = (0..6).map(|_| (0..12).map(|_| random.bits() as u8).collect()).collect();
    strings.extend([vec![255; 30], vec![], vec![0; 3], vec![255, 255, 255, 255, 255, 255, 255, 255, 0, 1]]);
    let lengths = vec![14; strings.len()];
    let driver = &TestDriver::default();
    let device = OnDevice::new(driver, &model, 33, Tile::Rows16, 1);
    let found = decode(driver, &device, &strings, &lengths);
    let expected: Vec<_> =
        with_m1(&model, 33, |m1| strings.iter().map(|string| codec_text(m1, string, 14)).collect::<Vec<_>>());
    assert_eq!(found, expected);
    assert!(expected.contains(&None) && expected.iter().flatten().count() > 3);
}

#[test]
fn a_place_too_small_is_told() {
    let image = images::build(CONFIGS[0], 61).bytes;
    let model = Model::load(&image).unwrap();
    let driver = &TestDriver::default();
    let device = OnDevice::new(driver, &model, 33, Tile::Rows16, 1);
    let texts = texts(61, &[30, 40]);
    let expected: Vec<_> = with_m1(&model, 33, |m1| texts.iter().map(|text| codec_string(m1, text)).collect());
    let spare = |n: i64| encode(driver, &device, &texts[..1], expected[0].len() as i64 - 30 + n);
    assert_eq!(spare(0), [Some(expected[0].clone())]);
    assert_eq!(spare(-1), [None]);
}
