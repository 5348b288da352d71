//! What a decoder costs: its stack, and the instructions it takes, counted while it decodes but not while it prints.
//!
//! QEMU models no cycles. Started with `-icount shift=6` it advances time by 64 ns per instruction, so a timer yields
//! their number; [`report`] gives the timer's ticks, whose length depends on the board.

#[cfg_attr(target_arch = "arm", path = "cortex_m.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod core;

use ::core::cell::Cell;

use critical_section::Mutex;

pub use self::core::start;

/// The ticks of all intervals so far.
static TICKS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// Counts until dropped.
#[derive(Debug)]
pub struct Counting {
    begin: u32,
}

/// Starts an interval of less than 2^32 ticks.
pub fn count() -> Counting {
    Counting { begin: self::core::now() }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let ticks = self::core::now().wrapping_sub(self.begin);
        critical_section::with(|section| {
            let total = TICKS.borrow(section);
            total.set(total.get().wrapping_add(ticks.into()));
        });
    }
}

/// Logs the ticks of all intervals and the stack's greatest depth.
pub fn report() {
    let ticks = critical_section::with(|section| TICKS.borrow(section).get());
    defmt::info!("measured: {=u64} ticks, {=usize} bytes of stack", ticks, deepest_stack());
}

/// Measures a function that `action` calls, decoding or encoding so many bytes of text, and logs what it cost.
#[inline(never)]
pub fn function<T>(name: &str, bytes: usize, action: impl FnOnce() -> T) -> T {
    let top = self::core::paint();
    let begin = self::core::long_now();
    let result = called(action);
    let ticks = self::core::long_now().wrapping_sub(begin);
    let lowest = self::core::stack().end.addr().wrapping_sub(deepest_stack());
    let stack = top.addr().saturating_sub(lowest);
    defmt::info!("function {=str}: {=u64} ticks, {=usize} bytes of stack, {=usize} bytes", name, ticks, stack, bytes);
    result
}

/// Words below the stack pointer that are not painted, as a function may still save registers there.
const MARGIN: usize = 16;

/// Paints the words from one address to another, of which nothing is in use.
#[inline(always)]
fn fill(from: *mut u32, to: *mut u32) {
    let mut word = from;
    while word < to {
        // SAFETY: the word lies in the stack's memory, below everything in use.
        unsafe { word.write_volatile(self::core::PAINT) };
        word = word.wrapping_add(1);
    }
}

/// Not inlined, so that what `action` has on the stack lies below that of [`function`].
#[inline(never)]
fn called<T>(action: impl FnOnce() -> T) -> T {
    action()
}

/// The bytes from the lowest stack word that has lost its paint to the stack's start.
fn deepest_stack() -> usize {
    let stack = self::core::stack();
    let mut word = stack.start;
    // SAFETY: every word in the range is memory that holds the stack or its paint.
    while word < stack.end && unsafe { word.read_volatile() } == self::core::PAINT {
        word = word.wrapping_add(1);
    }
    stack.end.addr().wrapping_sub(word.addr())
}
