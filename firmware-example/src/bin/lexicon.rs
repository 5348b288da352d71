//! Decodes a stream in flash with a lexicon: no model, and a few bytes of memory.
#![no_std]
#![no_main]

use equalinfo_codec::lexicon::Lexicon;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, measured, run};

/// The lexicon, as written by `equalinfo lexicon build`, and a stream of its codes.
const IMAGE: &[u8] = include_bytes!("../../generated/nano.lex");
const STREAM: &[u8] = include_bytes!(concat!(env!("STREAMS"), "/lexicon.eqi"));

#[entry]
fn main() -> ! {
    run(decode)
}

fn decode() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    // The flash was verified when it was written.
    let lexicon = Lexicon::load_trusting(IMAGE)?;
    let mut stream = lexicon.stream(STREAM)?;
    let mut text = [0; 16];
    let mut total = 0;
    loop {
        let length = measured(|| fill(&mut text, &mut stream))?;
        if length == 0 {
            break;
        }
        console.write(text.get(..length).unwrap_or_default());
        total += length;
    }
    defmt::info!("text of {=usize} bytes is intact, from {=usize} bytes of stream", total, STREAM.len());
    Ok(())
}

/// Decodes as much as is there and fits, and returns its length.
fn fill<E>(text: &mut [u8], stream: &mut impl Iterator<Item = Result<u8, E>>) -> Result<usize, E> {
    let mut length = 0;
    for (place, byte) in text.iter_mut().zip(stream) {
        *place = byte?;
        length += 1;
    }
    Ok(length)
}
