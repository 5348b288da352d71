//! The coders and the formats, under a model that is a formula.

use core::fmt;

use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName};
use equalinfo_codec::raw::{self, PayloadLayout};
use equalinfo_codec::{ByteModel, Frequencies, RangeDecoder, Uniform, WindowBits, WindowCode};
use sha2::{Digest as _, Sha256};

use super::streams;
use super::{Digest, Failure, Report, random};

/// The weight of byte `b` after byte `p` is `40000 >> min(15, ((7 * b) ^ (5 * p)) & 127)`. At the start all bytes are
/// equally likely, so that the parts of a text compress as well as the whole.
struct Formula {
    previous: Option<u8>,
    frequencies: Frequencies,
}

impl Formula {
    fn new() -> Self {
        Self { previous: None, frequencies: Frequencies::uniform() }
    }
}

impl ByteModel for Formula {
    fn reset(&mut self) {
        self.previous = None;
    }

    fn frequencies(&mut self) -> &Frequencies {
        let previous = self.previous;
        self.frequencies.set_weights(|byte| match previous {
            None => 1,
            Some(previous) => 40_000 >> ((byte.wrapping_mul(7) ^ previous.wrapping_mul(5)) & 127).min(15),
        });
        &self.frequencies
    }

    fn push(&mut self, byte: u8) {
        self.previous = Some(byte);
    }
}

/// Text that is unlikely under the model. It ends each text, so that the last block is stored.
const UNEXPECTED: &[u8] = b"Training LLMs over Neurally Compressed Text \x00\xff\xf0\x9f\x93\x9d";
const EXPECTED: usize = 96;
const TEXT: usize = EXPECTED + UNEXPECTED.len();
const BLOCK_SIZE: u32 = 48;
/// The number of blocks of likely text, which are coded.
const CODED: usize = EXPECTED / BLOCK_SIZE as usize;
/// Room for any stream.
const STREAM: usize = 1024;

const CODES: [(WindowCode, &str); 3] =
    [(WindowCode::Default, "default"), (WindowCode::Paper, "paper"), (WindowCode::Delay, "delay")];

/// The vectors that need no M1.
pub fn coders(report: &mut Report) {
    report(format_args!("frequencies from weights"), Ok(weights()));
    report(format_args!("frequencies from histograms"), Ok(histograms()));
    let mut text = [0; TEXT];
    let sampled = sample(&mut Formula::new(), 7, &mut text[..EXPECTED]);
    text[EXPECTED..].copy_from_slice(UNEXPECTED);
    report(format_args!("range decoder"), sampled.map(|()| Digest::of(&text)));
    report(format_args!("messages"), messages(&text));
    for (code, name) in CODES {
        for bits in WindowBits::STANDARD {
            report(format_args!("windows of {} bits, {name} code", bits.bits()), windows([bits], code, &text));
        }
        let others = (16..=128).step_by(8).filter_map(WindowBits::from_bits);
        let others = others.filter(|bits| !WindowBits::STANDARD.contains(bits));
        report(format_args!("windows of all other widths, {name} code"), windows(others, code, &text));
    }
    let mut stream = |method, name: fmt::Arguments| report(format_args!("stream {name}"), stream(method, &text));
    stream(Method::Stored, format_args!("stored"));
    stream(Method::Ac, format_args!("ac"));
    stream(Method::StaticAc, format_args!("static-ac"));
    for bits in WindowBits::STANDARD {
        for (code, name) in CODES {
            // The paper's code has no decoder, so no stream may use it.
            if code != WindowCode::Paper {
                let method = Method::EqualInfo { bits, code };
                stream(method, format_args!("equal-info of {} bits, {name} code", bits.bits()));
            }
        }
    }
}

/// A text that is likely under the model: a random code string, decoded.
pub(crate) fn sample(model: &mut impl ByteModel, seed: u64, text: &mut [u8]) -> Result<(), Failure> {
    model.reset();
    let mut random = random(seed);
    let mut decoder = RangeDecoder::new();
    for place in text {
        while decoder.wants_input() {
            decoder.feed(random() as u8);
        }
        *place = decoder.decode(model.frequencies()).ok_or(Failure::RoundTrip)?;
        model.push(*place);
    }
    Ok(())
}

