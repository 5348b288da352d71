//! Blocks: pieces of text that are coded on their own.
//!
//! Invariants: a coded payload is shorter than its text, anything else is stored as it is; the model's context is
//! empty at the start of every block; a block is believed only when the checksum of its text agrees.

use super::checksum::{Checksum, checksum};
use super::header::{Header, Method, verify, with_checksum};
use crate::byte_model::ByteModel;
use crate::error::{DecodeError, EncodeError, Part, PayloadError};
use crate::progress::Progress;
use crate::range_coder::{RangeDecoder, RangeEncoder};
use crate::raw::{self, Layout, PayloadDecoder};
use crate::window::WindowCode;

/// How a block's payload is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BlockKind {
    /// By the method of the stream.
    Coded,
    /// As it is: the payload is the text.
    Stored,
}

/// The header of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BlockHeader {
    /// Its place in the stream, from 0.
    pub number: u32,
    /// How the payload is to be read.
    pub kind: BlockKind,
    /// Bytes of text, at least 1.
    pub text_length: u32,
    /// Bytes of payload.
    pub payload_length: u32,
    /// The checksum of the text.
    pub text_checksum: u32,
}

/// The first three bytes of every marker. `fe` occurs in no UTF-8.
const MARKER: [u8; 3] = *b"\xfeEQ";

impl BlockHeader {
    /// Its length in a stream.
    pub const LENGTH: usize = 24;

    /// The header of a block whose payload was coded by the method of the stream, and is shorter than its text.
    pub fn coded(number: u32, text: &[u8], payload_length: usize) -> Self {
        let payload_length = payload_length as u32;
        Self { kind: BlockKind::Coded, payload_length, ..Self::stored(number, text) }
    }

    /// The header of a block whose payload is its text.
    pub fn stored(number: u32, text: &[u8]) -> Self {
        let length = text.len() as u32;
        let text_checksum = checksum(text);
        Self { number, kind: BlockKind::Stored, text_length: length, payload_length: length, text_checksum }
    }

