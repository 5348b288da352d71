//! Cortex-M: the system timer, and a stack that the runtime paints.

use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;

pub use cortex_m_rt::STACK_PAINT_VALUE as PAINT;

/// The timer counts down from here; it has 24 bits.
const RELOAD: u32 = 0x00ff_ffff;

/// How often the timer has wrapped around.
static TURNS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    TURNS.store(TURNS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Starts the timer.
pub fn start() {
    if let Some(mut peripherals) = Peripherals::take() {
        let timer = &mut peripherals.SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(RELOAD);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
    }
}

/// Paints the free part of the stack, and returns its end: all in use lies there or above.
#[inline(never)]
pub fn paint() -> *const u32 {
    let pointer: *mut u32;
    // SAFETY: the instruction only reads a register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    super::fill(stack().start.cast_mut(), pointer.wrapping_sub(super::MARGIN));
    pointer
}

/// Ticks since the start, modulo 2^32.
pub fn now() -> u32 {
    long_now() as u32
}

/// The same with all bits.
pub fn long_now() -> u64 {
    loop {
        let turns = TURNS.load(Ordering::Relaxed);
        let ticks = RELOAD.wrapping_sub(SYST::get_current());
        if turns == TURNS.load(Ordering::Relaxed) {
            return (u64::from(turns) << 24).wrapping_add(ticks.into());
        }
    }
}

/// The stack's memory; the stack starts at its end.
pub fn stack() -> Range<*const u32> {
    unsafe extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    &raw const _stack_end..&raw const _stack_start
}
