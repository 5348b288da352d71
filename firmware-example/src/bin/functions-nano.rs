//! Measures the codec's functions with the model `nano`. It is no example: see the others for those.
#![no_std]
#![no_main]

use equalinfo_firmware_example::functions::{Inputs, of_model};
use equalinfo_firmware_example::{Failure, entry, run};
use nano::{CONFIG, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/nano.rs"]
mod nano;

/// The context that the stream was compressed with, and the stream.
const STREAM: (usize, &[u8]) = (64, include_bytes!(concat!(env!("STREAMS"), "/nano.eqi")));

static INPUTS: Inputs = Inputs {
    image: &IMAGE.0,
    stream: STREAM.1,
    context: STREAM.0,
    strings: include_bytes!("../../generated/strings-nano.eqt"),
};

/// The model's working memory.
static BYTES: ConstStaticCell<[i8; CONFIG.byte_buffer(STREAM.0)]> = ConstStaticCell::new([0; _]);
static WORDS: ConstStaticCell<[i32; CONFIG.word_buffer(STREAM.0)]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(measure)
}

fn measure() -> Result<(), Failure> {
    let bytes = BYTES.try_take().ok_or(Failure::MemoryInUse)?;
    let words = WORDS.try_take().ok_or(Failure::MemoryInUse)?;
    of_model(&INPUTS, bytes, words)
}
