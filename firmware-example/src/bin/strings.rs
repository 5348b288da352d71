//! Prints the texts of a string table in flash, each decoded alone with the model `pico`.
#![no_std]
#![no_main]

use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::strings::StringTable;
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, measured, run};
use pico::{CONFIG, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/pico.rs"]
mod pico;

/// The string table, as written by `equalinfo table build --context 32`.
const STRINGS: &[u8] = include_bytes!("../../generated/strings.eqt");
const CONTEXT: usize = 32;

/// The model's working memory.
static BYTES: ConstStaticCell<[i8; CONFIG.byte_buffer(CONTEXT)]> = ConstStaticCell::new([0; _]);
static WORDS: ConstStaticCell<[i32; CONFIG.word_buffer(CONTEXT)]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(print_all)
}

fn print_all() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    let bytes = BYTES.try_take().ok_or(Failure::MemoryInUse)?;
    let words = WORDS.try_take().ok_or(Failure::MemoryInUse)?;
    // The flash was verified when it was written.
    let model = Model::load_trusting(&IMAGE.0)?;
    let table = StringTable::load_trusting(STRINGS)?;
    let mut m1 = M1::<Fastest>::with_kernels(&model, CONTEXT, bytes, words)?;
    for id in 0..table.strings() {
        let text: heapless::String<128> = measured(|| table.string(&mut m1, 0, id))?;
        console.write(text.as_bytes());
        console.write(b"\n");
    }
    defmt::info!("{=u16} texts", table.strings());
    Ok(())
}
