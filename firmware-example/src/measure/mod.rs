//! What a decoder costs: instructions, counted while it decodes and not while it prints, and stack.
//!
//! QEMU models no cycles. Started with `-icount shift=6` it lets 64 ns pass for every instruction, so a timer tells how
//! many there were; [`report`] gives its ticks, whose length depends on the board.

#[cfg_attr(target_arch = "arm", path = "cortex_m.rs")]
#[cfg_attr(target_arch = "riscv32", path = "riscv.rs")]
mod core;

use ::core::cell::Cell;

use critical_section::Mutex;

pub use self::core::start;

/// The ticks of all intervals so far.
static TICKS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// Counts until it is dropped.
#[derive(Debug)]
pub struct Counting {
    begin: u32,
}

/// Begins an interval, of less than 2^32 ticks.
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

/// Logs the ticks of all intervals and the most stack that was in use at any time.
pub fn report() {
    let ticks = critical_section::with(|section| TICKS.borrow(section).get());
    defmt::info!("measured: {=u64} ticks, {=usize} bytes of stack", ticks, deepest_stack());
}

/// The bytes from the lowest word of the stack that does not hold its paint any more to the stack's start.
fn deepest_stack() -> usize {
    let stack = self::core::stack();
    let mut word = stack.start;
    // SAFETY: all words of the range are memory that holds the stack or its paint.
    while word < stack.end && unsafe { word.read_volatile() } == self::core::PAINT {
        word = word.wrapping_add(1);
    }
    stack.end.addr().wrapping_sub(word.addr())
}
