//! Streams in storage.

use crate::common::{HashModel, Random, write_stream};
use crate::flash::{Broken, Flash};
use equalinfo_codec::container::{
    DecodeError, Decoder, Header, Method, ModelIdentity, ModelName, StoredStream, Stream,
};
use equalinfo_codec::storage::{Cursor, StorageError};
use equalinfo_codec::{WindowBits, WindowCode};

const MODEL: ModelIdentity = ModelIdentity { id: 3, context: 64 };
const METHODS: [Method; 4] = [
    Method::Ac,
    Method::StaticAc,
    Method::EqualInfo { bits: WindowBits::B32, code: WindowCode::Default },
    Method::Stored,
];

fn model() -> HashModel {
    HashModel::new(1, 200)
}

fn text(length: usize) -> Vec<u8> {
    model().sample(&mut Random::new(1), length)
}

/// Streams of every kind: of several blocks, of one, and of none.
fn streams() -> Vec<Vec<u8>> {
    let write = |(method, length): (Method, usize)| {
        let identity = if matches!(method, Method::Ac | Method::EqualInfo { .. }) { MODEL } else { Default::default() };
        write_stream(&mut model(), &Header::new(method, identity, ModelName::NONE, 150), &text(length))
    };
    METHODS.into_iter().flat_map(|method| [(method, 500), (method, 100), (method, 0)]).map(write).collect()
}

/// All that a stream has: blocks, and windows with their texts.
#[derive(PartialEq, Debug)]
struct Contents {
    header: Header,
    text_length: u64,
    blocks: Vec<Result<Vec<u8>, DecodeError>>,
    windows: Vec<Result<Vec<u8>, DecodeError>>,
}

fn of_slice(bytes: &[u8]) -> Result<Contents, DecodeError> {
    let stream = Stream::open(bytes)?;
    let block = |number| {
        let mut text = vec![0; 150];
        stream.decode_block(&mut model(), number, &mut text).map(|length| text[..length].to_vec())
    };
    let window = |number| {
        let mut text = Vec::new();
        stream.decode_window(&mut model(), number, |byte| text.push(byte)).map(|_| text)
    };
    Ok(Contents {
        header: *stream.header(),
        text_length: stream.index().text_length(),
        blocks: (0..=stream.index().blocks()).map(block).collect(),
        windows: [0, 1, 9, 30, 5000].into_iter().map(window).collect(),
    })
}

fn content<T>(result: Result<T, StorageError<Broken, DecodeError>>) -> Result<T, DecodeError> {
    result.map_err(|error| match error {
        StorageError::Content(error) => error,
        StorageError::Storage(Broken) => panic!("the flash works"),
    })
}

fn of_storage<const BUFFER: usize>(bytes: &[u8]) -> Result<Contents, DecodeError> {
    let flash = Flash::new(&[b"ahead of it", bytes, b"and behind"].concat());
    let mut stream = content(StoredStream::<_, BUFFER>::open(flash, 11, bytes.len() as u32))?;
    let blocks = (0..=stream.blocks())
        .map(|number| {
            let mut text = vec![0; 150];
            content(stream.decode_block(&mut model(), number, &mut text)).map(|length| text[..length].to_vec())
        })
        .collect();
    let windows = [0, 1, 9, 30, 5000]
        .into_iter()
        .map(|number| {
            let mut text = Vec::new();
            content(stream.decode_window(&mut model(), number, |byte| text.push(byte))).map(|_| text)
        })
        .collect();
    Ok(Contents { header: *stream.header(), text_length: stream.text_length(), blocks, windows })
}

#[test]
fn blocks_and_windows_are_those_of_a_slice() {
    let mut windows = 0;
    for stream in streams() {
        let expected = of_slice(&stream);
        assert!(expected.is_ok());
        windows += expected.iter().flat_map(|stream| &stream.windows).filter(|window| window.is_ok()).count();
        assert_eq!(of_storage::<1>(&stream), expected);
        assert_eq!(of_storage::<16>(&stream), expected);
        assert_eq!(of_storage::<512>(&stream), expected);
    }
    assert!(windows > 6);
}

#[test]
fn errors_are_those_of_a_slice() {
    for stream in streams() {
        let all = (0..stream.len()).step_by(crate::common::stride());
        // Of the payloads a part is enough.
        for place in all.filter(|&place| place < 100 || place + 100 > stream.len() || place % 11 == 0) {
            let mut damaged = stream.clone();
            damaged[place] ^= 1 << (place % 8);
            assert_eq!(of_storage::<16>(&damaged), of_slice(&damaged), "byte {place}");
            assert_eq!(of_storage::<16>(&stream[..place]), of_slice(&stream[..place]), "cut at {place}");
        }
        let longer = [&stream[..], b"x"].concat();
        assert_eq!(of_storage::<16>(&longer), of_slice(&longer));
    }
}

