//! The proof that nothing panics: the handler calls a function that nobody defines, so that an optimised program links
//! only if the handler, and with it every panic, has been removed as unreachable.

use core::panic::PanicInfo;

#[cfg(not(debug_assertions))]
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unsafe extern "C" {
        /// The linker's message when there is a path that panics.
        fn this_program_has_a_path_that_panics() -> !;
    }
    // SAFETY: there is no such function, so no program in which this call remains is ever linked.
    unsafe { this_program_has_a_path_that_panics() }
}

#[cfg(debug_assertions)]
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    defmt::error!("panic");
    semihosting::process::exit(1)
}
