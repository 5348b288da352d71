//! A stream in flash, decoded with the model `micro`.
#![no_std]
#![no_main]

use equalinfo_codec::container::{Decoder, ModelIdentity};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run, stream};
use micro::{CONFIG, ID, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as `equalinfo export --format rust` wrote it.
#[path = "../../generated/micro.rs"]
mod micro;

/// The context that the stream was compressed with, and the stream.
const STREAM: (usize, &[u8]) = (128, include_bytes!(concat!(env!("STREAMS"), "/micro.eqi")));

/// The working memory of the model.
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

    let model = Model::load(&IMAGE.0)?;
    defmt::info!("model {=str} {=u64:016x}, {=usize} bytes", model.name(), model.id(), IMAGE.0.len());
    let mut m1 = M1::<Fastest>::with_kernels(&model, context, bytes, words)?;
    let mut decoder = Decoder::new(&mut m1, ModelIdentity { id: ID, context: context as u16 });
    stream::decode(&mut decoder, stream, |text| console.write(text))?;
    stream::log_totals(&decoder, stream);
    Ok(())
}
