//! The proof that nothing panics, for programs without an operating system: the handler calls a function that nobody
//! defines, so that a program links only if no path leads there.

use core::panic::PanicInfo;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unsafe extern "C" {
        /// The linker's message when there is a path that panics.
        fn equalinfo_has_a_path_that_panics() -> !;
    }
    // SAFETY: there is no such function, so no program in which this call remains is ever linked.
    unsafe { equalinfo_has_a_path_that_panics() }
}
