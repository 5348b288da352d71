//! Log messages: `defmt` frames to the standard error of the debugger or of QEMU.
//!
//! Invariant: one execution context logs, the main program. A program that logs from interrupts too wants a logger with
//! a critical section, such as `defmt-rtt`.

use core::cell::UnsafeCell;

use defmt::{Encoder, Logger, global_logger};

use crate::debugger::Output;

#[global_logger]
struct Semihosting;

struct State {
    encoder: Encoder,
    output: Option<Output>,
}

struct Shared(UnsafeCell<State>);

// SAFETY: there is one core, and only the main program logs.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(State { encoder: Encoder::new(), output: None }));

impl Shared {
    /// Calls the encoder with a function that sends what it makes.
    fn encode(&self, action: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
        // SAFETY: only the main program logs, and `action` is one of the encoder's methods, which do not log.
        let State { encoder, output } = unsafe { &mut *self.0.get() };
        if output.is_none() {
            *output = Output::error();
            // Ends whatever was on the line before, so that it spoils no frame.
            send(output, &[0]);
        }
        action(encoder, &mut |bytes| send(output, bytes));
    }
}

fn send(output: &Option<Output>, bytes: &[u8]) {
    if let Some(output) = output {
        output.write(bytes);
    }
}

// SAFETY: with one context that logs, frames cannot mix.
unsafe impl Logger for Semihosting {
    fn acquire() {
        SHARED.encode(|encoder, send| encoder.start_frame(send));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        SHARED.encode(|encoder, send| encoder.end_frame(send));
    }

    unsafe fn write(bytes: &[u8]) {
        SHARED.encode(|encoder, send| encoder.write(bytes, send));
    }
}
