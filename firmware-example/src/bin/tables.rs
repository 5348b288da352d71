//! Decodes a stream in flash with tables of 16 KiB that learn from its text: no model, and nothing else in flash.
#![no_std]
#![no_main]

use equalinfo_codec::Uniform;
use equalinfo_codec::container::{Decoder, ModelIdentity};
use equalinfo_codec::mix::{Class, Kib16, OneClass, WithTables};
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run, stream};
use static_cell::ConstStaticCell;

/// A stream of method `tables`, as written by `equalinfo compress --method tables --class 16k`.
const STREAM: &[u8] = include_bytes!(concat!(env!("STREAMS"), "/tables.eqi"));

/// The tables.
static WORDS: ConstStaticCell<[u32; Class::Kib16.words()]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(decode)
}

fn decode() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    let words = WORDS.try_take().ok_or(Failure::MemoryInUse)?;
    let coder = WithTables::new(Uniform, OneClass::<Kib16>::new(words)?);
    let mut decoder = Decoder::new(coder, ModelIdentity::default());
    stream::decode(&mut decoder, STREAM, |text| console.write(text))?;
    stream::log_totals(&decoder, STREAM);
    Ok(())
}
