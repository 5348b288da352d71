//! Code shared by the decoders in `src/bin`: where text and logs go, how a program ends, and how it is measured.
//!
//! Invariant: no path panics. [`panic`](mod@panic) makes the linker reject a release build in which one could.
#![no_std]

pub mod debugger;
mod failure;
#[cfg(feature = "measure")]
pub mod functions;
mod log;
#[cfg(feature = "measure")]
pub mod measure;
mod panic;
pub mod stream;

pub use failure::Failure;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;

// These provide the critical sections that `portable-atomic` uses.
#[cfg(target_arch = "arm")]
use cortex_m as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;

/// Runs a decoder and ends the program with its result.
pub fn run(decoder: impl FnOnce() -> Result<(), Failure>) -> ! {
    #[cfg(feature = "measure")]
    measure::start();
    finish(decoder())
}

/// Ends the program: QEMU exits with 0, or with 1 after logging an error.
fn finish(result: Result<(), Failure>) -> ! {
    #[cfg(feature = "measure")]
    measure::report();
    match result {
        Ok(()) => semihosting::process::exit(0),
        Err(error) => {
            defmt::error!("{}", error);
            semihosting::process::exit(1)
        }
    }
}

/// Counts the instructions of `action` if measurement is enabled.
#[inline(always)]
pub fn measured<T>(action: impl FnOnce() -> T) -> T {
    #[cfg(feature = "measure")]
    let _counting = measure::count();
    action()
}