    /// The bytes at the start of a block.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let [m0, m1, m2] = MARKER;
        let kind = match self.kind {
            BlockKind::Coded => b'C',
            BlockKind::Stored => b'S',
        };
        let [n0, n1, n2, n3] = self.number.to_le_bytes();
        let [t0, t1, t2, t3] = self.text_length.to_le_bytes();
        let [p0, p1, p2, p3] = self.payload_length.to_le_bytes();
        let [c0, c1, c2, c3] = self.text_checksum.to_le_bytes();
        with_checksum([m0, m1, m2, kind, n0, n1, n2, n3, t0, t1, t2, t3, p0, p1, p2, p3, c0, c1, c2, c3])
    }

    /// Reads the start of a block, which should be that of block `expected` of a stream.
    pub fn parse(bytes: &[u8], header: &Header, expected: u32) -> Result<Self, DecodeError> {
        Self::parse_sized(bytes, header.block_size, expected)
    }

    /// [`Self::parse`] for a stream with blocks of at most `block_size` bytes of text.
    pub(crate) fn parse_sized(bytes: &[u8], block_size: u32, expected: u32) -> Result<Self, DecodeError> {
        let truncated = DecodeError::Truncated { part: Part::BlockHeader, block: expected };
        let bytes = bytes.first_chunk().ok_or(truncated)?;
        let block = Self::parse_any(bytes, expected)?;
        if block.number != expected {
            return Err(DecodeError::BlockOrder { expected, found: block.number });
        }
        if !block.has_possible_lengths(block_size) {
            let (text, payload) = (block.text_length, block.payload_length);
            return Err(DecodeError::BlockLengths { block: expected, text, payload });
        }
        Ok(block)
    }

    /// Reads an intact header, whatever it says.
    fn parse_any(bytes: &[u8; Self::LENGTH], expected: u32) -> Result<Self, DecodeError> {
        let &[m0, m1, m2, kind, n0, n1, n2, n3, t0, t1, t2, t3, p0, p1, p2, p3, c0, c1, c2, c3, ..] = bytes;
        let kind = Self::check_marker([m0, m1, m2, kind], expected)?;
        verify(bytes).map_err(|(carried, found)| DecodeError::BlockHeaderChecksum {
            block: expected,
            expected: carried,
            found,
        })?;
        Ok(Self {
            number: u32::from_le_bytes([n0, n1, n2, n3]),
            kind,
            text_length: u32::from_le_bytes([t0, t1, t2, t3]),
            payload_length: u32::from_le_bytes([p0, p1, p2, p3]),
            text_checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// Reads the marker of block `expected`.
    pub(super) fn check_marker(marker: [u8; 4], expected: u32) -> Result<BlockKind, DecodeError> {
        let [m0, m1, m2, kind] = marker;
        match kind {
            b'C' if [m0, m1, m2] == MARKER => Ok(BlockKind::Coded),
            b'S' if [m0, m1, m2] == MARKER => Ok(BlockKind::Stored),
            _ => Err(DecodeError::NoBlock { block: expected, found: marker }),
        }
    }

    fn has_possible_lengths(&self, block_size: u32) -> bool {
        (1..=block_size).contains(&self.text_length)
            && match self.kind {
                BlockKind::Coded => self.payload_length < self.text_length,
                BlockKind::Stored => self.payload_length == self.text_length,
            }
    }

    /// Bytes of header and payload.
    pub fn stream_length(&self) -> u64 {
        Self::LENGTH as u64 + u64::from(self.payload_length)
    }

    /// Windows in the payload.
    pub fn windows(&self, method: Method) -> u32 {
        match (self.kind, method) {
            (BlockKind::Coded, Method::EqualInfo { bits, .. }) => {
                self.payload_length.checked_div(bits.bytes() as u32).unwrap_or(0)
            }
            _ => 0,
        }
    }
}

/// Encodes a block, header included, to the start of `output`, which has room for [`BlockHeader::LENGTH`] bytes more
/// than the text. `model` is the model of the stream, or a [`StaticModel`](crate::StaticModel) of its table.
pub fn encode_block<M: ByteModel>(
    model: &mut M,
    header: &Header,
    number: u32,
    text: &[u8],
    output: &mut [u8],
) -> Result<BlockHeader, EncodeError> {
    if text.is_empty() || text.len() > header.block_size as usize {
        return Err(EncodeError::BlockLength { expected: header.block_size, found: text.len() });
    }
    let too_small = EncodeError::OutputTooSmall { found: output.len() };
    let (start, rest) = output.split_first_chunk_mut::<{ BlockHeader::LENGTH }>().ok_or(too_small)?;
    let payload = rest.get_mut(..text.len()).ok_or(too_small)?;
    let shorter = payload.split_last_mut().map(|(_, shorter)| shorter).unwrap_or_default();
    let coded = match header.method {
        Method::Ac | Method::StaticAc => encode_range(model, text, shorter),
        Method::EqualInfo { code: WindowCode::Paper, .. } => return Err(EncodeError::NotDecodable),
        Method::EqualInfo { bits, code } => {
            let context = usize::from(header.model.context);
            match raw::encode(model, Layout::Independent { bits, code, context }, text, shorter) {
                Ok(length) => Some(length),
                Err(EncodeError::OutputTooSmall { .. }) => None,
                Err(other) => return Err(other),
            }
        }
    };
    let block = match coded {
        Some(length) => BlockHeader::coded(number, text, length),
        None => {
            for (place, &byte) in payload.iter_mut().zip(text) {
                *place = byte;
            }
            BlockHeader::stored(number, text)
        }
    };
    *start = block.to_bytes();
    Ok(block)
}

/// The length of a text's code, or `None` if it does not fit.
fn encode_range<M: ByteModel>(model: &mut M, text: &[u8], output: &mut [u8]) -> Option<usize> {
    model.reset();
    let mut encoder = RangeEncoder::new(output);
    for &byte in text {
        encoder.encode(model.frequencies(), byte);
        model.push(byte);
        if encoder.is_overflowing() {
            return None;
        }
    }
    encoder.finish()
}

/// Decodes the payload of one block, in pieces of any size.
#[derive(Clone, Debug)]
pub struct BlockDecoder {
    block: BlockHeader,
    body: Body,
    payload_left: u32,
    text_left: u32,
    checksum: Checksum,
}

#[derive(Clone, Debug)]
enum Body {
    Stored,
    Range { decoder: RangeDecoder, begun: bool },
    Windows(PayloadDecoder),
}

impl BlockDecoder {
    /// A decoder of the payload that follows a block's header.
    pub fn new(header: &Header, block: &BlockHeader) -> Result<Self, DecodeError> {
        let body = match (block.kind, header.method) {
            (BlockKind::Stored, _) => Body::Stored,
            (_, Method::Ac | Method::StaticAc) => Body::Range { decoder: RangeDecoder::new(), begun: false },
            (_, Method::EqualInfo { bits, code }) => {
                let layout = Layout::Independent { bits, code, context: usize::from(header.model.context) };
                let decoder = PayloadDecoder::new(layout, block.payload_length as usize);
                Body::Windows(decoder.map_err(|cause| DecodeError::Payload { block: block.number, cause })?)
            }
        };
        let (payload_left, text_left) = (block.payload_length, block.text_length);
        Ok(Self { block: *block, body, payload_left, text_left, checksum: Checksum::new() })
    }

    /// Whether all text has been delivered and found intact.
    pub fn is_done(&self) -> bool {
        self.payload_left == 0 && self.text_left == 0
    }

    /// Decodes as far as the buffers allow. The same model goes into every call; nobody else touches it meanwhile.
    /// After an error the block is lost; bytes already delivered are the text only up to the damage.
    pub fn decode<M: ByteModel>(
        &mut self,
        model: &mut M,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Progress, DecodeError> {
        if self.is_done() {
            return Ok(Progress::default());
        }
        let input = input.get(..self.payload_left as usize).unwrap_or(input);
        if self.text_left == 0 {
            // The code of the last bytes, which was not needed to tell them apart from others.
            self.payload_left -= input.len() as u32;
            return Ok(Progress { consumed: input.len(), written: 0 });
        }
        let room = output.len().min(self.text_left as usize);
        let output = output.get_mut(..room).unwrap_or_default();
        let position = self.position();
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
        };
        let progress = progress.map_err(|cause| self.failure(cause))?;
        self.payload_left -= progress.consumed as u32;
        self.text_left -= progress.written as u32;
        self.checksum.update(output.get(..progress.written).unwrap_or_default());
        self.check_end()?;
        Ok(progress)
    }

    /// Bytes of text delivered.
    fn position(&self) -> u32 {
        self.block.text_length - self.text_left
    }

    fn failure(&self, cause: PayloadError) -> DecodeError {
        DecodeError::Payload { block: self.block.number, cause }
    }

    /// Text and payload end together.
    fn check_end(&self) -> Result<(), DecodeError> {
        let expected = self.block.text_length;
        if self.text_left == 0 {
            let surplus = match &self.body {
                Body::Stored => false,
                // What the encoder writes is read ahead of the text's last byte, or wanted for the byte after it.
                Body::Range { decoder, .. } => self.payload_left > decoder.missing(),
                Body::Windows(decoder) => self.payload_left > 0 || !decoder.is_done(),
            };
            if surplus {
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

/// Copies as much as there is and as there is room for.
fn copy(input: &[u8], output: &mut [u8]) -> Progress {
    let mut length = 0;
    for (place, &byte) in output.iter_mut().zip(input) {
        *place = byte;
        length += 1;
    }
    Progress { consumed: length, written: length }
}

/// Decodes to fill `output`; zeros follow the input if the payload ends with it. The error is how much came before it.
fn decode_range<M: ByteModel>(
    decoder: &mut RangeDecoder,
    model: &mut M,
    input: &[u8],
    output: &mut [u8],
    ended: bool,
) -> Result<Progress, usize> {
    let mut input_bytes = input.iter();
    let mut written = 0;
    'text: for place in output {
        while decoder.wants_input() {
            match input_bytes.next() {
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
    Ok(Progress { consumed: input.len() - input_bytes.len(), written })
}

/// Decodes a block in one piece: `payload` follows its header, and `output` has room for its text.
pub fn decode_block<M: ByteModel>(
    model: &mut M,
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
    decoder.decode(model, payload, output)?;
    if decoder.text_left == 0 {
        Ok(())
    } else {
        Err(DecodeError::Truncated { part: Part::Payload, block: block.number })
    }
}

/// The first intact block at or after `from` in a damaged stream, and where it begins.
pub fn find_block(stream: &[u8], header: &Header, from: usize) -> Option<(usize, BlockHeader)> {
    let candidates = stream.get(from..)?.windows(BlockHeader::LENGTH);
    (from..).zip(candidates).find_map(|(offset, bytes)| {
        let block = BlockHeader::parse_any(bytes.first_chunk()?, 0).ok()?;
        block.has_possible_lengths(header.block_size).then_some((offset, block))
    })
}
