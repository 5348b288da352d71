//! RISC-V: the instruction counter, and a stack that is painted here.

use core::arch::asm;
use core::ops::Range;

/// The value of stack words that have not been used.
pub const PAINT: u32 = 0xcccc_cccc;

/// Paints the free part of the stack.
pub fn start() {
    let pointer: *mut u32;
    // SAFETY: the instruction only reads a register.
    unsafe { asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    let mut word = stack().start.cast_mut();
    // Nothing is called from here on, so nothing below the pointer is in use.
    while word < pointer {
        // SAFETY: the word lies in the stack's memory, below everything in use.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// Ticks of the counter, modulo 2^32.
pub fn now() -> u32 {
    riscv::register::minstret::read() as u32
}

/// The stack's memory; the stack starts at its end. It is all that variables leave, as there is no heap.
pub fn stack() -> Range<*const u32> {
    unsafe extern "C" {
        static __sheap: u32;
        static _stack_start: u32;
    }
    &raw const __sheap..&raw const _stack_start
}
