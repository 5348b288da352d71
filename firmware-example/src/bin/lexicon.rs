//! A stream in flash, decoded with a lexicon: no model, and a few bytes of memory.
#![no_std]
#![no_main]

use equalinfo_codec::lexicon::Lexicon;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run};

/// The lexicon, as `equalinfo lexicon build` wrote it, and a stream of its codes.
const IMAGE: &[u8] = include_bytes!("../../generated/nano.lex");
const STREAM: &[u8] = include_bytes!(concat!(env!("STREAMS"), "/lexicon.eqi"));

#[entry]
fn main() -> ! {
    run(decode)
}

fn decode() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    let lexicon = Lexicon::load(IMAGE)?;
    let mut length = 0usize;
    for byte in lexicon.stream(STREAM)? {
        console.write(&[byte?]);
        length += 1;
    }
    defmt::info!("text of {=usize} bytes is intact, from {=usize} bytes of stream", length, STREAM.len());
    Ok(())
}
