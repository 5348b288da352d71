//! M1: its image, its frequencies, and the streams that it writes.

use equalinfo_codec::container::{Header, Method, ModelIdentity};
#[cfg(not(feature = "cortex-m"))]
use equalinfo_codec::m1::Portable as Loops;
use equalinfo_codec::m1::{Config, M1, Model};
use equalinfo_codec::raw::{self, Layout};
use equalinfo_codec::{ByteModel, Frequencies, WindowBits, WindowCode, decode_window};
#[cfg(feature = "cortex-m")]
use equalinfo_cortex_m::Fastest as Loops;
use sha2::Sha256;

use super::coders::{add_frequencies, sample};
use super::streams;
use super::{Digest, Failure, Random, Report};

/// The context that every model runs with here: what fits, and no multiple of any vector's length.
pub const CONTEXT: usize = 18;

/// The text of the traces, three times as long as the context.
pub const TRACED: &[u8] =
    b"The same bits everywhere: 3.14\r\n\xe2\x86\x92 \x00\xff and the the the the end. \xf0\x9f\x93\x9d";

const EXPECTED: usize = 36;
const BLOCK_SIZE: u32 = 18;
/// Room for any stream: two blocks, and what stands around them.
const STREAM: usize = 192;

const LARGEST: Config = Config { d: 128, ff: 192, context: CONTEXT, layers: 1, heads: 2 };

/// The memory of a model: enough for one layer of 128 or two of 64.
pub struct Memory {
    bytes: [i8; LARGEST.byte_buffer(CONTEXT)],
    words: [i32; LARGEST.word_buffer(CONTEXT)],
}

impl Memory {
    /// Memory in any state will do.
    pub const fn new() -> Self {
        Self { bytes: [-1; _], words: [-1; _] }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// The vectors of a model in an image, under the codec's own M1, with its portable loops or, with the feature `cortex-m`, with those for the core.
pub fn of_image(name: &str, image: &[u8], memory: &mut Memory, report: &mut Report) {
    report(format_args!("{name}: image"), Ok(Digest::of(image)));
    let loaded = match Model::load(image) {
        Ok(model) => model,
        Err(error) => return report(format_args!("{name}: model"), Err(error.into())),
    };
    match M1::<Loops>::with_kernels(&loaded, CONTEXT, &mut memory.bytes, &mut memory.words) {
        Ok(mut m1) => model(name, &mut m1, loaded.id(), report),
        Err(error) => report(format_args!("{name}: memory"), Err(error.into())),
    }
}

/// The vectors of a model, whoever runs it: `model` has a context of [`CONTEXT`] positions.
pub fn model(name: &str, model: &mut impl ByteModel, id: u64, report: &mut Report) {
    report(format_args!("{name}: trace"), Ok(Trace::of(model, TRACED)));
    let mut text = [0; EXPECTED];
    let sampled = sample(model, 11, &mut text);
    report(format_args!("{name}: sample"), sampled.map(|()| Digest::of(&text)));
    report(format_args!("{name}: message"), message(model, &text));
    let identity = ModelIdentity { id, context: CONTEXT as u16 };
    let header = |method| Header { method, model: identity, block_size: BLOCK_SIZE };
    report(format_args!("{name}: stream ac"), stream(model, &header(Method::Ac), &text));
    for bits in WindowBits::STANDARD {
        sample_windows(model, bits, &mut text);
        let digest = stream(model, &header(Method::EqualInfo { bits, code: WindowCode::Default }), &text);
        report(format_args!("{name}: stream equal-info of {} bits", bits.bits()), digest);
    }
}

/// A text that falls into windows which the model finds likely: those that random values decode to.
fn sample_windows(model: &mut impl ByteModel, bits: WindowBits, text: &mut [u8]) {
    let mut random = Random(13);
    let mut places = text.iter_mut();
    while places.len() > 0 {
        let value = u128::from(random.next()) << 64 | u128::from(random.next());
        decode_window(model, bits, WindowCode::Default, CONTEXT, value, |byte| {
            if let Some(place) = places.next() {
                *place = byte;
            }
        });
    }
}

/// The digest of the frequencies ahead of each byte of a text, in a context that slides: of [`TRACED`], a vector.
#[derive(Default)]
pub struct Trace(Sha256);

impl Trace {
    /// Adds what is said about the next byte.
    pub fn add(&mut self, frequencies: &Frequencies) {
        add_frequencies(&mut self.0, frequencies);
    }

    /// The digest.
    pub fn finish(self) -> Digest {
        Digest::finish(self.0)
    }

    /// The digest for a whole text.
    pub fn of(model: &mut impl ByteModel, text: &[u8]) -> Digest {
        let mut trace = Self::default();
        model.reset();
        for &byte in text {
            trace.add(model.frequencies());
            model.push(byte);
        }
        trace.finish()
    }
}

fn message(model: &mut impl ByteModel, text: &[u8]) -> Result<Digest, Failure> {
    let (mut payload, mut decoded) = ([0; 2 * EXPECTED], [0; EXPECTED]);
    let length = raw::encode(model, Layout::Message, text, &mut payload)?;
    let payload = &payload[..length];
    let length = raw::decode(model, Layout::Message, payload, &mut decoded)?;
    if decoded[..length] == *text { Ok(Digest::of(payload)) } else { Err(Failure::RoundTrip) }
}

fn stream(model: &mut impl ByteModel, header: &Header, text: &[u8]) -> Result<Digest, Failure> {
    let mut stream = [0; STREAM];
    let written = streams::write(model, header, None, text, &mut stream)?;
    if written.coded == 0 {
        return Err(Failure::Stored);
    }
    let stream = &stream[..written.length];
    streams::read(model, header, stream, text)?;
    Ok(Digest::of(stream))
}
