//! Streams over byte frequencies and the engine: the same bytes whatever the threads, and what damage costs.

use std::io::Cursor;

use equalinfo_codec::error::{DecodeError, Part};
use equalinfo_codec::lexicon::payload::METHOD;
use equalinfo_codec::{WindowBits, WindowCode};

use super::read::{Loss, Restored, decompress};
use super::write::{Written, compress};
use super::*;

const BLOCK: u64 = 1000;

fn recipe(method: Method) -> Recipe {
    Recipe::new(method, LoadedModel::english().expect("shipped"), 64, BLOCK).expect("valid")
}

fn methods() -> Vec<Method> {
    let windows = WindowBits::STANDARD
        .into_iter()
        .flat_map(|bits| [WindowCode::Default, WindowCode::Delay].map(|code| Method::EqualInfo { bits, code }));
    [Method::Ac, Method::StaticAc].into_iter().chain(windows).collect()
}

fn text(length: usize) -> Vec<u8> {
    b"It was the best of times, it was the worst of times, it was the age of wisdom. "
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

fn write(method: Method, text: &[u8], threads: usize) -> (Written, Vec<u8>) {
    let mut stream = Vec::new();
    let written =
        compress(&recipe(method), &Workers::Threads(threads), text, &mut stream, |_, _| ()).expect("compresses");
    assert_eq!(written.stream, stream.len() as u64);
    (written, stream)
}

fn read_with(stream: &[u8], threads: usize, map: Option<index_map::IndexMap>) -> Result<(Restored, Vec<u8>)> {
    let mut text = Vec::new();
    let model = |header: &Header| {
        let model = LoadedModel::english()?;
        header.check_model(model.identity(usize::from(header.model.context)))?;
        Ok(model)
    };
    let restored =
        decompress(Cursor::new(stream), &mut text, map, model, |_, _| Ok(Workers::Threads(threads)), |_, _| ())?;
    assert_eq!(restored.text, text.len() as u64);
    Ok((restored, text))
}

fn read(stream: &[u8]) -> Result<(Restored, Vec<u8>)> {
    read_with(stream, 1, None)
}

fn map_of(stream: &[u8]) -> Option<index_map::IndexMap> {
    let mut file = tempfile::tempfile().expect("temporary file");
    std::io::Write::write_all(&mut file, stream).expect("write");
    index_map::IndexMap::read(&mut file).expect("seek")
}

#[test]
fn every_method_is_lossless_and_does_not_depend_on_threads() {
    for method in methods() {
        for length in [0, 1, 999, 1000, 1001, 4321] {
            let text = text(length);
            let (written, stream) = write(method, &text, 1);
            assert_eq!(written.text, length as u64);
            assert_eq!(written.blocks, length.div_ceil(BLOCK as usize) as u32);
            assert_eq!(write(method, &text, 3).1, stream, "{method:?} {length}");
            for threads in [1, 3] {
                let (restored, back) = read_with(&stream, threads, None).expect("intact");
                assert_eq!((restored.losses, back), (Vec::new(), text.clone()), "{method:?} {length}");
            }
        }
    }
}

fn noise() -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..100_000).map(next).collect()
}

/// A long text goes through the lexicon of its model: a stream with the same bytes, read either way.
#[test]
fn long_texts_are_coded_by_the_lexicon_of_their_model() {
    const ALICE: &[u8] = include_bytes!("../../../tests/data/alice29.txt");
    let model = LoadedModel::m1(Some("nano")).expect("shipped");
    let lexicon = model.compiled(64, 2).expect("builds").expect("is an M1");
    assert!(LoadedModel::english().expect("shipped").compiled(64, 2).expect("no lexicon").is_none());
    let stream = |model: &LoadedModel, flexible: bool, text: &[u8]| {
        let recipe = Recipe { flexible, ..Recipe::new(METHOD, model.clone(), 64, 20_000).expect("valid") };
        let mut stream = Vec::new();
        compress(&recipe, &Workers::Threads(2), text, &mut stream, |_, _| ()).expect("compresses");
        stream
    };
    let back = |model: &LoadedModel, stream: &[u8]| {
        let (mut text, workers) = (Vec::new(), |_: &_, _: &_| Ok(Workers::Threads(2)));
        let restored =
            decompress(stream, &mut text, None, |_| Ok(model.clone()), workers, |_, _| ()).expect("a stream");
        (text, restored.losses)
    };
    let mixed = [&ALICE[..50_000], &noise(), &[0; 5000], b"\xf0\x9f", &ALICE[..20_001]].concat();
    for flexible in [false, true] {
        let short = stream(&model, flexible, &mixed);
        assert!(short == stream(&lexicon, flexible, &mixed));
        let mut damaged = short.clone();
        damaged[1000] ^= 1;
        damaged.truncate(short.len() * 2 / 3);
        assert!(back(&model, &damaged) == back(&lexicon, &damaged));
    }
    // Long enough for the lexicon both ways.
    let long = ALICE.repeat(4);
    let coded = stream(&model, false, &long);
    assert!(coded.len() > long.len() * 4 / 10 && coded == stream(&lexicon, false, &long));
    assert!(back(&model, &coded) == (long, Vec::new()));
}

