//! The proof that nothing panics: the handler calls an undefined function, so an optimised program links only if the
//! handler, and with it every panic, has been removed as unreachable.

use core::panic::PanicInfo;

#[cfg(not(debug_assertions))]
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unsafe extern "C" {
        /// Appears in the linker's error if a path may panic.
        fn this_program_has_a_path_that_panics() -> !;
    }
    // SAFETY: the function does not exist, so no program that still contains this call ever links.
    unsafe { this_program_has_a_path_that_panics() }
}

#[cfg(debug_assertions)]
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    defmt::error!("panic");
    semihosting::process::exit(1)
}
