//! Measures the codec's public functions one by one: the instructions and the stack of each.
//!
//! A function's stack is what it takes below its caller, together with the [`M1`], decoder or encoder that it is given,
//! as those are on the stack of most programs.

use equalinfo_codec::container::{DecodeError, Decoder};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::mix::Coder;
use equalinfo_codec::raw::{self, Check, MessageEncoder};
use equalinfo_codec::strings::StringTable;
use equalinfo_cortex_m::Fastest;

use crate::Failure;
use crate::measure::function;

/// A line of telemetry.
const LINE: &[u8] = b"t=21.4 h=38 p=1013.2 co2=612 bat=3.94 ok";
/// A text of the string table.
const TEXT: u16 = 7;
/// The context of messages and of the string table.
const CONTEXT: usize = 32;

/// What a program for one model has in flash.
#[derive(Debug)]
pub struct Inputs {
    /// The model.
    pub image: &'static [u8],
    /// A stream, and the context that it was compressed with.
    pub stream: &'static [u8],
    /// That context.
    pub context: usize,
    /// A string table with a context of 32.
    pub strings: &'static [u8],
}

/// A program that measures all that takes a model: the module that `equalinfo export --format rust` wrote, the context
/// and the file of its stream, and the file of its string table.
#[macro_export]
macro_rules! functions_of_model {
    ($model:ident, $context:expr, $stream:literal, $strings:literal) => {
        static INPUTS: $crate::functions::Inputs = $crate::functions::Inputs {
            image: &$model::IMAGE.0,
            stream: include_bytes!(concat!(env!("STREAMS"), "/", $stream)),
            context: $context,
            strings: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/generated/", $strings)),
        };

        /// The model's working memory.
        static BYTES: static_cell::ConstStaticCell<[i8; $model::CONFIG.byte_buffer($context)]> =
            static_cell::ConstStaticCell::new([0; _]);
        static WORDS: static_cell::ConstStaticCell<[i32; $model::CONFIG.word_buffer($context)]> =
            static_cell::ConstStaticCell::new([0; _]);

        #[$crate::entry]
        fn main() -> ! {
            $crate::run(measure)
        }

        fn measure() -> Result<(), $crate::Failure> {
            let bytes = BYTES.try_take().ok_or($crate::Failure::MemoryInUse)?;
            let words = WORDS.try_take().ok_or($crate::Failure::MemoryInUse)?;
            $crate::functions::of_model(&INPUTS, bytes, words)
        }
    };
}

/// Measures all that takes a model.
///
/// # Errors
/// Any of the inputs cannot be decoded.
pub fn of_model(inputs: &Inputs, bytes: &mut [i8], words: &mut [i32]) -> Result<(), Failure> {
    function("Model::load_trusting", 0, || Model::load_trusting(inputs.image).map(|_| ()))?;
    let model = function("Model::load", 0, || Model::load(inputs.image))?;

    let mut written = 0;
    function("Decoder::decode", STREAMED.len(), || -> Result<(), Failure> {
        let mut m1 = M1::<Fastest>::with_kernels(&model, inputs.context, &mut *bytes, &mut *words)?;
        let identity = m1.identity();
        written = decode(&mut Decoder::new(&mut m1, identity), inputs.stream)?;
        Ok(())
    })?;
    same(written, STREAMED.len())?;

    let mut message = [0; 64];
    let mut length = 0;
    function("raw::encode_checked", LINE.len(), || -> Result<(), Failure> {
        let mut m1 = M1::<Fastest>::with_kernels(&model, CONTEXT, &mut *bytes, &mut *words)?;
        let identity = m1.identity();
        let encoded = raw::encode_checked(&mut m1, identity, Check::Bits16, LINE, &mut message);
        length = encoded.map_err(|_| Failure::Different)?;
        Ok(())
    })?;
    let message = message.get(..length).unwrap_or_default();
    function("MessageEncoder::push", LINE.len(), || -> Result<(), Failure> {
        let mut m1 = M1::<Fastest>::with_kernels(&model, CONTEXT, &mut *bytes, &mut *words)?;
        let (mut encoder, mut sent) = (MessageEncoder::new(), 0usize);
        for &byte in LINE {
            sent = sent.wrapping_add(encoder.push(&mut m1, byte).map_or(0, |window| window.len()));
        }
        same(sent.wrapping_add(encoder.finish().1).wrapping_add(Check::Bits16.length()), message.len())
    })?;
    function("raw::decode_checked", LINE.len(), || -> Result<(), Failure> {
        let mut m1 = M1::<Fastest>::with_kernels(&model, CONTEXT, &mut *bytes, &mut *words)?;
        let (identity, mut text) = (m1.identity(), [0; LINE.len()]);
        let decoded = raw::decode_checked(&mut m1, identity, Check::Bits16, message, &mut text);
        same(decoded.map_err(|_| Failure::Different)?, LINE.len())?;
        if text == *LINE { Ok(()) } else { Err(Failure::Different) }
    })?;

    let table = function("StringTable::load", 0, || StringTable::load(inputs.strings))?;
    let mut text = [0; 128];
    let mut length = 0;
    let get = |length: &mut usize, text: &mut [u8], bytes: &mut [i8], words: &mut [i32]| -> Result<(), Failure> {
        let mut m1 = M1::<Fastest>::with_kernels(&model, CONTEXT, bytes, words)?;
        *length = table.get(&mut m1, 0, TEXT, text)?.len();
        Ok(())
    };
    // Once for its length, which goes into what is measured.
    get(&mut length, &mut text, bytes, words)?;
    let expected = length;
    function("StringTable::get", expected, || get(&mut length, &mut text, bytes, words))?;
    Ok(())
}

/// Decodes a whole stream through a small buffer, and returns the length of its text.
///
/// # Errors
/// The stream is damaged or from another model.
pub fn decode<C: Coder>(decoder: &mut Decoder<C>, mut stream: &[u8]) -> Result<usize, DecodeError> {
    let (mut text, mut written) = ([0; 32], 0usize);
    loop {
        let progress = decoder.decode(stream, &mut text)?;
        stream = stream.get(progress.consumed..).unwrap_or_default();
        written = written.wrapping_add(progress.written);
        if progress.written == 0 && progress.consumed == 0 {
            decoder.finish()?;
            return Ok(written);
        }
    }
}

/// The text that the example's streams hold.
pub const STREAMED: &[u8] = include_bytes!("../text.txt");

/// Fails unless what was measured did what it should.
///
/// # Errors
/// The two differ.
pub fn same(found: usize, expected: usize) -> Result<(), Failure> {
    if found == expected { Ok(()) } else { Err(Failure::Different) }
}
