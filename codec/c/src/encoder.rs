//! Messages that are encoded as their text comes, such as lines of telemetry.
//!
//! Invariant: an encoder lives in the caller's memory, ahead of its model's memory, and nowhere else. A call that fails
//! changes nothing.

use core::mem::{align_of, size_of};

use equalinfo_codec::raw::{Check, MessageEncoder, RunningCheck};

use crate::memory::{ALIGNMENT, STATE, output, value};
use crate::message::check_of;
use crate::model::{DeviceM1, EqualinfoModel, set_up};
use crate::status::{EqualinfoStatus, status};

/// The encoder of messages, which lives in the caller's memory.
#[derive(Debug)]
pub struct EqualinfoEncoder {
    m1: DeviceM1,
    check: Check,
    windows: MessageEncoder,
    running: RunningCheck,
}

/// Bytes of a message that are complete at a time, all but the last.
const WINDOW: usize = 16;
/// The most bytes that end a message: a window and a check of 16 bits.
const END: usize = 18;

/// Prepares to encode messages, one after the other, in `length` bytes of memory: `equalinfo_memory` returns how many are
/// needed. The receiver decodes with the same context and `check_bits`, which are 0, 8 or 16 bits at the end of every
/// message that tell damage. `encoder` is set to the encoder, which is part of the memory, and is gone when the memory is
/// used for something else.
///
/// # Safety
/// `model` is null, or loaded, or holds zeros. While the encoder is in use, the image of the model stays readable, and
/// `length` bytes at `memory` can be read and written and are not used for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_encoder_begin(
    encoder: *mut *mut EqualinfoEncoder,
    model: *const EqualinfoModel,
    context: u16,
    check_bits: u8,
    memory: *mut u8,
    length: usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { begin(encoder, model, context, check_bits, memory, length) })
}

unsafe fn begin(
    encoder: *mut *mut EqualinfoEncoder,
    model: *const EqualinfoModel,
    context: u16,
    check_bits: u8,
    memory: *mut u8,
    length: usize,
) -> Result<(), EqualinfoStatus> {
    const {
        let fits = size_of::<EqualinfoEncoder>() <= STATE && align_of::<EqualinfoEncoder>() <= ALIGNMENT;
        assert!(fits, "the state is too small");
    }
    let check = check_of(check_bits)?;
    // SAFETY: as promised by the caller.
    let (encoder, (m1, state, _)) = unsafe { (value(encoder)?, set_up::<STATE>(model, context, 0, memory, length)?) };
    let running = check.begin(m1.identity());
    let place = state.as_mut_ptr().cast::<EqualinfoEncoder>();
    // SAFETY: the state is large enough for the encoder and aligned, as `set_up` and the assertion check.
    unsafe { place.write(EqualinfoEncoder { m1, check, windows: MessageEncoder::new(), running }) };
    *encoder = place;
    Ok(())
}

/// Appends a byte to the text, with one step of the model (two for the first of all). `written` is set to the number of
/// bytes at `window` that come next in the message: 16 whenever a window is full, else 0. `window_length` is at least 16
/// in every call; with less the status is `EQUALINFO_STATUS_OUTPUT_TOO_SMALL` and nothing has changed.
///
/// # Safety
/// `encoder` is null, or comes from `equalinfo_encoder_begin`. `window_length` bytes can be written at `window`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_encoder_push(
    encoder: *mut EqualinfoEncoder,
    byte: u8,
    window: *mut u8,
    window_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { push(encoder, byte, (window, window_length, written)) })
}

unsafe fn push(
    encoder: *mut EqualinfoEncoder,
    byte: u8,
    (window, window_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (encoder, written, window) = unsafe { (value(encoder)?, value(written)?, output(window, window_length)?) };
    *written = 0;
    let place = window.first_chunk_mut::<WINDOW>().ok_or(EqualinfoStatus::OutputTooSmall)?;
    encoder.running.update(&[byte]);
    if let Some(full) = encoder.windows.push(&mut encoder.m1, byte) {
        *place = full;
        *written = WINDOW;
    }
    Ok(())
}

/// Ends the message: the `written` bytes at `end` are its last, at most 18. The next byte that is pushed begins another
/// message. The empty text has no bytes. `end_length` is at least 18; with less the status is
/// `EQUALINFO_STATUS_OUTPUT_TOO_SMALL` and nothing has changed. A text that the model makes longer is not stored, as by
/// `equalinfo_message_encode`: whoever has the whole text can compare.
///
/// # Safety
/// `encoder` is null, or comes from `equalinfo_encoder_begin`. `end_length` bytes can be written at `end`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_encoder_finish(
    encoder: *mut EqualinfoEncoder,
    end: *mut u8,
    end_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    status(unsafe { finish(encoder, (end, end_length, written)) })
}

unsafe fn finish(
    encoder: *mut EqualinfoEncoder,
    (end, end_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (encoder, written, end) = unsafe { (value(encoder)?, value(written)?, output(end, end_length)?) };
    *written = 0;
    let places = end.first_chunk_mut::<END>().ok_or(EqualinfoStatus::OutputTooSmall)?;
    let next = encoder.check.begin(encoder.m1.identity());
    let (check, check_length) = core::mem::replace(&mut encoder.running, next).finish();
    let (window, length) = core::mem::take(&mut encoder.windows).finish();
    let bytes = window.iter().take(length).chain(check.iter().take(check_length));
    for (place, &byte) in places.iter_mut().zip(bytes) {
        *place = byte;
    }
    *written = length + check_length;
    Ok(())
}
