//! Messages, encoded and decoded with a model in one call, and single windows. `encoder.rs` has messages whose text comes
//! in pieces.
//!
//! Invariant: `written` is 0 unless the whole text has been decoded.

use equalinfo_codec::raw::{self, Check, PayloadLayout};
use equalinfo_codec::{WindowBits, WindowCode};

use crate::memory::{STATE, input, output, value};
use crate::model::{EqualinfoModel, set_up};
use crate::status::{EqualinfoStatus, status};

/// Decodes a message that `equalinfo compress --raw` wrote: windows with nothing around them, not even a checksum.
/// Memory is needed as for a stream.
///
/// # Safety
/// The promises of `equalinfo_stream_begin`, during the call; `payload_length` bytes can be read at `payload`, and
/// `text_length` bytes written at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_message_decode(
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    memory_length: usize,
    payload: *const u8,
    payload_length: usize,
    text: *mut u8,
    text_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    unsafe {
        equalinfo_message_decode_checked(
            model,
            context,
            memory,
            memory_length,
            0,
            payload,
            payload_length,
            text,
            text_length,
            written,
        )
    }
}

/// As `equalinfo_message_decode`, for a message with a check of 8 or 16 bits at its end: `compress --raw --check 16`, or
/// an encoder that was begun with 16. A message that is damaged or of another model or context is
/// `EQUALINFO_STATUS_DAMAGED`, but for one of 256 with 8 bits and one of 65,536 with 16. With 0 bits there is no check.
///
/// # Safety
/// As for `equalinfo_message_decode`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_message_decode_checked(
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    memory_length: usize,
    check_bits: u8,
    payload: *const u8,
    payload_length: usize,
    text: *mut u8,
    text_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    let decoded = unsafe {
        let text = (text, text_length, written);
        decode_message(model, context, check_bits, (memory, memory_length), (payload, payload_length), text)
    };
    status(decoded)
}

/// The check of so many bits.
pub(crate) fn check_of(bits: u8) -> Result<Check, EqualinfoStatus> {
    match bits {
        0 => Ok(Check::None),
        8 => Ok(Check::Bits8),
        16 => Ok(Check::Bits16),
        _ => Err(EqualinfoStatus::BadWindowBits),
    }
}

unsafe fn decode_message(
    model: *const EqualinfoModel,
    context: u16,
    check_bits: u8,
    (memory, memory_length): (*mut u8, usize),
    (payload, payload_length): (*const u8, usize),
    (text, text_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (written, payload, text) =
        unsafe { (value(written)?, input(payload, payload_length)?, output(text, text_length)?) };
    *written = 0;
    let check = check_of(check_bits)?;
    // SAFETY: as promised by the caller.
    let (mut m1, ..) = unsafe { set_up::<STATE>(model, context, 0, memory, memory_length)? };
    let identity = m1.identity();
    *written = match check {
        Check::None => raw::decode(&mut m1, PayloadLayout::Message, payload, text)?,
        check => raw::decode_checked(&mut m1, identity, check, payload, text)?,
    };
    Ok(())
}

/// Encodes a text as a message, as `equalinfo compress --raw` does; it is never more than a byte longer than the text.
/// Memory is needed as for a stream.
///
/// # Safety
/// The promises of `equalinfo_stream_begin`, during the call; `text_length` bytes can be read at `text`, and
/// `payload_length` bytes written at `payload`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_message_encode(
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    memory_length: usize,
    text: *const u8,
    text_length: usize,
    payload: *mut u8,
    payload_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    let encoded = unsafe {
        encode_message(model, context, (memory, memory_length), (text, text_length), (payload, payload_length, written))
    };
    status(encoded)
}

unsafe fn encode_message(
    model: *const EqualinfoModel,
    context: u16,
    (memory, memory_length): (*mut u8, usize),
    (text, text_length): (*const u8, usize),
    (payload, payload_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (written, text, payload) =
        unsafe { (value(written)?, input(text, text_length)?, output(payload, payload_length)?) };
    *written = 0;
    // SAFETY: as promised by the caller.
    let (mut m1, ..) = unsafe { set_up::<STATE>(model, context, 0, memory, memory_length)? };
    let encoded = raw::encode(&mut m1, PayloadLayout::Message, text, payload);
    *written = encoded.map_err(|_| EqualinfoStatus::OutputTooSmall)?;
    Ok(())
}

/// Decodes one Equal-Info window of `window_bits` bits at `window`, in the default code. Windows decode alone and in
/// any order. Memory is needed as for a stream.
///
/// # Safety
/// The promises of `equalinfo_stream_begin`, during the call; `window_bits / 8` bytes can be read at `window`, and
/// `text_length` bytes written at `text`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalinfo_window_decode(
    model: *const EqualinfoModel,
    context: u16,
    memory: *mut u8,
    memory_length: usize,
    window_bits: u32,
    window: *const u8,
    text: *mut u8,
    text_length: usize,
    written: *mut usize,
) -> EqualinfoStatus {
    // SAFETY: as promised by the caller.
    let decoded = unsafe {
        decode_window(model, context, (memory, memory_length), (window_bits, window), (text, text_length, written))
    };
    status(decoded)
}

unsafe fn decode_window(
    model: *const EqualinfoModel,
    context: u16,
    (memory, memory_length): (*mut u8, usize),
    (bits, window): (u32, *const u8),
    (text, text_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    let bits = WindowBits::from_bits(bits).ok_or(EqualinfoStatus::BadWindowBits)?;
    // SAFETY: as promised by the caller.
    let (written, window, text) =
        unsafe { (value(written)?, input(window, bits.bytes())?, output(text, text_length)?) };
    *written = 0;
    // SAFETY: as promised by the caller.
    let (mut m1, ..) = unsafe { set_up::<STATE>(model, context, 0, memory, memory_length)? };
    let layout = PayloadLayout::Independent { bits, code: WindowCode::Default, context: context.into() };
    *written = raw::decode(&mut m1, layout, window, text)?;
    Ok(())
}
