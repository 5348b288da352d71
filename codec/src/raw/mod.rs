//! Windows with nothing around them: messages, and the payloads of window blocks.
//!
//! Both sides know the model and the layout, and the framing around a payload gives its length, so every byte of it
//! belongs to a window. Invariant: a payload that [`encode`] writes decodes to its text, and a window that no encoder
//! writes is reported as [`PayloadError::NotCanonical`].

mod check;
mod encoder;
mod error;
mod form;

pub use check::{Check, RunningCheck};
pub use encoder::MessageEncoder;
pub use error::{EncodeError, PayloadError};

use crate::byte_model::ByteModel;
use crate::container::ModelIdentity;
use crate::progress::{Progress, copy};
use crate::window::{Fit, WindowBits, WindowCode, WindowDecoder, encode_window};
use form::{Formed, MODELLED, STORED};

/// The arrangement of windows in a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PayloadLayout {
    /// One short message: windows of 128 bits, then a last window of 1 to 16 bytes, as few as hold the rest. Only the
    /// code restarts with each window. The model sees the message as one text, so no context is lost. A text that the
    /// model would make longer is stored: no message is more than a byte longer than its text.
    Message,
    /// Windows of one width that decode alone: the context of the model is empty at the start of each.
    Independent {
        /// The width.
        bits: WindowBits,
        /// The code.
        code: WindowCode,
        /// The maximum number of bytes in a window: the context of the model.
        context: usize,
    },
}

/// Encodes a text to the start of `output`, and returns the length of the payload. The empty text has an empty payload.
///
/// # Errors
/// The payload does not fit `output`, or the context is 0.
pub fn encode<M: ByteModel>(
    model: &mut M,
    layout: PayloadLayout,
    text: &[u8],
    output: &mut [u8],
) -> Result<usize, EncodeError> {
    let size = output.len();
    let PayloadLayout::Independent { bits, code, context } = layout else {
        return encode_message(model, text, output);
    };
    let (mut rest, mut free) = (text, output);
    model.reset();
    while !rest.is_empty() {
        let window = encode_window(model, bits, code, context, rest);
        if window.consumed == 0 {
            return Err(EncodeError::NoContext);
        }
        free = bits.write(window.value, free).ok_or(EncodeError::OutputTooSmall { found: size })?;
        rest = rest.get(window.consumed..).unwrap_or_default();
    }
    Ok(size - free.len())
}

/// The shorter form of a message.
fn encode_message<M: ByteModel>(model: &mut M, text: &[u8], output: &mut [u8]) -> Result<usize, EncodeError> {
    if text.is_empty() {
        return Ok(0);
    }
    let found = output.len();
    // Where the model makes a text longer, its last byte more than the text's has no place.
    let limit = text.len().saturating_add(1).min(found);
    if let Some(length) = encode_modelled(model, text, output.get_mut(..limit).unwrap_or_default()) {
        return Ok(length);
    }
    let (first, rest) = output.split_first_mut().ok_or(EncodeError::OutputTooSmall { found })?;
    let places = rest.get_mut(..text.len()).ok_or(EncodeError::OutputTooSmall { found })?;
    *first = STORED;
    copy(text, places);
    Ok(text.len() + 1)
}

/// A message of windows; `None` if it does not fit.
fn encode_modelled<M: ByteModel>(model: &mut M, text: &[u8], output: &mut [u8]) -> Option<usize> {
    let size = output.len();
    let mut encoder = MessageEncoder::new();
    let mut free = output;
    for &byte in text {
        if let Some(window) = encoder.push(model, byte) {
            let (place, rest) = free.split_first_chunk_mut()?;
            *place = window;
            free = rest;
        }
    }
    let (last, length) = encoder.finish();
    copy(last.get(..length)?, free.get_mut(..length)?);
    Some(size - free.len() + length)
}

