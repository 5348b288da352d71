//! Messages and single windows with a model, in one piece.

use equalinfo_codec::raw::{self, Layout};
use equalinfo_codec::{WindowBits, WindowCode};

use crate::memory::{input, output, value};
use crate::model::{EqualinfoModel, set_up};
use crate::status::{EqualinfoStatus, status};

/// Decodes a message of `equalinfo compress --raw`: windows and nothing around them, not even a checksum. The memory is
/// as for a stream.
///
/// # Safety
/// As `equalinfo_stream_begin`, during the call; as many bytes as said can be read at `payload` and written at `text`.
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
    let decoded = unsafe {
        decode_message(model, context, (memory, memory_length), (payload, payload_length), (text, text_length, written))
    };
    status(decoded)
}

unsafe fn decode_message(
    model: *const EqualinfoModel,
    context: u16,
    (memory, memory_length): (*mut u8, usize),
    (payload, payload_length): (*const u8, usize),
    (text, text_length, written): (*mut u8, usize, *mut usize),
) -> Result<(), EqualinfoStatus> {
    // SAFETY: as promised by the caller.
    let (written, payload, text) =
        unsafe { (value(written)?, input(payload, payload_length)?, output(text, text_length)?) };
    *written = 0;
    // SAFETY: as promised by the caller.
    let (mut m1, _) = unsafe { set_up(model, context, memory, memory_length)? };
    *written = raw::decode(&mut m1, Layout::Message, payload, text)?;
    Ok(())
}

/// Decodes one Equal-Info window of `window_bits` bits, that many bits from `window` on, in the default code. Windows
/// decode alone, in any order. The memory is as for a stream.
///
/// # Safety
/// As `equalinfo_stream_begin`, during the call; `window_bits / 8` bytes can be read at `window`, and as many as said
/// written at `text`.
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
    let (mut m1, _) = unsafe { set_up(model, context, memory, memory_length)? };
    let layout = Layout::Independent { bits, code: WindowCode::Default, context: context.into() };
    *written = raw::decode(&mut m1, layout, window, text)?;
    Ok(())
}
