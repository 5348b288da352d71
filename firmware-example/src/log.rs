//! Log messages: `defmt` frames to the standard error of the debugger or of QEMU.
//!
//! Invariant: only one execution context, the main program, logs. A program that also logs from interrupts needs a
//! logger with a critical section, such as `defmt-rtt`.

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
    /// Calls the encoder with a function that sends its output.
    fn encode(&self, action: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
        // SAFETY: only the main program logs, and `action` is one of the encoder's methods, which do not log.
        let State { encoder, output } = unsafe { &mut *self.0.get() };
        if output.is_none() {
            *output = Output::error();
            // Ends any unfinished line, which would otherwise spoil the frame.
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

// SAFETY: only one context logs, so frames cannot interleave.
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
