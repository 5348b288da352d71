//! [`Stream`]: a complete stream in memory (or flash, or a mapped file), any block or window of it on its own.

use super::block::{BlockHeader, BlockKind, decode_block};
use super::header::{Header, Method};
use super::index::{END_MARKER, Index};
use super::table::parse_table;
use crate::byte_model::{ByteModel, StaticModel};
use crate::error::{DecodeError, Part};
use crate::frequencies::Frequencies;
use crate::window::decode_window;

/// A complete stream. Opening reads both ends; a block is only looked at when asked for.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    bytes: &'a [u8],
    header: Header,
    table: Option<Frequencies>,
    index: Index<'a>,
}

impl<'a> Stream<'a> {
    /// Reads the header and the index.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let header = Header::parse(bytes)?;
        let mut start = Header::LENGTH;
        let mut table = None;
        if header.method == Method::StaticAc {
            let (frequencies, length) = parse_table(bytes.get(start..).unwrap_or_default())?;
            start += length;
            table = Some(frequencies);
        }
        let after_start = bytes.get(start..).unwrap_or_default();
        let index = Index::parse(after_start, start)?;
        let length = END_MARKER.len() as u64 + index.length();
        let marker_at = (after_start.len() as u64).checked_sub(length).and_then(|at| usize::try_from(at).ok());
        let marker = marker_at
            .and_then(|at| after_start.get(at..)?.first_chunk())
            .ok_or(DecodeError::Truncated { part: Part::Index, block: index.blocks() })?;
        if *marker != END_MARKER {
            return Err(DecodeError::NoBlock { block: index.blocks(), found: *marker });
        }
        Ok(Self { bytes, header, table, index })
    }

    /// How the blocks are coded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frequencies of a stream of method `static-ac`.
    pub fn table(&self) -> Option<&Frequencies> {
        self.table.as_ref()
    }

    /// Where the blocks are.
    pub fn index(&self) -> &Index<'a> {
        &self.index
    }

    /// The header and the payload of a block.
    pub fn block(&self, number: u32) -> Result<(BlockHeader, &'a [u8]), DecodeError> {
        let expected = self.index.blocks();
        let entry = self.index.entry(number).ok_or(DecodeError::NoSuchBlock { expected, found: number })?;
        let rest = usize::try_from(entry.offset).ok().and_then(|offset| self.bytes.get(offset..)).unwrap_or_default();
        let block = BlockHeader::parse(rest, &self.header, number)?;
        let payload = rest.get(BlockHeader::LENGTH..).and_then(|rest| rest.get(..block.payload_length as usize));
        let payload = payload.ok_or(DecodeError::Truncated { part: Part::Payload, block: number })?;
        Ok((block, payload))
    }

    /// Decodes a block into the start of `output` and returns the length of its text. `model` is the one whose
    /// identity the header gives; `static-ac` needs none, and any will do.
    pub fn decode_block<M: ByteModel>(
        &self,
        model: &mut M,
        number: u32,
        output: &mut [u8],
    ) -> Result<usize, DecodeError> {
        let (block, payload) = self.block(number)?;
        match &self.table {
            Some(table) => decode_block(&mut StaticModel(table.clone()), &self.header, &block, payload, output),
            None => decode_block(model, &self.header, &block, payload, output),
        }?;
        Ok(block.text_length as usize)
    }

    /// The value of a window, by its number in the stream. Stored blocks have no windows.
    pub fn window(&self, number: u64) -> Result<u128, DecodeError> {
        let none = DecodeError::NoSuchWindow { found: number };
        let Method::EqualInfo { bits, .. } = self.header.method else { return Err(none) };
        let block = self.index.block_of_window(number).ok_or(none)?;
        let first = self.index.entry(block).ok_or(none)?.first_window;
        let (block, payload) = self.block(block)?;
        if block.kind == BlockKind::Stored {
            return Err(none);
        }
        let offset = number.checked_sub(first).and_then(|windows| windows.checked_mul(bits.bytes() as u64));
        let window = offset.and_then(|offset| bits.read(payload.get(usize::try_from(offset).ok()?..)?));
        window.ok_or(none)
    }

    /// Decodes one window, by its number in the stream, and returns how many bytes `out` was given.
    pub fn decode_window<M: ByteModel>(
        &self,
        model: &mut M,
        number: u64,
        out: impl FnMut(u8),
    ) -> Result<usize, DecodeError> {
        let none = DecodeError::NoSuchWindow { found: number };
        let Method::EqualInfo { bits, code } = self.header.method else { return Err(none) };
        let context = usize::from(self.header.model.context);
        decode_window(model, bits, code, context, self.window(number)?, out).ok_or(none)
    }
}