#[test]
fn noise_is_stored() {
    let noise = noise();
    let recipe = Recipe::new(Method::Ac, LoadedModel::english().expect("shipped"), 64, 1 << 16).expect("valid");
    let mut stream = Vec::new();
    let written = compress(&recipe, &Workers::Threads(2), &noise[..], &mut stream, |_, _| ()).expect("compresses");
    assert!(written.stream <= noise.len() as u64 + 28 + 2 * 24 + 4 + 24 + 20);
    assert_eq!(read(&stream).expect("intact").1, noise);
}

#[test]
fn streams_may_follow_each_other() {
    let (first, second) = (text(1500), text(2500));
    let joined = [write(Method::Ac, &first, 1).1, write(Method::StaticAc, &second, 1).1].concat();
    let (restored, back) = read(&joined).expect("intact");
    assert!(restored.losses.is_empty());
    assert_eq!(back, [first, second].concat());
    let (restored, back) = read(&[&joined[..], b"and something else"].concat()).expect("readable");
    assert_eq!(back.len(), 4000);
    assert!(matches!(restored.losses[..], [Loss { cause: DecodeError::NotAStream { .. }, .. }]));
}

/// A flipped bit after the header loses at most the block that it is in, and never gives wrong text.
#[test]
fn a_flipped_bit_costs_one_block() {
    let text = text(2500);
    for method in
        [Method::Ac, Method::StaticAc, Method::EqualInfo { bits: WindowBits::B128, code: WindowCode::Default }]
    {
        let stream = write(method, &text, 1).1;
        let table = if method == Method::StaticAc { equalinfo_codec::container::TABLE_LENGTH } else { 0 };
        for position in 0..stream.len() {
            let mut damaged = stream.clone();
            damaged[position] ^= 1 << (position % 8);
            for map in [None, map_of(&damaged)] {
                let Ok((restored, back)) = read_with(&damaged, 1, map) else {
                    assert!(position < Header::LENGTH + table, "{method:?}: only the header or table may cost all");
                    continue;
                };
                // The last bits of a range-coded block may not matter; then nothing is lost and nothing is said.
                assert!(
                    !restored.losses.is_empty() || back == text,
                    "{method:?}: the damage at {position} went unnoticed"
                );
                let lost: usize = restored.losses.iter().map(|loss| loss.blocks.len()).sum();
                assert!(lost <= 1, "{method:?} {position}: {:?}", restored.losses);
                let expected: Vec<u8> = text
                    .chunks(BLOCK as usize)
                    .zip(0..)
                    .filter(|(_, number)| !restored.losses.iter().any(|loss| loss.blocks.contains(number)))
                    .flat_map(|(block, _)| block.iter().copied())
                    .collect();
                assert_eq!(back, expected, "{method:?} {position}");
            }
        }
    }
}

#[test]
fn a_truncation_at_any_length_is_reported() {
    let text = text(2500);
    for method in [Method::Ac, Method::EqualInfo { bits: WindowBits::B32, code: WindowCode::Default }] {
        let stream = write(method, &text, 1).1;
        for length in 0..stream.len() {
            match read(&stream[..length]) {
                Err(error) => {
                    assert!(length < Header::LENGTH);
                    let cause = error.downcast_ref::<DecodeError>();
                    assert_eq!(cause, Some(&DecodeError::Truncated { part: Part::Header, block: 0 }));
                }
                Ok((restored, back)) => {
                    assert!(
                        matches!(restored.losses[..], [Loss { cause: DecodeError::Truncated { .. }, .. }]),
                        "{length}: {restored:?}"
                    );
                    assert!(text.starts_with(&back) && back.len() % BLOCK as usize == 0 || back == text);
                }
            }
        }
    }
}

