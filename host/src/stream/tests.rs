//! Streams over byte frequencies and the engine: the same bytes whatever the threads, and what damage costs.

use std::io::Cursor;

use equalinfo_codec::container::{DecodeError, StreamPart};
use equalinfo_codec::mix::Class;
use equalinfo_codec::{WindowBits, WindowCode};

use equalinfo_codec::container::{BlockHeader, Header, Method};

use super::*;
use crate::{ByteFrequencies, CodingModel, Model};

const BLOCK: u64 = 1000;

fn english(method: Method) -> Compressor {
    Compressor::new(ByteFrequencies::english()).method(method).context(64).block_size(BLOCK).flexible(false)
}

fn methods() -> Vec<Method> {
    let windows = WindowBits::STANDARD
        .into_iter()
        .flat_map(|bits| [WindowCode::Default, WindowCode::Delay].map(|code| Method::EqualInfo { bits, code }));
    let others = [Method::Ac, Method::StaticAc, Method::Tables(Class::Kib16)];
    others.into_iter().chain(windows).collect()
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
    let written = english(method).threads(threads).compress(text, &mut stream).expect("compresses");
    assert_eq!(written.stream, stream.len() as u64);
    (written, stream)
}

fn read_with(stream: &[u8], threads: usize, map: Option<FileMap>) -> Result<(Restored, Vec<u8>), StreamError> {
    let mut text = Vec::new();
    let models = Models::new().with(ByteFrequencies::english());
    let decompressor = Decompressor::new().models(models).threads(threads);
    let restored = decompressor.decompress_with(Cursor::new(stream), &mut text, map, |_, _| ())?;
    assert_eq!(restored.text, text.len() as u64);
    Ok((restored, text))
}

fn read(stream: &[u8]) -> Result<(Restored, Vec<u8>), StreamError> {
    read_with(stream, 1, None)
}

fn map_of(stream: &[u8]) -> Option<FileMap> {
    FileMap::read(&mut Cursor::new(stream)).expect("seeks")
}

