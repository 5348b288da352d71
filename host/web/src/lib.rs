//! The decoder as a WebAssembly module, one file of streams per instance.
//!
//! JavaScript asks for [`input_room`], writes the stream there, calls [`open_stream`] and then [`next_step`] until it
//! returns [`Step::End`]; each call's output is the bytes at [`output_start`]. [`compute_vectors`] computes the golden
//! vectors.
//!
//! Invariant: JavaScript only writes into the room it was given, before the next call, and only reads outputs until the
//! next call, so this side never follows the pointers that cross the boundary. A model's memory is never freed: an
//! instance is discarded with its stream.
//!
//! The only `unsafe` is the attribute of exported names, which must not clash: all of them are in this file.

mod golden;
mod session;

use std::cell::RefCell;

use session::Session;

/// The result of [`next_step`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// The stream ended where it should.
    End = 0,
    /// A window: its value in its own number of bytes, then its text.
    Window = 1,
    /// Text from a method without windows.
    Text = 2,
    /// Text that was stored verbatim.
    Stored = 3,
    /// A description of damage. Decoding resumes after it.
    Damage = 4,
    /// A block starts: the number of its first window, or nothing if damage has made that unknown.
    Block = 5,
    /// Another stream starts: a JSON object that describes it.
    Stream = 6,
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

/// The output of the last call.
#[unsafe(no_mangle)]
pub extern "C" fn output_start() -> *const u8 {
    with(|instance| instance.output.as_ptr())
}

/// The length of the output.
#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> usize {
    with(|instance| instance.output.len())
}

/// Starts decoding the input. Returns 1 if the output is a JSON object that describes the stream, 0 if it says why the
/// input cannot be decoded.
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

/// Decodes a little more; returns a [`Step`].
#[unsafe(no_mangle)]
pub extern "C" fn next_step() -> u32 {
    with(|instance| {
        instance.output.clear();
        let step = instance.session.as_mut().map_or(Step::End, |session| session.next(&mut instance.output));
        step as u32
    })
}

/// Computes the golden vectors of the coders (0), the models (1), or the lexicon given as the input, by its kind (2
/// window-code, 3 optimal), as lines of the golden file.
#[unsafe(no_mangle)]
pub extern "C" fn compute_vectors(part: u32) {
    with(|instance| instance.output = golden::vectors(part, &instance.input).into_bytes());
}

/// The golden file.
#[unsafe(no_mangle)]
pub extern "C" fn golden_file() {
    with(|instance| instance.output = equalinfo_determinism::GOLDEN.into());
}
