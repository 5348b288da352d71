//! Windows and nothing around them: the raw mode, and the payload of a window block.
//!
//! The model and the layout are known to both sides and the framing gives the length of the payload, so not one byte
//! is spent on anything but windows. Invariant: what an encoder wrote decodes to its text; a window that no encoder
//! writes is [`PayloadError::NotCanonical`].

use crate::byte_model::ByteModel;
use crate::error::{EncodeError, PayloadError};
use crate::progress::Progress;
use crate::window::{Window, WindowBits, WindowCode, WindowDecoder, WindowEncoder, encode_window};

/// How windows follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// For one short message. Windows of 128 bits, then a last window of as few bytes (1 to 16) as hold the rest. Only
    /// the code restarts with a window: the model sees the message as one text, so no context is lost.
    Message,
    /// Windows of one width that decode alone: the model's context is empty at the start of each.
    Independent {
        /// The width.
        bits: WindowBits,
        /// The code.
        code: WindowCode,
        /// The most bytes in a window: the model's context.
        context: usize,
    },
}

/// Encodes a text and returns the length of the payload; that of the empty text is empty.
pub fn encode<M: ByteModel>(
    model: &mut M,
    layout: Layout,
    text: &[u8],
    output: &mut [u8],
) -> Result<usize, EncodeError> {
    let size = output.len();
    let (mut rest, mut free) = (text, output);
    model.reset();
    while !rest.is_empty() {
        let (window, bits) = match layout {
            Layout::Message => encode_message_window(model, rest),
            Layout::Independent { bits, code, context } => (encode_window(model, bits, code, context, rest), bits),
        };
        if window.consumed == 0 {
            return Err(EncodeError::NoContext);
        }
        free = bits.write(window.value, free).ok_or(EncodeError::OutputTooSmall { found: size })?;
        rest = rest.get(window.consumed..).unwrap_or_default();
    }
    Ok(size - free.len())
}

/// The widest window of a message, or the narrowest that holds all the rest. Leaves the model after the last byte
/// that the window holds, so that the message goes on from there.
fn encode_message_window<M: ByteModel>(model: &mut M, rest: &[u8]) -> (Window, WindowBits) {
    let mut candidates = MESSAGE_WIDTHS.map(|bits| (WindowEncoder::new(bits, WindowCode::Default, usize::MAX), bits));
    let mut taken = 0;
    for &byte in rest {
        let frequencies = model.frequencies();
        let mut widest_took = false;
        for (encoder, _) in &mut candidates {
            // One that has refused a byte is closed, and no longer in step.
            widest_took = encoder.window().consumed == taken && encoder.push(frequencies, byte);
        }
        if !widest_took {
            break;
        }
        model.push(byte);
        taken += 1;
    }
    let all = taken == rest.len();
    let mut chosen = (Window { value: 0, consumed: 0 }, WindowBits::B128);
    for (encoder, bits) in candidates.into_iter().rev() {
        let window = encoder.window();
        if bits == WindowBits::B128 || (all && window.consumed == taken) {
            chosen = (window, bits);
        }
    }
    chosen
}

/// Every width that ends a message, narrowest first; the last is that of all its other windows.
const MESSAGE_WIDTHS: [WindowBits; 16] = {
    let mut widths = [WindowBits::B128; 16];
    let mut bytes = 1;
    while bytes < 16 {
        if let Some(bits) = WindowBits::from_bytes(bytes) {
            widths[bytes - 1] = bits;
        }
        bytes += 1;
    }
    widths
};

/// Decodes a whole payload and returns the length of the text.
pub fn decode<M: ByteModel>(
    model: &mut M,
    layout: Layout,
    payload: &[u8],
    output: &mut [u8],
) -> Result<usize, PayloadError> {
    let mut decoder = PayloadDecoder::new(layout, payload.len())?;
    let progress = decoder.decode(model, payload, output)?;
    if decoder.is_done() { Ok(progress.written) } else { Err(PayloadError::OutputTooSmall { found: output.len() }) }
}

/// Decodes a payload that arrives, and a text that leaves, in pieces of any size.
#[derive(Clone, Debug)]
pub struct PayloadDecoder {
    layout: Layout,
    /// Bytes of the payload still to come.
    left: usize,
    window: Option<WindowDecoder>,
    /// The next window's value so far, and how many of its bytes that is.
    value: u128,
    gathered: usize,
    /// Windows begun.
    begun: u32,
}

impl PayloadDecoder {
    /// A decoder of a payload of `length` bytes.
    pub fn new(layout: Layout, length: usize) -> Result<Self, PayloadError> {
        if let Layout::Independent { bits, code, .. } = layout {
            if code == WindowCode::Paper {
                return Err(PayloadError::NotDecodable);
            }
            if !length.is_multiple_of(bits.bytes()) {
                return Err(PayloadError::PartialWindow { expected: bits.bytes(), found: length });
            }
        }
        Ok(Self { layout, left: length, window: None, value: 0, gathered: 0, begun: 0 })
    }

    /// Whether all text has been delivered.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.window.is_none()
    }

    /// Decodes as far as the buffers allow. The same model goes into every call; nobody else touches it meanwhile.
    pub fn decode<M: ByteModel>(
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
                    match window.next(model) {
                        Some(byte) => *place = byte,
                        None => return Err(PayloadError::NotCanonical { window: self.begun.wrapping_sub(1) }),
                    }
                    continue;
                }
                if !window.is_canonical() {
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

    /// Takes a byte of the payload, and begins a window when it is the window's last.
    fn gather<M: ByteModel>(&mut self, model: &mut M, byte: u8) {
        let (bits, code, limit) = match self.layout {
            Layout::Message => {
                let last = WindowBits::from_bytes(self.left + self.gathered);
                (last.unwrap_or(WindowBits::B128), WindowCode::Default, usize::MAX)
            }
            Layout::Independent { bits, code, context } => (bits, code, context),
        };
        self.value = (self.value << 8) | u128::from(byte);
        self.gathered += 1;
        self.left -= 1;
        if self.gathered == bits.bytes() {
            if self.begun == 0 || self.layout != Layout::Message {
                model.reset();
            }
            self.window = WindowDecoder::new(bits, code, limit, self.value);
            self.begun = self.begun.wrapping_add(1);
            (self.value, self.gathered) = (0, 0);
        }
    }
}
