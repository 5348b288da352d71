//! Decodes a stream in flash with the model `pico` through small buffers, then one text out of a string table.
#![no_std]
#![no_main]

use equalinfo_codec::container::Decoder;
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::strings::StringTable;
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run, stream};
use pico::{CONFIG, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/pico.rs"]
mod pico;

/// The string table, as written by `equalinfo table build`.
const STRINGS: &[u8] = include_bytes!("../../generated/strings.eqt");

/// The context that the stream was compressed with, and the stream.
#[cfg(not(feature = "microbit"))]
const STREAM: (usize, &[u8]) = (64, include_bytes!(concat!(env!("STREAMS"), "/pico.eqi")));
#[cfg(feature = "microbit")]
const STREAM: (usize, &[u8]) = (32, include_bytes!(concat!(env!("STREAMS"), "/pico-small.eqi")));

/// The text to read from the table, and the context that the table was made with.
const TEXT: u16 = 7;
const TEXT_CONTEXT: usize = 32;

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
    let table = StringTable::load(STRINGS)?;
    let mut m1 = M1::<Fastest>::with_kernels(model, TEXT_CONTEXT, bytes, words)?;
    let text: heapless::String<128> = table.string(&mut m1, 0, TEXT)?;
    console.write(text.as_bytes());
    console.write(b"\n");
    defmt::info!("text {=u16} of {=u16}: {=usize} bytes", TEXT, table.strings(), text.len());
    Ok(())
}
