//! Streams with a model, front to back through buffers of any size.

use core::mem::{align_of, size_of};

use equalinfo_codec::container::{Decoder, ModelIdentity};

use crate::memory::{input, output, value};
use crate::model::{DeviceM1, EqualinfoModel, set_up};
use crate::status::{EqualinfoStatus, status};

/// Bytes of memory for the decoder itself, ahead of the model's.
pub(crate) const STATE: usize = 2048;

/// What the address of the memory is to be a multiple of.
pub(crate) const ALIGNMENT: usize = 16;

/// The decoder of a stream. It lives in the caller's memory.
#[derive(Debug)]
pub struct EqualinfoStream {
    decoder: Decoder<DeviceM1>,
}

const _: () = assert!(
    size_of::<EqualinfoStream>() <= STATE && align_of::<EqualinfoStream>() <= ALIGNMENT,
    "the state is too small"
);

/// Prepares decoding a stream in `length` bytes of memory, of which `equalinfo_memory` says how many there must be. The
/// context is the one that the stream was compressed with. `stream` is where the decoder is to be found: it is part of
/// the memory, and gone when the memory is used for something else.
///
/// # Safety
/// `model` is null, or loaded, or holds zeros; its image stays readable, and `length` bytes at `memory` are not used for
/// anything else, while the decoder is in use.
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
    let (stream, (m1, state)) = unsafe { (value(stream)?, set_up(model, context, memory, length)?) };
    let id = m1.model().id();
    let place = state.as_mut_ptr().cast::<EqualinfoStream>();
    // SAFETY: the state is large enough for the decoder and aligned enough, as the assertion above says.
    unsafe { place.write(EqualinfoStream { decoder: Decoder::new(m1, ModelIdentity { id, context }) }) };
    *stream = place;
    Ok(())
}

/// Decodes as far as the buffers allow. `consumed` and `written` are always set: bytes that were taken from the input
/// and bytes of text that were put into the output. Neither grows when more input is needed, or more room. After an
/// error the text of the damaged block that was delivered is not to be trusted, all before it is.
///
/// # Safety
/// `stream` comes from `equalinfo_stream_begin`; as many bytes as said can be read at `input` and written at `output`,
/// which do not overlap.
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
    let (stream, consumed, written, from, to) = unsafe {
        (value(stream)?, value(consumed)?, value(written)?, input(from, from_length)?, output(to, to_length)?)
    };
    (*consumed, *written) = (0, 0);
    let progress = stream.decoder.decode(from, to)?;
    (*consumed, *written) = (progress.consumed, progress.written);
    Ok(())
}

/// To be called at the end of the input: `EQUALINFO_STATUS_OK` if the stream is complete and every block intact.
///
/// # Safety
/// `stream` comes from `equalinfo_stream_begin`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_stream_finish(stream: *const EqualinfoStream) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    match unsafe { stream.as_ref() } {
        Some(stream) => status(stream.decoder.finish().map_err(Into::into)),
        None => EqualinfoStatus::NullPointer,
    }
}
