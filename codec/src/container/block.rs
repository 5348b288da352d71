//! Blocks: parts of a text that are coded on their own.
//!
//! Invariants: a coded payload is shorter than its text, and all other text is stored as it is; model and tables begin
//! anew with every block; no block counts as decoded before the checksum of its text matches.

use super::error::{DecodeError, StreamPart};
use super::header::{Header, Method, verify, with_checksum};
use crate::byte_model::ByteModel;
use crate::checksum::{Checksum, text_checksum};
use crate::mix::{Alone, Class, Coder, MixError, Tables};
use crate::progress::{Progress, copy};
use crate::range_coder::{RangeDecoder, RangeEncoder};
use crate::raw::{self, EncodeError, PayloadDecoder, PayloadError, PayloadLayout};
use crate::window::WindowCode;

/// The kind of a block's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BlockKind {
    /// Coded by the method of the stream.
    Coded,
    /// The text itself.
    Stored,
    /// Coded by the tables alone, in a stream of method [`Mix`](Method::Mix).
    Tables,
    /// Coded by the model alone, in a stream of method [`Mix`](Method::Mix).
    Model,
}

impl BlockKind {
    /// Every kind, in the order of their numbers in an index.
    pub(super) const ALL: [Self; 4] = [Self::Stored, Self::Coded, Self::Tables, Self::Model];

    const fn letter(self) -> u8 {
        match self {
            Self::Stored => b'S',
            Self::Coded => b'C',
            Self::Tables => b'T',
            Self::Model => b'M',
        }
    }

    /// The method that codes such a block in a stream of this method; `None` if there are no such blocks in it.
    pub const fn method(self, stream: Method) -> Option<Method> {
        match (self, stream) {
            (Self::Stored, _) => Some(Method::Stored),
            (Self::Coded, Method::Stored) => None,
            (Self::Coded, method) => Some(method),
            (Self::Tables, Method::Mix(class)) => Some(Method::Tables(class)),
            (Self::Model, Method::Mix(_)) => Some(Method::Ac),
            (Self::Tables | Self::Model, _) => None,
        }
    }
}

/// The header of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BlockHeader {
    /// The number of the block in the stream, counting from 0.
    pub number: u32,
    /// The kind of the payload.
    pub kind: BlockKind,
    /// The length of the text in bytes, at least 1.
    pub text_length: u32,
    /// The length of the payload in bytes.
    pub payload_length: u32,
    /// The checksum of the text.
    pub text_checksum: u32,
}

/// The first three bytes of every marker. `fe` occurs in no UTF-8.
const MARKER: [u8; 3] = *b"\xfeEQ";

impl BlockHeader {
    /// Its length in a stream.
    pub const LENGTH: usize = 24;

    /// The header of a block whose payload is coded, and shorter than its text.
    pub fn coded(kind: BlockKind, number: u32, text: &[u8], payload_length: usize) -> Self {
        let payload_length = payload_length as u32;
        Self { kind, payload_length, ..Self::stored(number, text) }
    }

    /// The header of a block whose payload is its text.
    pub fn stored(number: u32, text: &[u8]) -> Self {
        let length = text.len() as u32;
        let text_checksum = text_checksum(text);
        Self { number, kind: BlockKind::Stored, text_length: length, payload_length: length, text_checksum }
    }

    /// The bytes at the start of a block of the stream with this header.
    pub fn to_bytes(&self, header: &Header) -> [u8; Self::LENGTH] {
        let [m0, m1, m2] = MARKER;
        let kind = self.kind.letter();
        let [n0, n1, n2, n3] = self.number.to_le_bytes();
        let [t0, t1, t2, t3] = self.text_length.to_le_bytes();
        let [p0, p1, p2, p3] = self.payload_length.to_le_bytes();
        let [c0, c1, c2, c3] = self.text_checksum.to_le_bytes();
        #[rustfmt::skip]
        let checked = [m0, m1, m2, kind, n0, n1, n2, n3, t0, t1, t2, t3, p0, p1, p2, p3, c0, c1, c2, c3];
        with_checksum(header.bound_by(), checked)
    }

    /// Reads the header of block `expected` at the start of `bytes`, whatever follows.
    ///
    /// # Errors
    /// There is no intact header, or it belongs to a different block or stream, or its lengths are impossible.
    pub fn parse(bytes: &[u8], header: &Header, expected: u32) -> Result<Self, DecodeError> {
        let truncated = DecodeError::Truncated { part: StreamPart::BlockHeader, block: expected };
        let bytes = bytes.first_chunk().ok_or(truncated)?;
        let block = Self::parse_any(bytes, header.bound_by(), expected)?;
        if block.number != expected {
            return Err(DecodeError::BlockOrder { expected, found: block.number });
        }
        if !block.has_possible_lengths(header.method, header.block_size()) {
            let (text, payload) = (block.text_length, block.payload_length);
            return Err(DecodeError::BlockLengths { block: expected, text, payload });
        }
        Ok(block)
    }