#[test]
fn missing_repeated_and_foreign_blocks_are_noticed() {
    let text = text(4000);
    let stream = write(Method::Ac, &text, 1).1;
    let map = map_of(&stream).expect("a map of an intact stream");
    let starts: Vec<usize> = (0..4)
        .scan(Header::LENGTH as u64, |position, _| {
            let (_, start) = map.next_block(*position);
            *position = start + 1;
            Some(start as usize)
        })
        .collect();
    // Block 1 is gone.
    let missing = [&stream[..starts[1]], &stream[starts[2]..]].concat();
    let (restored, back) = read(&missing).expect("readable");
    assert_eq!(back, [&text[..1000], &text[2000..]].concat());
    assert_eq!(restored.losses[0].blocks, 1..2);
    // The last block is gone.
    let missing = [&stream[..starts[3]], &stream[map.next_block(u64::MAX).1 as usize..]].concat();
    let (restored, back) = read(&missing).expect("readable");
    assert_eq!(back, text[..3000]);
    assert_eq!((restored.losses[0].blocks.clone(), restored.losses[0].length), (3..4, Some(1000)));
    // Block 0 comes twice.
    let repeated = [&stream[..starts[1]], &stream[starts[0]..]].concat();
    let (restored, back) = read(&repeated).expect("readable");
    assert_eq!(back, text);
    assert!(matches!(restored.losses[0], Loss { cause: DecodeError::BlockOrder { expected: 1, found: 0 }, .. }));
    // Bytes that are no block stand between two blocks.
    let inserted = [&stream[..starts[2]], b"noise", &stream[starts[2]..]].concat();
    let (restored, back) = read(&inserted).expect("readable");
    assert_eq!(back, text);
    assert!(matches!(restored.losses[..], [Loss { cause: DecodeError::NoBlock { block: 2, .. }, .. }, ..]));
}

/// A stream inside a stream is stored as it is; its blocks must not be taken for those of the outer one.
#[test]
fn a_stream_in_a_damaged_stream_does_not_leak() {
    let inner = write(Method::Ac, &text(3000), 1).1;
    let outer = write(Method::Ac, &inner, 1).1;
    let mut damaged = outer.clone();
    damaged[Header::LENGTH] ^= 1;
    let (restored, back) = read_with(&damaged, 1, map_of(&damaged)).expect("readable");
    assert_eq!(back, inner[1000.min(inner.len())..]);
    assert_eq!(restored.losses[0].blocks, 0..1);
}

/// The kernels, run on the CPU.
fn on_kernels(model: &LoadedModel, context: usize) -> Workers {
    let driver = equalinfo_kernels::cpu::CpuDriver::default();
    let model = model.engine().expect("an M1").image().model();
    Workers::Batch(Box::new(batch::OnDevice::new(driver, model, context, 2).expect("room")))
}

#[test]
fn a_gpu_writes_and_reads_the_same_streams() {
    let model = LoadedModel::m1(Some("nano")).expect("shipped");
    let alice = &include_bytes!("../../../tests/data/alice29.txt")[1000..1700];
    // Noise is stored, and so is what the model makes longer.
    let mut text = alice.to_vec();
    text.extend((0..200u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
    text.extend(&alice[..57]);
    for method in [
        Method::Ac,
        Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Default },
        Method::EqualInfo { bits: WindowBits::B64, code: WindowCode::Default },
    ] {
        let recipe = Recipe::new(method, model.clone(), 32, 100).expect("valid");
        let write = |workers: &Workers| {
            let mut stream = Vec::new();
            compress(&recipe, workers, &text[..], &mut stream, |_, _| ()).expect("compresses");
            stream
        };
        let stream = write(&Workers::Threads(1));
        assert!(write(&on_kernels(&model, 32)) == stream, "{method:?}");
        let read = |stream: &[u8], on_gpu: bool| {
            let workers = |model: &LoadedModel, header: &Header| {
                let context = usize::from(header.model.context);
                Ok(if on_gpu { on_kernels(model, context) } else { Workers::Threads(1) })
            };
            let mut text = Vec::new();
            let restored = decompress(Cursor::new(stream), &mut text, None, |_| Ok(model.clone()), workers, |_, _| ())
                .expect("a stream");
            (restored.losses, text)
        };
        assert_eq!(read(&stream, true), (Vec::new(), text.clone()), "{method:?}");
        // Damage anywhere in the first blocks costs the same, with the same words.
        for place in (Header::LENGTH..Header::LENGTH + 180).step_by(29) {
            let mut damaged = stream.clone();
            damaged[place] ^= 0x10;
            assert_eq!(read(&damaged, true), read(&damaged, false), "{method:?}, byte {place}");
        }
    }
}

#[test]
fn what_a_gpu_does_not_have_is_refused() {
    let model = LoadedModel::m1(Some("nano")).expect("shipped");
    let workers = on_kernels(&model, 32);
    for method in [Method::StaticAc, Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Delay }] {
        let recipe = Recipe::new(method, model.clone(), 32, 100).expect("valid");
        let error = compress(&recipe, &workers, &b"text"[..], &mut Vec::new(), |_, _| ()).expect_err("refused");
        assert!(error.to_string().contains("--device cuda"), "{error}");
    }
}