#[test]
fn a_block_is_read_once() {
    let stream = &streams()[0];
    let payload = Stream::open(stream).expect("a stream").block(2).expect("a block").1.len();
    let mut stored = StoredStream::<_, 64>::open(Flash::new(stream), 0, stream.len() as u32).expect("a stream");
    assert_eq!(stored.block_of_text(310).expect("works").expect("a block").block.number, 2);
    let mut flash = stored.into_storage();
    assert!(flash.longest <= 64);
    let opened = flash.reads;
    flash.reads = 0;
    stored = StoredStream::open(flash, 0, stream.len() as u32).expect("a stream");
    stored.decode_block(&mut model(), 2, &mut [0; 150]).expect("a block");
    let reads = stored.into_storage().reads;
    // Its entry in the index, its header, its payload.
    assert!(reads <= opened + 1 + payload.div_ceil(64), "{reads} reads, {opened} of them to open it");
}

#[test]
fn failures_of_the_flash_come_through() {
    for stream in streams() {
        let length = stream.len() as u32;
        let mut flash = Flash::new(&stream);
        StoredStream::<_, 16>::open(&mut flash, 0, length).expect("a stream");
        for number in 0..flash.reads {
            let broken = Flash { fails_at: Some(number), ..Flash::new(&stream) };
            let error = StoredStream::<_, 16>::open(broken, 0, length).expect_err("the flash fails");
            assert_eq!(error, StorageError::Storage(Broken));
        }
    }
    let stream = &streams()[0];
    let mut stored = StoredStream::<_, 16>::open(Flash::new(stream), 0, stream.len() as u32).expect("a stream");
    let reads = stored.clone().into_storage().reads;
    stored.decode_block(&mut model(), 3, &mut [0; 150]).expect("a block");
    for number in reads..stored.into_storage().reads {
        let broken = Flash { fails_at: Some(number), ..Flash::new(stream) };
        let mut stored = StoredStream::<_, 16>::open(broken, 0, stream.len() as u32).expect("a stream");
        let failed = stored.decode_block(&mut model(), 3, &mut [0; 150]);
        assert_eq!(failed, Err(StorageError::Storage(Broken)));
        assert_eq!(stored.decode_block(&mut model(), 3, &mut [0; 150]), Ok(50), "and works again");
    }
}

/// The text from the cursor on, read by pieces of seven bytes; a read that failed is repeated.
fn read_all<const BUFFER: usize>(flash: Flash, from: u32, end: u32) -> (Vec<u8>, usize, Result<(), DecodeError>) {
    let mut cursor = Cursor::<_, BUFFER>::new(flash, from..end);
    let mut decoder = Decoder::new(model(), MODEL);
    let (mut text, mut piece, mut failures) = (Vec::new(), [0; 7], 0);
    loop {
        match decoder.read(&mut cursor, &mut piece) {
            Ok(0) => return (text, failures, Ok(())),
            Ok(length) => text.extend(&piece[..length]),
            Err(StorageError::Storage(Broken)) => failures += 1,
            Err(StorageError::Content(error)) => return (text, failures, Err(error)),
        }
    }
}

#[test]
fn a_stream_is_read_front_to_back() {
    for (number, stream) in streams().iter().enumerate() {
        let expected = text([500, 100, 0][number % 3]);
        let flash = Flash::new(&[b"ahead", &stream[..], b"behind"].concat());
        let end = 5 + stream.len() as u32;
        for range_end in [end, end + 6] {
            assert_eq!(read_all::<1>(flash.clone(), 5, range_end), (expected.clone(), 0, Ok(())));
            assert_eq!(read_all::<32>(flash.clone(), 5, range_end), (expected.clone(), 0, Ok(())));
        }
        // Reading goes on where it failed.
        let broken = Flash { fails_at: Some(1), ..flash.clone() };
        assert_eq!(read_all::<8>(broken, 5, end), (expected.clone(), 1, Ok(())));
        let (delivered, _, result) = read_all::<8>(flash, 5, end - 1);
        assert!(expected.starts_with(&delivered));
        assert!(matches!(result, Err(DecodeError::Truncated { .. })), "{result:?}");
    }
}