    /// Reads an intact header with any content.
    fn parse_any(bytes: &[u8; Self::LENGTH], bound_by: u32, expected: u32) -> Result<Self, DecodeError> {
        let &[m0, m1, m2, kind, n0, n1, n2, n3, t0, t1, t2, t3, p0, p1, p2, p3, c0, c1, c2, c3, ..] = bytes;
        let kind = Self::check_marker([m0, m1, m2, kind], expected)?;
        verify(bound_by, bytes).map_err(|(carried, found)| DecodeError::BlockHeaderChecksum {
            block: expected,
            expected: carried,
            found,
        })?;
        let number = u32::from_le_bytes([n0, n1, n2, n3]);
        // The number of blocks fits 32 bits too.
        if number == u32::MAX {
            return Err(DecodeError::BlockOrder { expected, found: number });
        }
        Ok(Self {
            number,
            kind,
            text_length: u32::from_le_bytes([t0, t1, t2, t3]),
            payload_length: u32::from_le_bytes([p0, p1, p2, p3]),
            text_checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// Reads the marker of block `expected`.
    pub(super) fn check_marker(marker: [u8; 4], expected: u32) -> Result<BlockKind, DecodeError> {
        let [m0, m1, m2, letter] = marker;
        let kind = BlockKind::ALL.into_iter().find(|kind| kind.letter() == letter);
        match kind {
            Some(kind) if [m0, m1, m2] == MARKER => Ok(kind),
            _ => Err(DecodeError::BlockMarker { block: expected, found: marker }),
        }
    }

    /// Whether a block of a stream of this method, with texts of at most `longest` bytes, can be so long.
    pub(super) fn has_possible_lengths(&self, method: Method, longest: u32) -> bool {
        (1..=longest).contains(&self.text_length)
            && match self.kind.method(method) {
                None => false,
                Some(Method::Stored) => self.payload_length == self.text_length,
                Some(method) => {
                    (least_payload(method, self.text_length)..self.text_length).contains(&self.payload_length)
                }
            }
    }

    /// The length of header and payload in bytes.
    pub fn stream_length(&self) -> u64 {
        Self::LENGTH as u64 + u64::from(self.payload_length)
    }

    /// The number of windows in the payload.
    pub fn windows(&self, method: Method) -> u32 {
        match (self.kind, method) {
            (BlockKind::Coded, Method::EqualInfo { bits, .. }) => {
                self.payload_length.checked_div(bits.bytes() as u32).unwrap_or(0)
            }
            _ => 0,
        }
    }
}

/// The least length of a payload in bytes, to which zeros are appended to a shorter code string of the range coder;
/// other methods have none. A likely byte costs 0.01 bits, and an interval that begins at 0 has the empty code, so
/// without this a few bytes of payload could ask for an hour of a model's time.
pub fn least_payload(method: Method, text_length: u32) -> u32 {
    match method {
        Method::Ac | Method::StaticAc => text_length.div_ceil(TEXT_PER_CODE).saturating_sub(2),
        _ => 0,
    }
}

/// Bytes of text that a byte of the range coder's code may stand for; the first two count always.
const TEXT_PER_CODE: u32 = 2048;

/// Encodes a block, header included, to the start of `output`, which must have room for the text and
/// [`BlockHeader::LENGTH`] bytes more. `coder` is what codes the stream, or a [`StaticModel`](crate::StaticModel) of
/// its table. The first block binds the stream: `header` gets its tag from it.
///
/// # Errors
/// The text is empty or longer than the header allows, `output` is too small, the coder does not have the tables, or
/// the method cannot be decoded.
pub fn encode_block<C: Coder>(
    coder: &mut C,
    header: &mut Header,
    number: u32,
    text: &[u8],
    output: &mut [u8],
) -> Result<BlockHeader, EncodeError> {
    let (method, context) = (header.method, usize::from(header.model.context));
    encode_block_with(header, number, text, output, |output| encode_payload(coder, method, context, text, output))
}

/// Encodes a text by a method to the start of `output` and returns the length of the payload.
///
/// # Errors
/// The payload does not fit, the coder does not have the tables, or the method cannot be decoded.
pub fn encode_payload<C: Coder>(
    coder: &mut C,
    method: Method,
    context: usize,
    text: &[u8],
    output: &mut [u8],
) -> Result<usize, EncodeError> {
    let (model, tables) = coder.parts();
    let mixed = |class: Class, encoded: Option<Result<usize, MixError>>| match encoded {
        None => Err(EncodeError::Tables { cause: MixError::Class { expected: class, found: None } }),
        Some(Err(MixError::OutputTooSmall { found })) => Err(EncodeError::OutputTooSmall { found }),
        Some(Err(cause)) => Err(EncodeError::Tables { cause }),
        Some(Ok(length)) => Ok(length),
    };
    match method {
        Method::Stored => Err(EncodeError::OutputTooSmall { found: output.len() }),
        Method::Ac | Method::StaticAc => {
            let length = encode_range(model, text, output)?;
            let (padded, found) = (length.max(least_payload(method, text.len() as u32) as usize), output.len());
            output.get_mut(length..padded).ok_or(EncodeError::OutputTooSmall { found })?.fill(0);
            Ok(padded)
        }
        Method::Mix(class) => mixed(class, tables.map(|tables| tables.encode(class, model, text, output))),
        Method::Tables(class) => mixed(class, tables.map(|tables| tables.encode(class, &mut Alone, text, output))),
        Method::EqualInfo { code: WindowCode::Paper, .. } => Err(EncodeError::NotDecodable),
        Method::EqualInfo { bits, code } => {
            raw::encode(model, PayloadLayout::Independent { bits, code, context }, text, output)
        }
    }
}

/// The part of [`encode_block`] that does not depend on how the payload is encoded: `encode` writes the payload and
/// returns its length, or fails with [`EncodeError::OutputTooSmall`] if it would not be shorter than the text, which is
/// then stored.
pub(crate) fn encode_block_with(
    header: &mut Header,
    number: u32,
    text: &[u8],
    output: &mut [u8],
    encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<BlockHeader, EncodeError> {
    let expected = header.block_size();
    if text.is_empty() || text.len() > expected as usize {
        return Err(EncodeError::BlockLength { expected, found: text.len() });
    }
    let too_small = EncodeError::OutputTooSmall { found: output.len() };
    let (start, rest) = output.split_first_chunk_mut::<{ BlockHeader::LENGTH }>().ok_or(too_small)?;
    let payload = rest.get_mut(..text.len()).ok_or(too_small)?;
    let shorter = payload.split_last_mut().map(|(_, shorter)| shorter).unwrap_or_default();
    let block = match encode(shorter) {
        Ok(length) => BlockHeader::coded(BlockKind::Coded, number, text, length),
        Err(EncodeError::OutputTooSmall { .. }) => {
            copy(text, payload);
            BlockHeader::stored(number, text)
        }
        Err(other) => return Err(other),
    };
    if number == 0 {
        *header = header.bound_to(&block);
    }
    *start = block.to_bytes(header);
    Ok(block)
}

/// Writes the code string of a text and returns its length.
fn encode_range<M: ByteModel>(model: &mut M, text: &[u8], output: &mut [u8]) -> Result<usize, EncodeError> {
    let too_small = EncodeError::OutputTooSmall { found: output.len() };
    model.reset();
    let mut encoder = RangeEncoder::new(output);
    for &byte in text {
        encoder.encode(model.frequencies(), byte);
        model.push(byte);
        if encoder.is_overflowing() {
            return Err(too_small);
        }
    }
    encoder.finish().ok_or(too_small)
}

/// Decodes the payload of one block, which arrives in pieces of any size.
#[derive(Clone, Debug)]
pub struct BlockDecoder {
    block: BlockHeader,
    body: Body,
    /// The length up to which zeros may end the payload, and its newest byte.
    least_payload: u32,
    last: u8,
    payload_left: u32,
    text_left: u32,
    checksum: Checksum,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Without an allocator there is no smaller place.
enum Body {
    Stored,
    Range {
        decoder: RangeDecoder,
        begun: bool,
    },
    Windows(PayloadDecoder),
    /// By tables, with the model in front or without.
    Tables {
        class: Class,
        speaks: bool,
        begun: bool,
    },
}

impl BlockDecoder {
    /// A decoder of the payload that follows a block's header.
    ///
    /// # Errors
    /// The payload is not a whole number of windows.
    pub fn new(header: &Header, block: &BlockHeader) -> Result<Self, DecodeError> {
        let method = block.kind.method(header.method).unwrap_or(Method::Stored);
        let tables = |class, speaks| Body::Tables { class, speaks, begun: false };
        let body = match method {
            Method::Stored => Body::Stored,
            Method::Ac | Method::StaticAc => Body::Range { decoder: RangeDecoder::new(), begun: false },
            Method::Mix(class) => tables(class, true),
            Method::Tables(class) => tables(class, false),
            Method::EqualInfo { bits, code } => {
                let layout = PayloadLayout::Independent { bits, code, context: usize::from(header.model.context) };
                let decoder = PayloadDecoder::new(layout, block.payload_length as usize);
                Body::Windows(decoder.map_err(|cause| DecodeError::Payload { block: block.number, cause })?)
            }
        };
        let least_payload = least_payload(method, block.text_length);
        let (payload_left, text_left) = (block.payload_length, block.text_length);
        Ok(Self { block: *block, body, least_payload, last: 0, payload_left, text_left, checksum: Checksum::of_text() })
    }

    /// Whether the whole text has been delivered and found intact.
    pub fn is_done(&self) -> bool {
        self.payload_left == 0 && self.text_left == 0
    }

    /// Whether the whole payload has been read.
    pub(super) fn has_read_all(&self) -> bool {
        self.payload_left == 0
    }

    /// Decodes as far as the buffers allow. Every call must get the same model, unchanged since the call before.
    ///
    /// # Errors
    /// The block is damaged. Bytes already delivered are the text only up to the damage.
    pub fn decode<C: Coder>(
        &mut self,
        coder: &mut C,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, DecodeError> {
        if self.is_done() {
            return Ok(Progress::default());
        }
        let input = input.get(..self.payload_left as usize).unwrap_or(input);
        if self.text_left == 0 {
            // The rest of the code: the last bytes of the text could be decoded without it.
            let consumed = self.end(coder, input)?;
            return Ok(Progress { consumed, written: 0 });
        }
        let room = output.len().min(self.text_left as usize);
        let output = output.get_mut(..room).unwrap_or_default();
        let position = self.position();
        let (model, tables) = coder.parts();
        let progress = match &mut self.body {
            Body::Stored => Ok(copy(input, output)),
            Body::Range { decoder, begun } => {
                if !*begun {
                    model.reset();
                    *begun = true;
                }
                let ended = input.len() == self.payload_left as usize;
                decode_range(decoder, model, input, output, ended)
                    .map_err(|written| PayloadError::NoText { position: position + written as u32 })
            }
            Body::Windows(decoder) => decoder.decode(model, input, output),
            Body::Tables { class, speaks, begun } => {
                decode_mixed(*class, *speaks, begun, self.block.payload_length, (model, tables), input, output)
                    .map_err(|cause| PayloadError::Tables { cause })
            }
        };
        let progress = progress.map_err(|cause| self.failure(cause))?;
        self.take(input, progress.consumed);
        self.text_left -= progress.written as u32;
        self.checksum.update(output.get(..progress.written).unwrap_or_default());
        self.check_text()?;
        if self.text_left == 0 {
            let rest = input.get(progress.consumed..).unwrap_or_default();
            let consumed = progress.consumed + self.end(coder, rest)?;
            return Ok(Progress { consumed, ..progress });
        }
        Ok(progress)
    }

    /// Counts bytes of the payload that were consumed.
    fn take(&mut self, input: &[u8], consumed: usize) {
        self.payload_left -= consumed as u32;
        if let Some(&last) = input.get(..consumed).and_then(<[u8]>::last) {
            self.last = last;
        }
    }

    /// After the last byte of the text: takes the rest of the payload, and checks that an encoder wrote it so.
    fn end<C: Coder>(&mut self, coder: &mut C, input: &[u8]) -> Result<usize, DecodeError> {
        let expected = self.block.text_length;
        let too_long = self.failure(PayloadError::TooLong { expected });
        let not_canonical = self.failure(PayloadError::NotCanonicalEnd { expected });
        let left = self.payload_left as usize;
        let input = input.get(..left).unwrap_or(input);
        let ended = input.len() == left;
        let may_pad = self.block.payload_length <= self.least_payload;
        let consumed = match &mut self.body {
            Body::Stored | Body::Windows(_) => 0,
            Body::Range { decoder, .. } => {
                // Padding may go on behind what the decoder would read.
                let mut input_bytes = input.iter();
                while decoder.wants_input() {
                    match input_bytes.next() {
                        Some(&code) => decoder.feed(code),
                        None if ended => decoder.feed(0),
                        None => break,
                    }
                }
                let surplus = input_bytes.as_slice();
                let is_padding = may_pad && surplus.iter().all(|&byte| byte == 0);
                if !surplus.is_empty() && !is_padding {
                    return Err(too_long);
                }
                if ended && !decoder.is_canonical() {
                    return Err(not_canonical);
                }
                input.len()
            }
            Body::Tables { .. } => match coder.parts().1.map(|tables| tables.end(input)) {
                Some(Ok(consumed)) => consumed,
                _ => return Err(not_canonical),
            },
        };
        self.take(input, consumed);
        let has_code = matches!(self.body, Body::Range { .. } | Body::Tables { .. });
        if has_code && self.payload_left == 0 && self.block.payload_length > 0 && self.last == 0 && !may_pad {
            return Err(not_canonical);
        }
        Ok(consumed)
    }

    /// The number of bytes of text delivered.
    fn position(&self) -> u32 {
        self.block.text_length - self.text_left
    }

    fn failure(&self, cause: PayloadError) -> DecodeError {
        DecodeError::Payload { block: self.block.number, cause }
    }

    /// Checks that windows and text end together, and the checksum of the text.
    fn check_text(&self) -> Result<(), DecodeError> {
        let expected = self.block.text_length;
        if self.text_left == 0 {
            if let Body::Windows(decoder) = &self.body
                && (self.payload_left > 0 || !decoder.is_done())
            {
                return Err(self.failure(PayloadError::TooLong { expected }));
            }
            let found = self.checksum.value();
            if found != self.block.text_checksum {
                let (block, expected) = (self.block.number, self.block.text_checksum);
                return Err(DecodeError::TextChecksum { block, expected, found });
            }
        } else if let Body::Windows(decoder) = &self.body
            && decoder.is_done()
        {
            return Err(self.failure(PayloadError::TooShort { expected, found: self.position() }));
        }
        Ok(())
    }
}

/// Decodes by tables, which begin with the first call for a block.
fn decode_mixed<M: ByteModel, T: Tables>(
    class: Class,
    speaks: bool,
    begun: &mut bool,
    payload_length: u32,
    (model, tables): (&mut M, Option<&mut T>),
    input: &[u8],
    output: &mut [u8],
) -> Result<Progress, MixError> {
    let tables = tables.ok_or(MixError::Class { expected: class, found: None })?;
    if !*begun {
        model.reset();
        tables.begin(class, speaks, payload_length as usize)?;
        *begun = true;
    }
    if speaks { tables.decode(model, input, output) } else { tables.decode(&mut Alone, input, output) }
}

/// Decodes to fill `output`. Zeros follow the input if the payload ends with it. The error is the number of bytes
/// decoded before it.
fn decode_range<M: ByteModel>(
    decoder: &mut RangeDecoder,
    model: &mut M,
    input: &[u8],
    output: &mut [u8],
    ended: bool,
) -> Result<Progress, usize> {
    let mut rest = input.iter();
    let mut written = 0;
    'text: for place in output {
        if cfg!(target_pointer_width = "64") {
            let taken = decoder.feed_from(rest.as_slice());
            rest = rest.as_slice().get(taken..).unwrap_or_default().iter();
        }
        while decoder.wants_input() {
            match rest.next() {
                Some(&code) => decoder.feed(code),
                None if ended => decoder.feed(0),
                None => break 'text,
            }
        }
        let byte = decoder.decode(model.frequencies()).ok_or(written)?;
        model.push(byte);
        *place = byte;
        written += 1;
    }
    Ok(Progress { consumed: input.len() - rest.len(), written })
}

/// Decodes a block in one piece. `payload` is what follows its header, and `output` must have room for its text.
///
/// # Errors
/// The block is damaged or cut short, or its text does not fit `output`.
pub fn decode_block<C: Coder>(
    coder: &mut C,
    header: &Header,
    block: &BlockHeader,
    payload: &[u8],
    output: &mut [u8],
) -> Result<(), DecodeError> {
    let mut decoder = BlockDecoder::new(header, block)?;
    let found = output.len();
    let output = output
        .get_mut(..block.text_length as usize)
        .ok_or_else(|| decoder.failure(PayloadError::OutputTooSmall { found }))?;
    decoder.decode(coder, payload, output)?;
    if decoder.is_done() {
        Ok(())
    } else {
        Err(DecodeError::Truncated { part: StreamPart::Payload, block: block.number })
    }
}

/// The offset and the header of the first intact block header of this stream at or after `from`, after damage.
pub fn find_block(stream: &[u8], header: &Header, from: usize) -> Option<(usize, BlockHeader)> {
    let candidates = stream.get(from..)?.windows(BlockHeader::LENGTH);
    (from..).zip(candidates).find_map(|(offset, bytes)| {
        let block = BlockHeader::parse_any(bytes.first_chunk()?, header.bound_by(), 0).ok()?;
        block.has_possible_lengths(header.method, header.block_size()).then_some((offset, block))
    })
}
