//! M1: its image, its frequencies and its streams.

use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName};
#[cfg(not(feature = "cortex-m"))]
pub(crate) use equalinfo_codec::m1::Portable as Loops;
use equalinfo_codec::m1::{Config, M1, Model};
use equalinfo_codec::raw::{self, PayloadLayout};
use equalinfo_codec::{ByteModel, Frequencies, WindowBits, WindowCode, decode_window};
#[cfg(feature = "cortex-m")]
pub(crate) use equalinfo_cortex_m::Fastest as Loops;
use sha2::Sha256;

use super::coders::{add_frequencies, sample};
use super::streams;
use super::{Digest, Failure, Report, random};

/// The context of every model here: it fits the memory, and is not a multiple of any vector's length.
pub const CONTEXT: usize = 18;

/// The text of the traces, three times as long as the context.
pub const TRACED: &[u8] =
    b"The same bits everywhere: 3.14\r\n\xe2\x86\x92 \x00\xff and the the the the end. \xf0\x9f\x93\x9d";

const EXPECTED: usize = 36;
const BLOCK_SIZE: u32 = 18;
/// Room for any stream: two blocks and the fixed parts.
const STREAM: usize = 192;

const LARGEST: Config = Config { d: 128, ff: 192, context: CONTEXT, layers: 1, heads: 2 };

/// The memory of a model: enough for one layer of 128 or two of 64.
pub struct Memory {
    pub(crate) bytes: [i8; LARGEST.byte_buffer(CONTEXT)],
    pub(crate) words: [i32; LARGEST.word_buffer(CONTEXT)],
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

/// The vectors of a model in an image, computed by the codec's own M1 with its portable loops, or with those for the
/// core if the feature `cortex-m` is on.
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

/// The vectors of a model, however it is implemented. It must have a context of [`CONTEXT`] positions.
pub fn model(name: &str, model: &mut impl ByteModel, id: u64, report: &mut Report) {
    report(format_args!("{name}: trace"), Ok(Trace::of(model, TRACED)));
    let mut text = [0; EXPECTED];
    let sampled = sample(model, 11, &mut text);
    report(format_args!("{name}: sample"), sampled.map(|()| Digest::of(&text)));
    report(format_args!("{name}: message"), message(model, &text));
    let identity = ModelIdentity::new(id, CONTEXT);
    let header = |method| Header::new(method, identity, ModelName::NONE, BLOCK_SIZE);
    report(format_args!("{name}: stream ac"), stream(model, &header(Method::Ac), &text));
    for bits in WindowBits::STANDARD {
        sample_windows(model, bits, &mut text);
        let digest = stream(model, &header(Method::EqualInfo { bits, code: WindowCode::Default }), &text);
        report(format_args!("{name}: stream equal-info of {} bits", bits.bits()), digest);
    }
}

/// A text whose windows are likely under the model: those that random values decode to.
fn sample_windows(model: &mut impl ByteModel, bits: WindowBits, text: &mut [u8]) {
    let mut random = random(13);
    let mut places = text.iter_mut();
    while places.len() > 0 {
        let value = u128::from(random()) << 64 | u128::from(random());
        decode_window(model, bits, WindowCode::Default, CONTEXT, value, |byte| {
            if let Some(place) = places.next() {
                *place = byte;
            }
        });
    }
}

/// The digest of the frequencies before each byte of a text, in a context that slides. That of [`TRACED`] is a vector.
#[derive(Default)]
pub struct Trace(Sha256);

impl Trace {
    /// Adds the frequencies of the next byte.
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
    let length = raw::encode(model, PayloadLayout::Message, text, &mut payload)?;
    let payload = &payload[..length];
    let length = raw::decode(model, PayloadLayout::Message, payload, &mut decoded)?;
    if decoded[..length] == *text { Ok(Digest::of(payload)) } else { Err(Failure::RoundTrip) }
}

fn stream(model: &mut impl ByteModel, header: &Header, text: &[u8]) -> Result<Digest, Failure> {
    let mut stream = [0; STREAM];
    let length = streams::write(model, header, text, 1, &mut stream)?;
    let stream = &stream[..length];
    streams::read(model, header, stream, text)?;
    Ok(Digest::of(stream))
}
