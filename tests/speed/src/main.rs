//! One of the codec's inner loops, for `tests/speed/instructions` to count: `equalinfo-speed LOOP`.
//!
//! Everything is portable code of the codec, single-threaded and without randomness, so that the count depends on the
//! compiler alone. Only what runs inside of [`measured`] is counted.

use std::hint::black_box;
use std::process::ExitCode;

use equalinfo_codec::m1::{Aligned, M1, Model};
use equalinfo_codec::mix::{Alone, Class, Decoder, Encoder, Shape, WithShape};
use equalinfo_codec::{ByteModel as _, Frequencies, RangeDecoder, RangeEncoder};

static TEXT: &[u8] = include_bytes!("../../data/alice29.txt");
static NANO: &[u8] = &Aligned(*include_bytes!("../../../host/models/nano.m1q")).0;
static MICRO: &[u8] = &Aligned(*include_bytes!("../../../host/models/micro.m1q")).0;

/// The only function whose instructions are counted.
#[inline(never)]
fn measured<T>(run: impl FnOnce() -> T) -> T {
    black_box(run())
}

fn frequencies_of(text: &[u8]) -> Frequencies {
    let mut histogram = [0; 256];
    text.iter().for_each(|&byte| histogram[usize::from(byte)] += 1);
    Frequencies::from_histogram(&histogram)
}

fn range_encode(frequencies: &Frequencies, text: &[u8], code: &mut [u8]) -> usize {
    let mut encoder = RangeEncoder::new(code);
    for &byte in text {
        encoder.encode(frequencies, byte);
    }
    encoder.finish().expect("the code fits")
}

fn range_decode(frequencies: &Frequencies, mut code: &[u8], text: &mut [u8]) {
    let mut decoder = RangeDecoder::new();
    for place in text {
        code = &code[decoder.feed_from(code)..];
        while decoder.wants_input() {
            decoder.feed(0);
        }
        *place = decoder.decode(frequencies).expect("an intact code");
    }
}

/// The model's frequencies for every byte of a text.
fn evaluate(image: &[u8], text: &[u8]) {
    let model = Model::load(image).expect("a shipped model");
    let (config, context) = (model.config(), usize::from(model.config().context));
    let (mut bytes, mut words) = (vec![0; config.byte_buffer(context)], vec![0; config.word_buffer(context)]);
    let mut m1 = M1::new(&model, context, &mut bytes, &mut words).expect("its own context");
    measured(|| {
        for &byte in text {
            black_box(m1.frequencies());
            m1.push(byte);
        }
    });
}

/// The adaptive layer alone.
struct Mix<'t> {
    text: &'t [u8],
    decode: bool,
}

impl WithShape for Mix<'_> {
    type Output = ();

    fn with<S: Shape>(self) {
        let mut memory = vec![0; S::WORDS];
        let mut code = Vec::with_capacity(2 * self.text.len());
        let mut encode = || {
            let mut encoder = Encoder::<S, Alone>::new(Alone, &mut memory, None).expect("memory of the class");
            self.text.iter().for_each(|&byte| encoder.encode(byte, &mut |byte| code.push(byte)));
            encoder.finish(&mut |byte| code.push(byte));
        };
        if !self.decode {
            return measured(encode);
        }
        encode();
        let mut text = vec![0; self.text.len()];
        let mut decoder = Decoder::<S, Alone>::new(Alone, &mut memory, None, code.len()).expect("memory of the class");
        measured(|| decoder.decode(&code, &mut text)).expect("an intact code");
        assert!(text == self.text, "the adaptive layer gives back another text");
    }
}

fn main() -> ExitCode {
    let frequencies = frequencies_of(TEXT);
    let mut code = vec![0; 2 * TEXT.len()];
    match std::env::args().nth(1).as_deref() {
        Some("range-encode") => _ = measured(|| range_encode(&frequencies, TEXT, &mut code)),
        Some("range-decode") => {
            let length = range_encode(&frequencies, TEXT, &mut code);
            let mut text = vec![0; TEXT.len()];
            measured(|| range_decode(&frequencies, &code[..length], &mut text));
            assert!(text == TEXT, "the range coder gives back another text");
        }
        Some("nano") => evaluate(NANO, &TEXT[..48]),
        Some("micro") => evaluate(MICRO, &TEXT[..16]),
        Some("mix-encode") => Class::Kib256.with(Mix { text: &TEXT[..3000], decode: false }),
        Some("mix-decode") => Class::Kib256.with(Mix { text: &TEXT[..3000], decode: true }),
        other => {
            eprintln!("expected range-encode, range-decode, nano, micro, mix-encode or mix-decode, found {other:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