/// Where the blocks of a stream begin, and where its end does.
fn places(stream: &[u8]) -> Vec<usize> {
    let map = map_of(stream).expect("seeks");
    let [stream] = &map.streams[..] else { panic!("one stream") };
    let blocks = stream.entries.iter().map(|entry| entry.offset);
    blocks.chain([stream.blocks_end]).map(|place| place as usize).collect()
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

/// Threads without a block of their own run the models of the others' blocks ahead.
#[test]
fn few_blocks_do_not_depend_on_threads() {
    const ALICE: &[u8] = include_bytes!("../../../tests/data/alice29.txt");
    let model = Model::shipped("nano").expect("shipped");
    for method in [Method::Ac, Method::Mix(Class::Kib64)] {
        for (length, block_size) in [(30_000, 1 << 20), (30_000, 30_000), (30_001, 15_000), (30_000, 12_000)] {
            let compressor = Compressor::new(&model).method(method).context(48).block_size(block_size);
            let stream = |threads| compressor.clone().threads(threads).compress_to_vec(&ALICE[..length]);
            let expected = stream(1).expect("compresses");
            for threads in [2, 4, 7] {
                assert!(stream(threads).expect("compresses") == expected, "{method:?} {length} {threads}");
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
    let model = Model::shipped("nano").expect("shipped");
    let lexicon = CodingModel::from(model.lexicon(64, 2).expect("builds"));
    let model = CodingModel::from(model);
    let stream = |model: &CodingModel, flexible: bool, text: &[u8]| {
        let windows = Compressor::new(model).window_bits(WindowBits::B16).context(64).block_size(20_000);
        windows.flexible(flexible).threads(2).compress_to_vec(text).expect("compresses")
    };
    let back = |model: &CodingModel, stream: &[u8]| {
        let mut text = Vec::new();
        let decompressor = Decompressor::new().models(Models::new().with(model)).threads(2);
        let restored = decompressor.decompress(stream, &mut text).expect("a stream");
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
    let mut stream = Vec::new();
    let compressor = english(Method::Ac).block_size(1 << 16).threads(2);
    let written = compressor.compress(&noise[..], &mut stream).expect("compresses");
    assert!(written.stream <= noise.len() as u64 + 2 * 24 + 2 * 24 + 4 + 22 + 2 * 12);
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
    assert!(matches!(restored.losses[..], [Loss { cause: DecodeError::Magic { .. }, .. }]));
}

/// A flipped bit loses at most the block that it is in, or none if it is in the header, and never gives wrong text.
#[test]
fn a_flipped_bit_costs_one_block() {
    let text = text(2500);
    for method in [
        Method::Ac,
        Method::StaticAc,
        Method::Tables(Class::Kib4),
        Method::EqualInfo { bits: WindowBits::B128, code: WindowCode::Default },
    ] {
        let stream = write(method, &text, 1).1;
        for position in 0..stream.len() {
            let mut damaged = stream.clone();
            damaged[position] ^= 1 << (position % 8);
            for map in [None, map_of(&damaged)] {
                let is_pipe = map.is_none();
                let Ok((restored, back)) = read_with(&damaged, 1, map) else {
                    assert!(is_pipe && position < 4, "{method:?} {position}: only the magic of a pipe may cost all");
                    continue;
                };
                assert!(!restored.losses.is_empty(), "{method:?}: the damage at {position} went unnoticed");
                let lost: usize = restored.losses.iter().map(|loss| loss.blocks.len()).sum();
                assert!(lost <= 1, "{method:?} {position}: {:?}", restored.losses);
                let expected: Vec<u8> = text
                    .chunks(BLOCK as usize)
                    .zip(0..)
                    .filter(|(_, number)| !restored.losses.iter().any(|loss| loss.blocks.contains(number)))
                    .flat_map(|(block, _)| block.iter().copied())
                    .collect();
                // A pipe's header may have been taken for that of a stream of one block.
                let is_whole = is_pipe && position < Header::LONGEST && back == text;
                assert!(is_whole || back == expected, "{method:?} {position}");
            }
        }
    }
}

/// Bytes that are missing from a payload cost its block and no other.
#[test]
fn deleted_bytes_cost_the_block_that_they_were_in() {
    let text = text(4000);
    let stream = write(Method::StaticAc, &text, 1).1;
    let places = places(&stream);
    for deleted in [1, 9, 40] {
        for (number, place) in places[..4].iter().enumerate() {
            let at = place + BlockHeader::LENGTH + 5;
            let damaged = [&stream[..at], &stream[at + deleted..]].concat();
            for map in [None, map_of(&damaged)] {
                let (restored, back) = read_with(&damaged, 1, map).expect("readable");
                let lost: Vec<u32> = restored.losses.iter().flat_map(|loss| loss.blocks.clone()).collect();
                assert_eq!(lost, [number as u32], "{deleted} of block {number}: {:?}", restored.losses);
                let expected = [&text[..number * 1000], &text[number * 1000 + 1000..]].concat();
                assert_eq!(back, expected, "{deleted} of block {number}");
            }
        }
    }
}

#[test]
fn a_truncation_at_any_length_says_that_more_may_be_missing() {
    let text = text(2500);
    for method in [Method::Ac, Method::EqualInfo { bits: WindowBits::B32, code: WindowCode::Default }] {
        let stream = write(method, &text, 1).1;
        for length in 0..stream.len() {
            match read(&stream[..length]) {
                Err(error) => {
                    assert!(length < Header::LONGEST);
                    let truncated = DecodeError::Truncated { part: StreamPart::Header, block: 0 };
                    assert!(matches!(error, StreamError::Decode(cause) if cause == truncated));
                }
                Ok((restored, back)) => {
                    assert!(
                        matches!(
                            restored.losses[..],
                            [Loss { cause: DecodeError::Truncated { .. }, is_open: true, .. }]
                        ),
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
    let starts = places(&stream);
    // Block 1 is gone.
    let missing = [&stream[..starts[1]], &stream[starts[2]..]].concat();
    let (restored, back) = read(&missing).expect("readable");
    assert_eq!(back, [&text[..1000], &text[2000..]].concat());
    assert_eq!(restored.losses[0].blocks, 1..2);
    // The last block is gone.
    let missing = [&stream[..starts[3]], &stream[starts[4]..]].concat();
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
    assert!(matches!(restored.losses[..], [Loss { cause: DecodeError::BlockMarker { block: 2, .. }, .. }, ..]));
}

/// Blocks of another stream, even of the same text's beginning and the same options, are not those of this one.
#[test]
fn a_block_of_another_stream_is_not_taken() {
    let (ours, mut theirs) = (text(3000), text(3000));
    theirs[1500..1600].reverse();
    let (stream, other) = (write(Method::Ac, &ours, 1).1, write(Method::Ac, &theirs, 1).1);
    let (starts, others) = (places(&stream), places(&other));
    let spliced = [&stream[..starts[1]], &other[others[1]..others[2]], &stream[starts[2]..]].concat();
    // A pipe learns of it from the index at the end, a file from the index before.
    let (restored, _) = read(&spliced).expect("readable");
    assert!(!restored.losses.is_empty());
    let (restored, back) = read_with(&spliced, 1, map_of(&spliced)).expect("readable");
    assert!(back == [&ours[..1000], &ours[2000..]].concat() || !restored.losses.is_empty());
}

/// A stream inside a stream is stored as it is; its blocks must not be taken for those of the outer one.
#[test]
fn a_stream_in_a_damaged_stream_does_not_leak() {
    // The inner stream is noise to the outer one.
    let inner = english(Method::Tables(Class::Mib1)).compress_to_vec(&text(3000)).expect("compresses");
    let outer = english(Method::Tables(Class::Mib1)).block_size(50).compress_to_vec(&inner).expect("compresses");
    let places = places(&outer);
    for bit in 0..8 * BlockHeader::LENGTH {
        let mut damaged = outer.clone();
        damaged[places[1] + bit / 8] ^= 1 << (bit % 8);
        for map in [None, map_of(&damaged)] {
            let (restored, back) = read_with(&damaged, 1, map).expect("readable");
            assert_eq!(back, [&inner[..50], &inner[100..]].concat());
            assert_eq!(restored.losses[0].blocks, 1..2);
        }
    }
}

#[test]
fn damage_is_an_error_where_none_is_tolerated() {
    let mut stream = write(Method::StaticAc, &text(2500), 1).1;
    let (last, mut intact) = (stream.len() - 100, Vec::new());
    stream[last] ^= 1;
    match Decompressor::new().strict(true).decompress(&stream[..], &mut intact) {
        Err(StreamError::Damaged(restored)) => {
            assert_eq!((restored.losses.len(), restored.text), (1, intact.len() as u64));
            assert!(text(2500).starts_with(&intact) && intact.len() >= 1000);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let nano = Model::shipped("nano").expect("shipped");
    let lexicon = nano.lexicon(8, 2).expect("builds");
    let windows = |bits| Compressor::new(&nano).window_bits(bits);
    let refused = |compressor: Compressor| compressor.compress_to_vec(b"text").expect_err("refused");
    assert!(matches!(refused(Compressor::new(&nano).method(Method::StaticAc)), StreamError::Method { .. }));
    assert!(matches!(refused(Compressor::new(&lexicon).method(Method::Ac)), StreamError::Method { .. }));
    assert!(matches!(refused(Compressor::new(&lexicon).window_bits(WindowBits::B32)), StreamError::Method { .. }));
    assert!(matches!(refused(Compressor::new(&lexicon).context(7)), StreamError::Context { expected: 8, .. }));
    assert!(matches!(refused(Compressor::new(&nano).context(129)), StreamError::Context { expected: 128, .. }));
    assert!(matches!(refused(Compressor::new(&nano).context(0)), StreamError::Context { .. }));
    assert!(matches!(refused(Compressor::new(&nano).block_size(0)), StreamError::BlockSize { found: 0 }));
    assert!(matches!(refused(windows(WindowBits::B32).code(WindowCode::Paper)), StreamError::NotDecodable));
}

#[test]
fn a_stream_says_which_model_it_needs() {
    let (nano, micro) = (Model::shipped("nano").expect("shipped"), Model::shipped("micro").expect("shipped"));
    let stream = Compressor::new(&nano).compress_to_vec(b"It was the best of times").expect("compresses");
    let error = Decompressor::new().model(&micro).decompress_to_vec(&stream).expect_err("another model");
    assert!(matches!(&error, StreamError::OtherModel { name, .. } if name == "micro"), "{error}");
    // Of several that are given, the right one is taken.
    let both = Decompressor::new().model(&micro).model(&nano);
    assert_eq!(both.decompress_to_vec(&stream).expect("intact"), b"It was the best of times");
    let (header, length) = Header::parse_with_length(&stream).expect("a header");
    let identity = equalinfo_codec::container::ModelIdentity { id: 1, ..header.model };
    let unknown = Header { model: identity, ..header };
    let foreign = [&unknown.to_bytes()[..], &stream[length..]].concat();
    let models = Models::new().or_by(|header| if header.model.id == 1 { Err("no".into()) } else { Ok(None) });
    let error = Decompressor::new().models(models).decompress_to_vec(&foreign).expect_err("looked for");
    assert!(matches!(&error, StreamError::Lookup { id: 1, .. }), "{error}");
    let error = Decompressor::new().decompress_to_vec(&foreign).expect_err("unknown");
    assert!(error.to_string().starts_with("needs model nano 00000001; the shipped ones are"), "{error}");
}

#[test]
fn any_part_of_a_stream_is_read_alone() {
    let text = text(4321);
    let nano = Model::shipped("nano").expect("shipped");
    for compressor in [Compressor::new(ByteFrequencies::english()), Compressor::new(&nano).window_bits(WindowBits::B24)]
    {
        let is_windows = matches!(compressor.model(), CodingModel::Model(_));
        let stream = compressor.block_size(BLOCK).compress_to_vec(&text).expect("compresses");
        let mut file = StreamFile::open(Cursor::new(&stream)).expect("opens");
        assert_eq!(file.text(4).expect("a block"), text[4000..]);
        assert_eq!(file.range(995..3005).expect("a range"), text[995..3005]);
        assert_eq!(file.range(4320..u64::MAX).expect("a range"), text[4320..]);
        assert_eq!(file.range(4321..4321).expect("a range"), b"");
        assert!(matches!(file.range(4322..4323), Err(StreamError::Range { expected: 4321, found: 4322 })));
        assert!(matches!(file.text(5), Err(StreamError::NoBlock { number: 5, blocks: 5 })));
        if !is_windows {
            assert!(matches!(file.window(0), Err(StreamError::NoWindows)));
            continue;
        }
        let mut windows = Vec::new();
        while let Ok(window) = file.window(windows.len() as u64) {
            windows.push(window);
        }
        assert!(windows.len() > 20 && windows.concat() == text);
        assert!(matches!(file.window(windows.len() as u64), Err(StreamError::NoWindow { .. })));
    }
}

#[test]
fn streams_are_written_and_read_on_any_thread() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    shared::<Compressor>();
    shared::<Decompressor>();
    shared::<StreamError>();
    sent::<StreamFile<std::fs::File>>();
}

#[cfg(feature = "cuda")]
mod on_kernels {
    use std::sync::Arc;

    use super::*;
    use crate::accelerator::Accelerator;
    use crate::cuda::OnDevice;
    use crate::plan::Workers;

    /// The kernels, run on the CPU.
    fn on_kernels(model: &Model, context: usize) -> Box<dyn Accelerator> {
        let driver = equalinfo_kernels::cpu::CpuDriver::default();
        Box::new(OnDevice::new(driver, model.engine().image().model(), context, 2).expect("room"))
    }

    #[test]
    fn a_gpu_writes_and_reads_the_same_streams() {
        let model = Model::shipped("nano").expect("shipped");
        let alice = &include_bytes!("../../../tests/data/alice29.txt")[1000..1700];
        // Noise is stored, and so is what the model makes longer.
        let mut text = alice.to_vec();
        text.extend((0..200u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8));
        text.extend(&alice[..57]);
        let gpu = on_kernels(&model, 32);
        for method in [
            Method::Ac,
            Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Default },
            Method::EqualInfo { bits: WindowBits::B64, code: WindowCode::Default },
        ] {
            let compressor =
                Compressor::new(&model).method(method).context(32).block_size(100).flexible(false).threads(1);
            let stream = compressor.compress_to_vec(&text).expect("compresses");
            let mut on_gpu = Vec::new();
            let workers = Workers::Accelerator(gpu.as_ref());
            compressor.compress_by(workers, &text[..], &mut on_gpu, |_, _| ()).expect("compresses");
            assert!(on_gpu == stream, "{method:?}");
            let opened = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let read = |stream: &[u8], on_gpu: bool| {
                let mut decompressor = Decompressor::new().threads(1);
                if on_gpu {
                    decompressor = decompressor.accelerator(|model, context| {
                        opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        Ok(on_kernels(model, context))
                    });
                }
                let mut text = Vec::new();
                let restored = decompressor.decompress(stream, &mut text).expect("a stream");
                (restored.losses, text)
            };
            assert_eq!(read(&stream, true), (Vec::new(), text.clone()), "{method:?}");
            assert_eq!(opened.load(std::sync::atomic::Ordering::Relaxed), 1);
            // Damage anywhere in the first blocks costs the same, with the same words.
            let first = places(&stream)[0];
            for place in (first..first + 180).step_by(29) {
                let mut damaged = stream.clone();
                damaged[place] ^= 0x10;
                assert_eq!(read(&damaged, true), read(&damaged, false), "{method:?}, byte {place}");
            }
        }
    }

    #[test]
    fn what_a_gpu_does_not_have_is_refused() {
        let model = Model::shipped("nano").expect("shipped");
        let gpu = on_kernels(&model, 32);
        for compressor in [
            Compressor::new(ByteFrequencies::english()),
            Compressor::new(&model).window_bits(WindowBits::B16).code(WindowCode::Delay),
            Compressor::new(&model).window_bits(WindowBits::B16),
        ] {
            let workers = Workers::Accelerator(gpu.as_ref());
            let error = compressor.compress_by(workers, &b"text"[..], Vec::new(), |_, _| ()).expect_err("refused");
            assert!(error.to_string().contains("GPUs"), "{error}");
        }
    }
}
