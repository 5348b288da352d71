//! The decoder as a WebAssembly module, one stream an instance.
//!
//! JavaScript asks for [`input_room`], writes the stream there, calls [`open_stream`] and then [`next_step`] until it answers
//! [`Step::End`]; what each call has to say is the bytes at [`output_start`]. [`compute_vectors`] computes the golden vectors.
//!
//! Invariant: JavaScript only writes into the room it was given, before the next call, and only reads outputs until
//! the next call, so the pointers that cross the boundary are never followed on this side. Memory of a model is never
//! given back: an instance is thrown away with its stream.
//!
//! The only `unsafe` is the attribute of exported names, which must not clash: all of them stand in this file.

mod golden;
mod session;

use std::cell::RefCell;

use session::Session;

/// What [`next_step`] found.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// The stream ended where it should.
    End = 0,
    /// A window: its value in as many bytes as it has, then its text.
    Window = 1,
    /// Text of a method without windows.
    Text = 2,
    /// Text that was stored as it is.
    Stored = 3,
    /// What is damaged, in words. Decoding goes on behind it.
    Damage = 4,
}

#[derive(Default)]
struct Instance {
    input: Vec<u8>,
    output: Vec<u8>,
    session: Option<Session>,
}

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::default();
}

fn with<T>(run: impl FnOnce(&mut Instance) -> T) -> T {
    INSTANCE.with_borrow_mut(run)
}

/// Room for an input of `length` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn input_room(length: usize) -> *mut u8 {
    with(|instance| {
        instance.input = vec![0; length];
        instance.input.as_mut_ptr()
    })
}

/// The bytes that the last call had to say.
#[unsafe(no_mangle)]
pub extern "C" fn output_start() -> *const u8 {
    with(|instance| instance.output.as_ptr())
}

/// How many there are.
#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> usize {
    with(|instance| instance.output.len())
}

/// Begins to decode the input. 1: the output is a JSON object about the stream; 0: it says why it cannot be decoded.
#[unsafe(no_mangle)]
pub extern "C" fn open_stream() -> u32 {
    with(|instance| match Session::open(std::mem::take(&mut instance.input)) {
        Ok(session) => {
            instance.output = session.describe().into_bytes();
            instance.session = Some(session);
            1
        }
        Err(error) => {
            instance.output = error.into_bytes();
            0
        }
    })
}

/// Decodes a little more; the answer is a [`Step`].
#[unsafe(no_mangle)]
pub extern "C" fn next_step() -> u32 {
    with(|instance| {
        instance.output.clear();
        let step = instance.session.as_mut().map_or(Step::End, |session| session.next(&mut instance.output));
        step as u32
    })
}

/// Computes the golden vectors of the coders (0), the models (1), or of the lexicon that is the input, by its
/// kind (2 window-code, 3 optimal), as lines of the golden file.
#[unsafe(no_mangle)]
pub extern "C" fn compute_vectors(part: u32) {
    with(|instance| instance.output = golden::vectors(part, &instance.input).into_bytes());
}

/// The golden file.
#[unsafe(no_mangle)]
pub extern "C" fn golden_file() {
    with(|instance| instance.output = equalinfo_determinism::GOLDEN.into());
}
