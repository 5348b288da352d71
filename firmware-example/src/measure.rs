//! What a decoder costs: instructions, counted while it decodes and not while it prints, and stack.
//!
//! QEMU models no cycles. Started with `-icount shift=6` it lets 64 ns pass for every instruction, so the system timer
//! tells how many there were; [`report`] gives its ticks, whose length depends on the board.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::Peripherals;
use cortex_m::interrupt::{self, Mutex};
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{STACK_PAINT_VALUE, exception};

/// The timer counts down from here, 24 bits.
const RELOAD: u32 = 0x00ff_ffff;

/// How often the timer has started over.
static TURNS: AtomicU32 = AtomicU32::new(0);

/// The ticks of all intervals so far.
static TICKS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

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

/// Ticks since the start, modulo 2^32.
fn now() -> u32 {
    loop {
        let turns = TURNS.load(Ordering::Relaxed);
        let ticks = RELOAD.wrapping_sub(SYST::get_current());
        if turns == TURNS.load(Ordering::Relaxed) {
            return (turns << 24).wrapping_add(ticks);
        }
    }
}

/// Counts until it is dropped.
#[derive(Debug)]
pub struct Counting {
    begin: u32,
}

/// Begins an interval, of less than 2^32 ticks.
pub fn count() -> Counting {
    Counting { begin: now() }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let ticks = now().wrapping_sub(self.begin);
        interrupt::free(|section| {
            let total = TICKS.borrow(section);
            total.set(total.get().wrapping_add(ticks.into()));
        });
    }
}

/// Logs the ticks of all intervals and the most stack that was in use at any time.
pub fn report() {
    let ticks = interrupt::free(|section| TICKS.borrow(section).get());
    defmt::info!("measured: {=u64} ticks, {=usize} bytes of stack", ticks, deepest_stack());
}

/// The bytes from the lowest word of the stack that does not hold its paint any more to the stack's start.
fn deepest_stack() -> usize {
    unsafe extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    let (start, end) = (&raw const _stack_start, &raw const _stack_end);
    let mut word = end;
    // SAFETY: all words between the two symbols of the linker are memory that holds the stack or its paint.
    while word < start && unsafe { word.read_volatile() } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    start.addr().wrapping_sub(word.addr())
}
