//! A stream in flash, decoded with the model `nano` through small buffers, then one string out of a table.
#![no_std]
#![no_main]

use equalinfo_codec::container::{Decoder, ModelIdentity};
use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::raw::{self, Layout};
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, kernels, run, stream};
use nano::{CONFIG, ID, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as `equalinfo export --format rust` wrote it.
#[path = "../../generated/nano.rs"]
mod nano;

/// The table of strings, as `prepare` wrote it.
#[path = "../../generated/strings.rs"]
mod strings;

/// The context that the stream was compressed with, and the stream.
#[cfg(not(feature = "microbit"))]
const STREAM: (usize, &[u8]) = (64, include_bytes!(concat!(env!("STREAMS"), "/nano.eqi")));
#[cfg(feature = "microbit")]
const STREAM: (usize, &[u8]) = (32, include_bytes!(concat!(env!("STREAMS"), "/nano-small.eqi")));

/// The string that is read out of the table.
const STRING: usize = 7;

/// The working memory of the model.
static BYTES: ConstStaticCell<[i8; CONFIG.byte_buffer(STREAM.0)]> = ConstStaticCell::new([0; _]);
static WORDS: ConstStaticCell<[i32; CONFIG.word_buffer(STREAM.0)]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(decode)
}

fn decode() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    let (bytes, words) = (BYTES.try_take().ok_or(Failure::MemoryInUse)?, WORDS.try_take().ok_or(Failure::MemoryInUse)?);
    let (context, stream) = STREAM;

    let model = Model::load(&IMAGE.0)?;
    defmt::info!("model {=str} {=u64:016x}, {=usize} bytes", model.name(), model.id(), IMAGE.0.len());
    let m1 = M1::<kernels::Fastest>::with_kernels(&model, context, bytes, words)?;
    let mut decoder = Decoder::new(m1, ModelIdentity { id: ID, context: context as u16 });
    stream::decode(&mut decoder, stream, |text| console.write(text))?;
    stream::log_totals(&decoder, stream);

    let mut text = [0; 128];
    let message = strings::STRINGS.get(STRING).copied().unwrap_or_default();
    let length = raw::decode(&mut decoder.into_model(), Layout::Message, message, &mut text)?;
    console.write(text.get(..length).unwrap_or_default());
    console.write(b"\n");
    defmt::info!(
        "string {=usize} of {=usize}: {=usize} bytes from {=usize}",
        STRING,
        strings::STRINGS.len(),
        length,
        message.len()
    );
    Ok(())
}
