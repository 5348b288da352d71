//! The proof that nothing panics, for programs without an operating system: the panic handler calls a function that is
//! not defined anywhere, so a program links only if no path leads there.

use core::panic::PanicInfo;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unsafe extern "C" {
        /// The linker's message if there is a path that panics.
        fn equalinfo_has_a_path_that_panics() -> !;
    }
    // SAFETY: there is no such function, so a program that contains this call does not link.
    unsafe { equalinfo_has_a_path_that_panics() }
}