/// Encodes a message and its check to the start of `output`, and returns the length of both. The empty text has
/// neither. `identity` is that of the model.
///
/// # Errors
/// They do not fit `output`.
pub fn encode_checked<M: ByteModel>(
    model: &mut M,
    identity: ModelIdentity,
    check: Check,
    text: &[u8],
    output: &mut [u8],
) -> Result<usize, EncodeError> {
    let too_small = EncodeError::OutputTooSmall { found: output.len() };
    let length = encode(model, PayloadLayout::Message, text, output)?;
    if text.is_empty() {
        return Ok(0);
    }
    let end = length + check.length();
    let places = output.get_mut(length..end).ok_or(too_small)?;
    for (place, byte) in places.iter_mut().zip(check.of(identity, text)) {
        *place = byte;
    }
    Ok(end)
}

/// Decodes a message that [`encode_checked`] wrote to the start of `output`, and returns the length of the text.
///
/// # Errors
/// The check says that the message is damaged or was written with another model or context, or as [`decode`].
pub fn decode_checked<M: ByteModel>(
    model: &mut M,
    identity: ModelIdentity,
    check: Check,
    message: &[u8],
    output: &mut [u8],
) -> Result<usize, PayloadError> {
    if message.is_empty() {
        return Ok(0);
    }
    let split = message.len().checked_sub(check.length()).ok_or(PayloadError::Check)?;
    let (payload, expected) = message.split_at_checked(split).unwrap_or_default();
    let length = decode(model, PayloadLayout::Message, payload, output)?;
    let text = output.get(..length).unwrap_or_default();
    // A text that an encoder would have written as no message at all has no check.
    if text.is_empty() || !check.of(identity, text).eq(expected.iter().copied()) {
        return Err(PayloadError::Check);
    }
    Ok(length)
}

/// As [`encode_checked`], as bytes of their own with room for `N`.
///
/// # Errors
/// Those of [`encode_checked`].
#[cfg(feature = "heapless")]
pub fn message<const N: usize, M: ByteModel>(
    model: &mut M,
    identity: ModelIdentity,
    check: Check,
    text: &[u8],
) -> Result<heapless::Vec<u8, N>, EncodeError> {
    let mut message = heapless::Vec::new();
    // There is room for as many.
    let _ = message.resize(N, 0);
    let length = encode_checked(model, identity, check, text, &mut message)?;
    message.truncate(length);
    Ok(message)
}

/// As [`decode_checked`], as bytes of their own with room for `N`.
///
/// ```
/// # #[cfg(feature = "heapless")] {
/// use equalinfo_codec::Uniform;
/// use equalinfo_codec::container::ModelIdentity;
/// use equalinfo_codec::raw::{Check, message, message_text};
///
/// let identity = ModelIdentity::default();
/// let sent = message::<20, _>(&mut Uniform, identity, Check::Bits16, b"a text").unwrap();
/// let text = message_text::<16, _>(&mut Uniform, identity, Check::Bits16, &sent).unwrap();
/// assert_eq!(text, b"a text");
/// # }
/// ```
///
/// # Errors
/// Those of [`decode_checked`].
#[cfg(feature = "heapless")]
pub fn message_text<const N: usize, M: ByteModel>(
    model: &mut M,
    identity: ModelIdentity,
    check: Check,
    message: &[u8],
) -> Result<heapless::Vec<u8, N>, PayloadError> {
    let mut text = heapless::Vec::new();
    // There is room for as many.
    let _ = text.resize(N, 0);
    let length = decode_checked(model, identity, check, message, &mut text)?;
    text.truncate(length);
    Ok(text)
}

/// Decodes a whole payload to the start of `output`, and returns the length of the text.
///
/// # Errors
/// The payload is not one of this model and layout, or the text does not fit `output`.
pub fn decode<M: ByteModel>(
    model: &mut M,
    layout: PayloadLayout,
    payload: &[u8],
    output: &mut [u8],
) -> Result<usize, PayloadError> {
    let mut decoder = PayloadDecoder::new(layout, payload.len())?;
    let progress = decoder.decode(model, payload, output)?;
    if decoder.is_done() { Ok(progress.written) } else { Err(PayloadError::OutputTooSmall { found: output.len() }) }
}

