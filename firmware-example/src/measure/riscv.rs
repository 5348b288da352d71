//! RISC-V: the instruction counter, and a stack that is painted here.

use core::arch::asm;
use core::ops::Range;

/// The value of stack words that have not been used.
pub const PAINT: u32 = 0xcccc_cccc;

/// Paints the free part of the stack.
pub fn start() {
    paint();
}

/// Paints the free part of the stack, and returns its end: all in use lies there or above.
#[inline(never)]
pub fn paint() -> *const u32 {
    let pointer: *mut u32;
    // SAFETY: the instruction only reads a register.
    unsafe { asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    super::fill(stack().start.cast_mut(), pointer.wrapping_sub(super::MARGIN));
    pointer
}

/// Ticks of the counter, modulo 2^32.
pub fn now() -> u32 {
    riscv::register::minstret::read() as u32
}

/// The same with all bits.
pub fn long_now() -> u64 {
    riscv::register::minstret::read64()
}

/// The stack's memory; the stack starts at its end. It is all that variables leave, as there is no heap.
pub fn stack() -> Range<*const u32> {
    unsafe extern "C" {
        static __sheap: u32;
        static _stack_start: u32;
    }
    &raw const __sheap..&raw const _stack_start
}
