//! Decodes a stream in flash with the model `nano`.
#![no_std]
#![no_main]

use equalinfo_codec::container::Decoder;
use equalinfo_codec::m1::{M1, Model};
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run, stream};
use nano::{CONFIG, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/nano.rs"]
mod nano;

/// The context that the stream was compressed with, and the stream.
const STREAM: (usize, &[u8]) = (64, include_bytes!(concat!(env!("STREAMS"), "/nano.eqi")));

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
    let (context, stream) = STREAM;

    // The flash was verified when it was written.
    let model = Model::load_trusting(&IMAGE.0)?;
    defmt::info!("model {=str} {=u64:016x}, {=usize} bytes", model.name(), model.id(), IMAGE.0.len());
    let mut m1 = M1::<Fastest>::with_kernels(&model, context, bytes, words)?;
    let identity = m1.identity();
    let mut decoder = Decoder::new(&mut m1, identity);
    stream::decode(&mut decoder, stream, |text| console.write(text))?;
    stream::log_totals(&decoder, stream);
    Ok(())
}
