//! Streams, decoded front to back through buffers of any size: with a model, with tables, or with both.
//!
//! Invariant: a decoder lives in the caller's memory, ahead of its tables and its model's memory, and nowhere else. It
//! is reached only through the functions that were made for its type, so a program has the code of what it names alone.

use core::marker::PhantomData;
use core::mem::{MaybeUninit, align_of, size_of};

use equalinfo_codec::Progress;
use equalinfo_codec::container::{DecodeError, Decoder, ModelIdentity};
use equalinfo_codec::mix::Coder;

use crate::memory::{ALIGNMENT, STATE, input, output, value};
use crate::model::{EqualinfoModel, set_up};
use crate::status::{EqualinfoStatus, status};

/// The decoder of a stream, which lives in the caller's memory.
#[derive(Debug)]
pub struct EqualinfoStream {
    functions: &'static Functions,
}

/// A decoder as it lies in memory.
#[repr(C)]
struct Streaming<C> {
    head: EqualinfoStream,
    decoder: Decoder<C>,
}

type Decoded = Result<Progress, DecodeError>;

/// What can be done with a decoder whose type only these functions know.
#[derive(Debug)]
struct Functions {
    decode: unsafe fn(*mut EqualinfoStream, &[u8], &mut [u8]) -> Decoded,
    finish: unsafe fn(*const EqualinfoStream) -> Result<(), DecodeError>,
    next: unsafe fn(*mut EqualinfoStream) -> bool,
}

/// The functions for a type of decoder.
struct Of<C>(PhantomData<C>);

impl<C: Coder> Of<C> {
    const FUNCTIONS: Functions = Functions { decode: Self::decode, finish: Self::finish, next: Self::next };

    /// # Safety
    /// `stream` is a [`Streaming<C>`] that nothing else uses. So it is for the other functions.
    unsafe fn decode(stream: *mut EqualinfoStream, input: &[u8], output: &mut [u8]) -> Decoded {
        // SAFETY: as promised by the caller.
        unsafe { &mut *stream.cast::<Streaming<C>>() }.decoder.decode(input, output)
    }

    unsafe fn finish(stream: *const EqualinfoStream) -> Result<(), DecodeError> {
        // SAFETY: as promised by the caller.
        unsafe { &*stream.cast::<Streaming<C>>() }.decoder.finish()
    }

    unsafe fn next(stream: *mut EqualinfoStream) -> bool {
        // SAFETY: as promised by the caller.
        unsafe { &mut *stream.cast::<Streaming<C>>() }.decoder.next_stream()
    }
}

/// Puts a decoder of streams into the part of the memory that is for it.
pub(crate) fn put<C: Coder + 'static, const STATE: usize>(
    state: &'static mut [MaybeUninit<u8>; STATE],
    coder: C,
    identity: ModelIdentity,
) -> *mut EqualinfoStream {
    const {
        assert!(
            size_of::<Streaming<C>>() <= STATE && align_of::<Streaming<C>>() <= ALIGNMENT,
            "the state is too small"
        );
    }
    let place = state.as_mut_ptr().cast::<Streaming<C>>();
    let head = EqualinfoStream { functions: &Of::<C>::FUNCTIONS };
    // SAFETY: the state is large enough for the decoder and aligned, as `set_up` and the assertion check.
    unsafe { place.write(Streaming { head, decoder: Decoder::new(coder, identity) }) };
    place.cast()
}

/// Prepares to decode a stream, in `length` bytes of memory: `equalinfo_memory` returns how many are needed. The
/// context is the one that the stream was compressed with. `stream` is set to the decoder, which is part of the memory,
/// and is gone when the memory is used for something else.
///
/// # Safety
/// `model` is null, or loaded, or holds zeros. While the decoder is in use, the image of the model stays readable, and
/// `length` bytes at `memory` can be read and written and are not used for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_stream_begin(
    stream: *mut *mut EqualinfoStream,
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { begin(stream, model, context, memory, length) })
}

unsafe fn begin(
    stream: *mut *mut EqualinfoStream,
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    length: usize,
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (stream, (m1, state, _)) = unsafe { (value(stream)?, set_up::<STATE>(model, context, 0, memory, length)?) };
    let identity = m1.identity();
    *stream = put(state, m1, identity);
    Ok(())
}

/// Decodes as far as the buffers allow. Sets `consumed` to the number of bytes taken from the input, and `written` to
/// the number of bytes of text in the output. If both are 0, more input is needed, or more room, or the stream is
/// complete. After an error, the text delivered from the damaged block may be wrong; all text before it is intact.
///
/// # Safety
/// `stream` is null, or comes from one of the functions that begin a stream. `input_length` bytes can be read at
/// `input`, and `output_length` bytes written at `output`; the two do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_stream_decode(
    stream: *mut EqualinfoStream,
    input: *const u8,
    input_length: usize,
    consumed: *mut usize,
    output: *mut u8,
    output_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { decode(stream, (input, input_length, consumed), (output, output_length, written)) })
}

unsafe fn decode(
    stream: *mut EqualinfoStream,
    (from, from_length, consumed): (*const u8, usize, *mut usize),
    (to, to_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (functions, consumed, written, from, to) = unsafe {
        (
            stream.as_ref().ok_or(EqualinfoStatus::NullPointer)?.functions,
            value(consumed)?,
            value(written)?,
            input(from, from_length)?,
            output(to, to_length)?,
        )
    };
    (*consumed, *written) = (0, 0);
    // SAFETY: these are the functions for this decoder's type.
    let progress = unsafe { (functions.decode)(stream, from, to)? };
    (*consumed, *written) = (progress.consumed, progress.written);
    Ok(())
}

/// Goes on with another stream, which follows one that is complete: its text follows too. To be called only if there is
/// more input. False if no stream is complete; then nothing has changed.
///
/// # Safety
/// `stream` is null, or comes from one of the functions that begin a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_stream_next(stream: *mut EqualinfoStream) -> bool {
    // SAFETY: as promised by the caller.
    let functions = unsafe { stream.as_ref() }.map(|head| head.functions);
    // SAFETY: as promised by the caller, and these are the functions for this decoder's type.
    functions.is_some_and(|functions| unsafe { (functions.next)(stream) })
}

/// Checks that the stream is complete and every block intact. To be called at the end of the input.
///
/// # Safety
/// `stream` is null, or comes from one of the functions that begin a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_stream_finish(stream: *const EqualinfoStream) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    let Some(head) = (unsafe { stream.as_ref() }) else { return EqualinfoStatus::NullPointer };
    // SAFETY: as promised by the caller, and these are the functions for this decoder's type.
    status(unsafe { (head.functions.finish)(stream) }.map_err(Into::into))
}
