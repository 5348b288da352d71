//! Streams: round trips through buffers of any size, every field, what no encoder writes, and the effects of damage.

mod canonical;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod dumps;
mod fields;
mod recovery;
mod round_trips;

use common::{HashModel, Random};
use equalinfo_codec::container::{
    BlockHeader, BlockKind, DecodeError, Decoder, END_MARKER, Header, IndexBuilder, IndexEntry, Method, ModelIdentity,
    ModelName, encode_payload,
};
use equalinfo_codec::mix::{AnyTables, Class, Coder, WithTables};
use equalinfo_codec::{Progress, WindowBits, WindowCode};

const MODEL: ModelIdentity = ModelIdentity { id: 0x0123_4567, context: 48 };

fn header(method: Method, block_size: u32) -> Header {
    let (model, name) = if method.has_model() { (MODEL, ModelName::new("hashed")) } else { Default::default() };
    Header::new(method, model, name, block_size)
}

/// Every method, the tables in the classes that are quick to reset.
fn methods() -> Vec<Method> {
    let mut methods = vec![Method::Stored, Method::StaticAc, Method::Ac];
    for class in [Class::Kib4, Class::Kib16] {
        methods.extend([Method::Mix(class), Method::Tables(class)]);
    }
    for bits in WindowBits::STANDARD {
        for code in [WindowCode::Default, WindowCode::Delay] {
            methods.push(Method::EqualInfo { bits, code });
        }
    }
    methods
}

/// A model, and memory for the tables of a method.
struct Coders {
    model: HashModel,
    memory: Vec<u32>,
}

type TestCoder<'a> = WithTables<HashModel, AnyTables<'a>>;

impl Coders {
    fn new(model: &HashModel, method: Method) -> Self {
        Self { model: model.clone(), memory: vec![0x5555_5555; method.class().map_or(0, Class::words)] }
    }

    fn coder(&mut self) -> TestCoder<'_> {
        WithTables::new(self.model.clone(), AnyTables::new(&mut self.memory))
    }

    fn write(&mut self, header: &Header, text: &[u8]) -> Vec<u8> {
        common::write_stream(&mut self.coder(), header, text)
    }

    fn decode(&mut self, stream: &[u8]) -> (Vec<u8>, Result<(), DecodeError>) {
        decode_in_pieces(self.coder(), stream, stream.len().max(1), 4096)
    }
}

/// Decodes in pieces of input and output, and returns the text delivered and the result.
fn decode_in_pieces(
    coder: impl Coder,
    stream: &[u8],
    input_piece: usize,
    output_piece: usize,
) -> (Vec<u8>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(coder, MODEL);
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

fn sample(seed: u64, length: usize) -> (HashModel, Vec<u8>) {
    let mut model = HashModel::new(seed, 200);
    let text = model.sample(&mut Random::new(seed), length);
    (model, text)
}

/// A text that repeats itself, so that tables shorten it too, but for every third block of 100 bytes, which is noise.
fn mixed(seed: u64, length: usize) -> (HashModel, Vec<u8>) {
    let (model, mut text) = sample(seed, length);
    let mut random = Random::new(seed);
    for (number, block) in text.chunks_mut(100).enumerate() {
        if number % 3 == 2 {
            block.iter_mut().for_each(|byte| *byte = random.next() as u8);
        } else {
            (20..block.len()).for_each(|at| block[at] = block[at - 20]);
        }
    }
    (model, text)
}

/// Writes a stream in blocks, however short its text, with blocks of these kinds in turn.
fn write_blocks(coder: &mut impl Coder, mut header: Header, text: &[u8], kinds: &[BlockKind]) -> Vec<u8> {
    let (context, size) = (usize::from(header.model.context), header.block_size() as usize);
    let mut blocks = Vec::new();
    for (number, text) in (0..).zip(text.chunks(size)) {
        let kind = kinds[number as usize % kinds.len()];
        let mut payload = text.to_vec();
        let block = match kind.method(header.method).expect("a kind of this method") {
            Method::Stored => BlockHeader::stored(number, text),
            method => {
                let length = encode_payload(coder, method, context, text, &mut payload).expect("a text that shrinks");
                payload.truncate(length);
                BlockHeader::coded(kind, number, text, length)
            }
        };
        if number == 0 {
            header = header.bound_to(&block);
        }
        blocks.push((block, payload));
    }
    let start = header.to_bytes();
    let mut index = IndexBuilder::new(&header, &start);
    let (mut stream, mut entries) = (start.to_vec(), Vec::new());
    for (block, payload) in &blocks {
        assert_eq!(index.add(block).offset, stream.len() as u64);
        stream.extend_from_slice(&block.to_bytes(&header));
        stream.extend_from_slice(payload);
        entries.extend_from_slice(&IndexEntry::to_bytes(block));
    }
    stream.extend_from_slice(&END_MARKER);
    stream.extend_from_slice(&start);
    stream.extend_from_slice(&entries);
    stream.extend_from_slice(&index.trailer().to_bytes());
    stream
}
