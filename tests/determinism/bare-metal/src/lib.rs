//! Common parts of the programs, which print vectors to the terminal of the emulator.
#![no_std]

use core::fmt::Arguments;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
use equalinfo_determinism::{Digest, Failure};
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
use semihosting::{println, process};

/// Prints a vector as a line of `golden.txt`.
pub fn print(name: Arguments, vector: Result<Digest, Failure>) {
    match vector {
        Ok(digest) => println!("{digest}  {name}"),
        Err(failure) => println!("{failure}  {name}"),
    }
}

/// Ends the emulation.
pub fn exit() -> ! {
    process::exit(0)
}