/// Adds the lower ends of all intervals to a digest.
pub(crate) fn add_frequencies(hash: &mut Sha256, frequencies: &Frequencies) {
    (0..=255).for_each(|byte| hash.update((frequencies.start(byte) as u16).to_le_bytes()));
}

/// Weights of every magnitude, from nearly all zeros to the largest.
fn weights() -> Digest {
    let mut hash = Sha256::new();
    let mut frequencies = Frequencies::uniform();
    for seed in 0..64 {
        let mut weights = [0u16; 256];
        let mut random = random(seed);
        weights.iter_mut().for_each(|weight| *weight = (random() >> (48 + seed % 16)) as u16);
        frequencies.set_weights(|byte| weights[usize::from(byte)]);
        add_frequencies(&mut hash, &frequencies);
    }
    Digest::finish(hash)
}

/// Counts of every magnitude, up to 64 bits.
fn histograms() -> Digest {
    let mut hash = Sha256::new();
    for shift in 0..64 {
        let mut counts = [0u64; 256];
        let mut random = random(100 + shift);
        counts.iter_mut().for_each(|count| *count = random() >> shift);
        add_frequencies(&mut hash, &Frequencies::from_histogram(&counts));
    }
    Digest::finish(hash)
}

/// Prefixes of the text up to a length of more than two windows, as messages.
fn messages(text: &[u8]) -> Result<Digest, Failure> {
    let mut hash = Sha256::new();
    for length in (0..=EXPECTED).step_by(3) {
        round_trip(&mut hash, PayloadLayout::Message, &text[..length])?;
    }
    round_trip(&mut hash, PayloadLayout::Message, text)?;
    Ok(Digest::finish(hash))
}

fn windows(widths: impl IntoIterator<Item = WindowBits>, code: WindowCode, text: &[u8]) -> Result<Digest, Failure> {
    let mut hash = Sha256::new();
    for bits in widths {
        // The second context is so short that most windows end at its end.
        for context in [64, 3] {
            round_trip(&mut hash, PayloadLayout::Independent { bits, code, context }, text)?;
        }
    }
    Ok(Digest::finish(hash))
}

/// Adds the payload of a text to a digest, after decoding it again unless the code has no decoder.
fn round_trip(hash: &mut Sha256, layout: PayloadLayout, text: &[u8]) -> Result<(), Failure> {
    // A window of 128 bits for every three bytes of text.
    let mut payload = [0; 6 * TEXT];
    let mut decoded = [0; TEXT];
    let length = raw::encode(&mut Formula::new(), layout, text, &mut payload)?;
    let payload = &payload[..length];
    if !matches!(layout, PayloadLayout::Independent { code: WindowCode::Paper, .. }) {
        let length = raw::decode(&mut Formula::new(), layout, payload, &mut decoded)?;
        if decoded[..length] != *text {
            return Err(Failure::RoundTrip);
        }
    }
    hash.update((length as u32).to_le_bytes());
    hash.update(payload);
    Ok(())
}

fn stream(method: Method, text: &[u8]) -> Result<Digest, Failure> {
    if !method.has_model() {
        return written_stream(Uniform, ModelIdentity::default(), method, text);
    }
    let identity = ModelIdentity { id: 0x1122_3344, context: 64 };
    written_stream(Formula::new(), identity, method, text)
}

fn written_stream(
    mut coder: impl ByteModel,
    model: ModelIdentity,
    method: Method,
    text: &[u8],
) -> Result<Digest, Failure> {
    let header = Header::new(method, model, ModelName::NONE, BLOCK_SIZE);
    let mut stream = [0; STREAM];
    let coded = if method == Method::Stored { 0 } else { CODED };
    let length = streams::write(&mut coder, &header, text, coded, &mut stream)?;
    let stream = &stream[..length];
    streams::read(coder, &header, stream, text)?;
    Ok(Digest::of(stream))
}
