//! Prints and logs like the decoders but decodes nothing: the baseline to subtract from their size.
#![no_std]
#![no_main]

use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, run};

#[entry]
fn main() -> ! {
    run(print)
}

fn print() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    console.write(b"Nothing is decoded here.\n");
    defmt::info!("text of {=usize} bytes", 25);
    Ok(())
}