/// As [`decode`], for a payload of `length` bytes that `next` gives one by one, as from flash.
///
/// # Errors
/// Those of [`decode`], and of `next`.
pub fn decode_bytes<M: ByteModel, E: From<PayloadError>>(
    model: &mut M,
    layout: PayloadLayout,
    length: usize,
    mut next: impl FnMut() -> Result<u8, E>,
    output: &mut [u8],
) -> Result<usize, E> {
    let mut decoder = PayloadDecoder::new(layout, length)?;
    let (found, mut written) = (output.len(), 0);
    for _ in 0..length {
        let byte = [next()?];
        let mut input = &byte[..];
        while !input.is_empty() {
            let progress = decoder.decode(model, input, output.get_mut(written..).unwrap_or_default())?;
            if progress == Progress::default() {
                return Err(PayloadError::OutputTooSmall { found }.into());
            }
            written += progress.written;
            input = input.get(progress.consumed..).unwrap_or_default();
        }
    }
    if decoder.is_done() { Ok(written) } else { Err(PayloadError::OutputTooSmall { found }.into()) }
}

/// Decodes a payload that arrives in pieces of any size, into buffers of any size.
///
/// ```
/// use equalinfo_codec::raw::{self, PayloadDecoder, PayloadLayout};
/// use equalinfo_codec::{Uniform, WindowBits, WindowCode};
///
/// let layout = PayloadLayout::Independent { bits: WindowBits::B32, code: WindowCode::Default, context: 64 };
/// let mut payload = [0; 32];
/// let length = raw::encode(&mut Uniform, layout, b"a text", &mut payload)?;
///
/// let mut decoder = PayloadDecoder::new(layout, length)?;
/// let (mut input, mut text, mut piece) = (&payload[..length], Vec::new(), [0; 2]);
/// while !decoder.is_done() {
///     let progress = decoder.decode(&mut Uniform, input, &mut piece)?;
///     input = &input[progress.consumed..];
///     text.extend_from_slice(&piece[..progress.written]);
/// }
/// assert_eq!(text, b"a text");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PayloadDecoder {
    layout: PayloadLayout,
    /// Bytes of the payload not read yet.
    left: usize,
    window: Option<WindowDecoder>,
    /// Symbols that the window has delivered.
    delivered: usize,
    /// The last window of a message, if it could be smaller by a byte.
    narrower: Option<Fit>,
    /// What a message turned out to be.
    form: Form,
    /// The value of the next window so far, and the number of bytes read of it.
    value: u128,
    gathered: usize,
    /// Windows begun.
    begun: u32,
}

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Nothing of it has been decoded, or it is no message.
    Unknown,
    Modelled,
    Stored,
}

impl PayloadDecoder {
    /// A decoder of a payload of `length` bytes.
    ///
    /// # Errors
    /// The length is not a whole number of windows, or the code has no decoder.
    pub fn new(layout: PayloadLayout, length: usize) -> Result<Self, PayloadError> {
        if let PayloadLayout::Independent { bits, code, .. } = layout {
            if code == WindowCode::Paper {
                return Err(PayloadError::NotDecodable);
            }
            if !length.is_multiple_of(bits.bytes()) {
                return Err(PayloadError::PartialWindow { expected: bits.bytes(), found: length });
            }
        }
        Ok(Self {
            layout,
            left: length,
            window: None,
            delivered: 0,
            narrower: None,
            form: Form::Unknown,
            value: 0,
            gathered: 0,
            begun: 0,
        })
    }

