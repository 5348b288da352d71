//! Sequences of codes: payloads with nothing around them, and the blocks of a stream.
//!
//! Codes are windows of 16 bits, most significant byte first, so payloads, blocks and streams have the form of method
//! `equal-info` (`docs/container.md`). Invariant: a payload that an encoder wrote decodes to its text; damage is an
//! error after the bytes that precede it.

use super::image::Lexicon;
use super::walk::CodeText;
use crate::checksum::Checksum;
use crate::container::{BlockHeader, BlockKind, DecodeError, Header, Method, StreamPart, encode_block_with};
use crate::raw::{EncodeError, PayloadError};
use crate::window::{WindowBits, WindowCode};

/// The method of a lexicon's streams.
pub const METHOD: Method = Method::EqualInfo { bits: WindowBits::B16, code: WindowCode::Default };

impl<'a> Lexicon<'a> {
    /// Encodes a text to the start of `output`, and returns the length of the payload.
    ///
    /// # Errors
    /// The payload does not fit `output`. Twice the length of the text is always enough.
    pub fn encode_payload(&self, text: &[u8], output: &mut [u8]) -> Result<usize, EncodeError> {
        let too_small = EncodeError::OutputTooSmall { found: output.len() };
        let (mut rest, mut length) = (text, 0);
        let mut places = output.as_chunks_mut().0.iter_mut();
        while !rest.is_empty() {
            let (code, taken) = self.encode(rest);
            *places.next().ok_or(too_small)? = code.to_be_bytes();
            length += 2;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(length)
    }

    /// An iterator over the text of a payload.
    ///
    /// # Errors
    /// The payload has an odd length.
    pub fn payload<'l, 'p>(&'l self, payload: &'p [u8]) -> Result<PayloadText<'l, 'a, 'p>, PayloadError> {
        match payload.as_chunks() {
            (codes, []) => Ok(PayloadText { lexicon: self, codes: codes.iter(), text: None, is_empty: true, begun: 0 }),
            _ => Err(PayloadError::PartialWindow { expected: 2, found: payload.len() }),
        }
    }

    /// Decodes a whole payload to the start of `output`, and returns the length of the text.
    ///
    /// # Errors
    /// The payload has an odd length or a code that no encoder produces, or its text does not fit `output`.
    pub fn decode_payload(&self, payload: &[u8], output: &mut [u8]) -> Result<usize, PayloadError> {
        let found = output.len();
        let mut places = output.iter_mut();
        for byte in self.payload(payload)? {
            let byte = byte?;
            *places.next().ok_or(PayloadError::OutputTooSmall { found })? = byte;
        }
        Ok(found - places.len())
    }

    /// As [`Self::decode_payload`], for a payload of `length` bytes that `next` gives one by one, as from flash.
    ///
    /// # Errors
    /// Those of [`Self::decode_payload`], and of `next`.
    pub fn decode_payload_bytes<E: From<PayloadError>>(
        &self,
        length: usize,
        mut next: impl FnMut() -> Result<u8, E>,
        output: &mut [u8],
    ) -> Result<usize, E> {
        if !length.is_multiple_of(2) {
            return Err(PayloadError::PartialWindow { expected: 2, found: length }.into());
        }
        let found = output.len();
        let mut places = output.iter_mut();
        for window in 0..length as u32 / 2 {
            let code = [next()?, next()?];
            for byte in self.payload(&code)? {
                let byte = byte.map_err(|_| PayloadError::NotCanonical { window })?;
                *places.next().ok_or(PayloadError::OutputTooSmall { found })? = byte;
            }
        }
        Ok(found - places.len())
    }

    /// Encodes a block, header included, to the start of `output`, which must have room for the text and
    /// [`BlockHeader::LENGTH`] bytes more. For a [`WindowCode`](super::LexiconKind::WindowCode) lexicon it is the block
    /// that [`encode_block`](crate::container::encode_block) writes with the model.
    ///
    /// # Errors
    /// The text is empty or longer than the header allows, or `output` is too small.
    pub fn encode_block(
        &self,
        header: &mut Header,
        number: u32,
        text: &[u8],
        output: &mut [u8],
    ) -> Result<BlockHeader, EncodeError> {
        encode_block_with(header, number, text, output, |output| self.encode_payload(text, output))
    }

