//! Decodes a stream in flash with the model `nano` through small buffers, then one string out of a table.
#![no_std]
#![no_main]

use equalinfo_codec::container::Decoder;
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::raw::{self, PayloadLayout};
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run, stream};
use nano::{CONFIG, IMAGE};
use static_cell::ConstStaticCell;
use strings::STRINGS;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/nano.rs"]
mod nano;

/// The table of strings, as written by `prepare`.
#[path = "../../generated/strings.rs"]
mod strings;

/// The context that the stream was compressed with, and the stream.
#[cfg(not(feature = "microbit"))]
const STREAM: (usize, &[u8]) = (64, include_bytes!(concat!(env!("STREAMS"), "/nano.eqi")));
#[cfg(feature = "microbit")]
const STREAM: (usize, &[u8]) = (32, include_bytes!(concat!(env!("STREAMS"), "/nano-small.eqi")));

/// The string to read from the table, and the context that the table was compressed with.
const STRING: usize = 7;
const STRING_CONTEXT: usize = 32;

/// The model's working memory.
static BYTES: ConstStaticCell<[i8; CONFIG.byte_buffer(STREAM.0)]> = ConstStaticCell::new([0; _]);
static WORDS: ConstStaticCell<[i32; CONFIG.word_buffer(STREAM.0)]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(decode)
}

fn decode() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    let bytes = BYTES.try_take().ok_or(Failure::MemoryInUse)?;
    let words = WORDS.try_take().ok_or(Failure::MemoryInUse)?;
    // The flash was verified when it was written.
    let model = Model::load_trusting(&IMAGE.0)?;
    defmt::info!("model {=str} {=u64:016x}, {=usize} bytes", model.name(), model.id(), IMAGE.0.len());
    print_stream(&model, bytes, words, &console)?;
    print_string(&model, bytes, words, &console)
}

/// Not inlined, like [`print_string`], so that their two decoders are never on the stack at the same time.
#[inline(never)]
fn print_stream(model: &Model, bytes: &mut [i8], words: &mut [i32], console: &Output) -> Result<(), Failure> {
    let (context, stream) = STREAM;
    let mut m1 = M1::<Fastest>::with_kernels(model, context, bytes, words)?;
    let identity = m1.identity();
    let mut decoder = Decoder::new(&mut m1, identity);
    stream::decode(&mut decoder, stream, |text| console.write(text))?;
    stream::log_totals(&decoder, stream);
    Ok(())
}

#[inline(never)]
fn print_string(model: &Model, bytes: &mut [i8], words: &mut [i32], console: &Output) -> Result<(), Failure> {
    let message = STRINGS.get(STRING).copied().unwrap_or_default();
    let mut m1 = M1::<Fastest>::with_kernels(model, STRING_CONTEXT, bytes, words)?;
    let mut text = [0; 128];
    let length = raw::decode(&mut m1, PayloadLayout::Message, message, &mut text)?;
    console.write(text.get(..length).unwrap_or_default());
    console.write(b"\n");
    defmt::info!(
        "string {=usize} of {=usize}: {=usize} bytes from {=usize}",
        STRING,
        STRINGS.len(),
        length,
        message.len()
    );
    Ok(())
}