    /// Whether the whole text has been delivered.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.window.is_none()
    }

    /// Decodes as far as the buffers allow. Every call must get the same model, unchanged since the call before.
    ///
    /// # Errors
    /// The payload is damaged, or the model is not the right one.
    pub fn decode<M: ByteModel>(
        &mut self,
        model: &mut M,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, PayloadError> {
        if self.layout != PayloadLayout::Message {
            return self.decode_symbols(model, input, output);
        }
        let mut formed = Formed { model, begun: self.form == Form::Modelled };
        let mut consumed = 0;
        if self.form == Form::Unknown {
            if let [STORED, ..] = input
                && self.gathered == 0
                && self.left > 1
            {
                (self.form, self.left, consumed) = (Form::Stored, self.left - 1, 1);
            } else {
                let mut symbol = [0];
                let progress = self.decode_symbols(&mut formed, input, &mut symbol)?;
                if progress.written == 0 {
                    return Ok(progress);
                }
                if symbol != [MODELLED] {
                    return Err(PayloadError::NotCanonical { window: 0 });
                }
                (self.form, consumed) = (Form::Modelled, progress.consumed);
            }
        }
        let rest = input.get(consumed..).unwrap_or_default();
        if self.form == Form::Stored {
            let Progress { written, .. } = copy(rest.get(..self.left).unwrap_or(rest), output);
            self.left -= written;
            return Ok(Progress { consumed: consumed + written, written });
        }
        let progress = self.decode_symbols(&mut formed, rest, output)?;
        Ok(Progress { consumed: consumed + progress.consumed, ..progress })
    }

    fn decode_symbols<M: ByteModel>(
        &mut self,
        model: &mut M,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, PayloadError> {
        let room = output.len();
        let (mut input_bytes, mut places) = (input.iter(), output.iter_mut());
        loop {
            if let Some(window) = &mut self.window {
                if !window.is_finished() {
                    let Some(place) = places.next() else { break };
                    let frequencies = model.frequencies();
                    let Some(byte) = window.step(frequencies) else {
                        return Err(PayloadError::NotCanonical { window: self.begun.wrapping_sub(1) });
                    };
                    if let Some(narrower) = &mut self.narrower
                        && !narrower.push(frequencies, byte)
                    {
                        self.narrower = None;
                    }
                    model.push(byte);
                    *place = byte;
                    self.delivered += 1;
                    continue;
                }
                // A message's last window is the smallest that holds the rest.
                if self.delivered == 0 || self.narrower.is_some() || !window.is_canonical() {
                    return Err(PayloadError::NotCanonical { window: self.begun.wrapping_sub(1) });
                }
                self.window = None;
            }
            if self.left == 0 {
                break;
            }
            let Some(&byte) = input_bytes.next() else { break };
            self.gather(model, byte);
        }
        Ok(Progress { consumed: input.len() - input_bytes.len(), written: room - places.len() })
    }

    /// Takes a byte of the payload, and begins to decode a window once its last byte has been taken.
    fn gather<M: ByteModel>(&mut self, model: &mut M, byte: u8) {
        let (bits, code, limit) = match self.layout {
            PayloadLayout::Message => {
                let last = WindowBits::from_bytes(self.left + self.gathered);
                (last.unwrap_or(WindowBits::B128), WindowCode::Default, usize::MAX)
            }
            PayloadLayout::Independent { bits, code, context } => (bits, code, context),
        };
        self.value = (self.value << 8) | u128::from(byte);
        self.gathered += 1;
        self.left -= 1;
        if self.gathered == bits.bytes() {
            if self.begun == 0 || self.layout != PayloadLayout::Message {
                model.reset();
            }
            self.window = WindowDecoder::new(bits, code, limit, self.value);
            self.delivered = 0;
            let is_last = self.layout == PayloadLayout::Message && self.left == 0;
            let smaller = if is_last { WindowBits::from_bytes(bits.bytes() - 1) } else { None };
            self.narrower = smaller.map(Fit::new);
            self.begun = self.begun.wrapping_add(1);
            (self.value, self.gathered) = (0, 0);
        }
    }
}