    /// An iterator over the text of a block. `payload` is what follows the block's header.
    ///
    /// # Errors
    /// The payload is cut short or has an odd length.
    pub fn block<'l, 'p>(
        &'l self,
        block: &BlockHeader,
        payload: &'p [u8],
    ) -> Result<BlockText<'l, 'a, 'p>, DecodeError> {
        let number = block.number;
        let payload = payload.get(..block.payload_length as usize);
        let payload = payload.ok_or(DecodeError::Truncated { part: StreamPart::Payload, block: number })?;
        let body = match block.kind {
            BlockKind::Stored => Body::Stored(payload.iter()),
            _ => Body::Coded(self.payload(payload).map_err(|cause| DecodeError::Payload { block: number, cause })?),
        };
        Ok(BlockText { block: *block, body, left: block.text_length, checksum: Checksum::of_text(), ended: false })
    }

    /// Decodes a block in one piece to the start of `output`.
    ///
    /// # Errors
    /// Those of [`Self::block`] and [`BlockText`], or the text does not fit `output`.
    pub fn decode_block(&self, block: &BlockHeader, payload: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
        let found = output.len();
        let mut places = output.iter_mut();
        for byte in self.block(block, payload)? {
            let byte = byte?;
            let cause = PayloadError::OutputTooSmall { found };
            *places.next().ok_or(DecodeError::Payload { block: block.number, cause })? = byte;
        }
        Ok(())
    }

    /// Checks that a stream was written with this lexicon, or with the model that it replaces.
    ///
    /// # Errors
    /// The method, the model or lexicon, or the context differs.
    pub fn check_stream(&self, header: &Header) -> Result<(), DecodeError> {
        if header.method == Method::Stored {
            return Ok(());
        }
        if header.method != METHOD {
            return Err(DecodeError::WrongMethod { expected: METHOD, found: header.method });
        }
        header.check_model(self.identity())
    }
}

/// The text of a payload, byte by byte. The last item may be an error.
#[derive(Clone, Debug)]
pub struct PayloadText<'l, 'a, 'p> {
    lexicon: &'l Lexicon<'a>,
    codes: core::slice::Iter<'p, [u8; 2]>,
    text: Option<CodeText<'l, 'a>>,
    /// Whether the code has delivered nothing yet.
    is_empty: bool,
    /// The number of codes begun.
    begun: u32,
}

impl Iterator for PayloadText<'_, '_, '_> {
    type Item = Result<u8, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(text) = &mut self.text {
                if let Some(byte) = text.next() {
                    self.is_empty = false;
                    return Some(Ok(byte));
                }
                if self.is_empty || !text.is_canonical() {
                    self.text = None;
                    self.codes = [].iter();
                    return Some(Err(PayloadError::NotCanonical { window: self.begun.wrapping_sub(1) }));
                }
            }
            self.text = Some(self.lexicon.text(u16::from_be_bytes(*self.codes.next()?)));
            self.is_empty = true;
            self.begun = self.begun.wrapping_add(1);
        }
    }
}

/// The text of a block, byte by byte. The last item is an error unless the text has the length and the checksum in the
/// block's header.
#[derive(Clone, Debug)]
pub struct BlockText<'l, 'a, 'p> {
    block: BlockHeader,
    body: Body<'l, 'a, 'p>,
    /// Bytes of text that have not been decoded.
    left: u32,
    checksum: Checksum,
    ended: bool,
}

#[derive(Clone, Debug)]
enum Body<'l, 'a, 'p> {
    Stored(core::slice::Iter<'p, u8>),
    Coded(PayloadText<'l, 'a, 'p>),
}

impl BlockText<'_, '_, '_> {
    fn advance(&mut self) -> Result<Option<u8>, DecodeError> {
        let expected = self.block.text_length;
        let byte = match &mut self.body {
            Body::Stored(bytes) => Ok(bytes.next().copied()),
            Body::Coded(bytes) => bytes.next().transpose(),
        };
        let cause = match byte {
            Ok(Some(byte)) if self.left > 0 => {
                self.left -= 1;
                self.checksum.update(&[byte]);
                return Ok(Some(byte));
            }
            Ok(None) if self.left == 0 => return self.check_text().map(|()| None),
            Ok(Some(_)) => PayloadError::TooLong { expected },
            Ok(None) => PayloadError::TooShort { expected, found: expected - self.left },
            Err(cause) => cause,
        };
        Err(DecodeError::Payload { block: self.block.number, cause })
    }

    fn check_text(&self) -> Result<(), DecodeError> {
        let (expected, found) = (self.block.text_checksum, self.checksum.value());
        if found == expected {
            Ok(())
        } else {
            Err(DecodeError::TextChecksum { block: self.block.number, expected, found })
        }
    }
}

impl Iterator for BlockText<'_, '_, '_> {
    type Item = Result<u8, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.advance().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}
