//! Whole streams in one call, for texts that fit in memory.
//!
//! Invariant: [`encode_stream`] writes only streams that [`Decoder`] accepts: it refuses a header that no decoder
//! would read, and stores every block that coding does not shorten.

use core::cell::Cell;
use core::ops::Range;

use super::block::{BlockHeader, encode_block};
use super::decoder::Decoder;
use super::error::DecodeError;
use super::header::{Header, Layout, Method, ModelIdentity};
use super::index::{END_MARKER, IndexBuilder, IndexEntry, Trailer};
use super::table::{TABLE_LENGTH, write_table};
use crate::byte_model::StaticModel;
use crate::frequencies::Frequencies;
use crate::mix::Coder;
use crate::mix::tables::Borrowed;
use crate::raw::{EncodeError, PayloadError};

/// The length in bytes that no stream of a text of `text_length` bytes exceeds, whatever the text and the model.
pub const fn stream_bound(header: &Header, text_length: usize) -> usize {
    let block_size = if header.block_size() == 0 { 1 } else { header.block_size() as usize };
    let table = if matches!(header.method, Method::StaticAc) { TABLE_LENGTH } else { 0 };
    let ends = 2 * (Header::LONGEST + table) + END_MARKER.len() + Trailer::LENGTH;
    let blocks = text_length.div_ceil(block_size).saturating_mul(BlockHeader::LENGTH + IndexEntry::LENGTH);
    text_length.saturating_add(blocks).saturating_add(ends)
}

/// Encodes a text as a whole stream to the start of `output`, and returns the length of the stream. A buffer of
/// [`stream_bound`] bytes is always large enough.
///
/// `coder` must be the one that the header identifies. Method [`StaticAc`](Method::StaticAc) counts the bytes of the
/// text instead and ignores it. A text that fits a block is written as a stream of one block.
///
/// ```
/// use equalinfo_codec::Uniform;
/// use equalinfo_codec::container::{Header, Method, ModelIdentity, decode_stream, encode_stream, stream_bound};
///
/// let text = b"a text that has some letters more often than others".repeat(10);
/// let header = Header::new(Method::StaticAc, ModelIdentity::default(), Default::default(), 256);
/// let mut stream = vec![0; stream_bound(&header, text.len())];
/// let length = encode_stream(&mut Uniform, &header, &text, &mut stream)?;
/// stream.truncate(length);
/// assert!(length < text.len());
///
/// let mut decoded = vec![0; text.len()];
/// assert_eq!(decode_stream(&mut Uniform, header.model, &stream, &mut decoded)?, text.len());
/// assert_eq!(decoded, text);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// The header has a field that no decoder accepts, or `output` is too small.
pub fn encode_stream<C: Coder>(
    coder: &mut C,
    header: &Header,
    text: &[u8],
    output: &mut [u8],
) -> Result<usize, EncodeError> {
    let header = Header { layout: Layout::Blocks { block_size: header.block_size(), tag: 0 }, ..*header };
    if let Some((field, found)) = header.invalid_field() {
        return Err(EncodeError::Header { field, found });
    }
    let mut stream = Output { buffer: output, length: 0 };
    if header.method == Method::StaticAc {
        stream.put_stream_with_table(&header, text)?;
    } else if text.is_empty() {
        stream.put(&Header::empty().to_bytes())?;
    } else {
        stream.put_stream(coder, header, None, text)?;
    }
    Ok(stream.length)
}

/// Decodes a whole stream to the start of `output`, and returns the length of the text, all of which is intact.
///
/// [`Stream::index`](super::Stream::index) tells the length of the text beforehand. For methods without a model any
/// will do. Whatever follows the stream is ignored.
///
/// # Errors
/// The stream is damaged, incomplete or written with a different model, or its text does not fit `output`.
pub fn decode_stream<C: Coder>(
    coder: &mut C,
    identity: ModelIdentity,
    stream: &[u8],
    output: &mut [u8],
) -> Result<usize, DecodeError> {
    let mut decoder = Decoder::new(Borrowed(coder), identity);
    let progress = decoder.decode(stream, output)?;
    // The code may end before its text does.
    let wants_no_input = progress.consumed < stream.len() || decoder.wants_only_room();
    let is_full = progress.written == output.len() && wants_no_input;
    match decoder.finish() {
        Ok(()) => Ok(progress.written),
        Err(DecodeError::Truncated { block, .. }) if is_full => {
            Err(DecodeError::Payload { block, cause: PayloadError::OutputTooSmall { found: output.len() } })
        }
        Err(error) => Err(error),
    }
}

/// Not inlined: the histogram is large, and would take up stack while blocks are encoded.
#[inline(never)]
fn frequencies_of(text: &[u8]) -> Frequencies {
    let mut histogram = [0; 256];
    text.iter().for_each(|&byte| histogram[usize::from(byte)] += 1);
    Frequencies::from_histogram(&histogram)
}

/// Moves a range of bytes, which and whose new place are in the buffer: `copy_within` would bring its panic along.
fn move_within(buffer: &mut [u8], range: Range<usize>, start: usize) {
    let (forwards, length) = (start <= range.start, range.len());
    let bytes = Cell::from_mut(buffer).as_slice_of_cells();
    let from = bytes.get(range).unwrap_or_default();
    let to = bytes.get(start..).and_then(|to| to.get(..length)).unwrap_or_default();
    let moved = to.iter().zip(from);
    if forwards {
        moved.for_each(|(to, from)| to.set(from.get()));
    } else {
        moved.rev().for_each(|(to, from)| to.set(from.get()));
    }
}

/// A buffer that is filled front to back.
struct Output<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let too_small = EncodeError::OutputTooSmall { found: self.buffer.len() };
        let free = self.buffer.get_mut(self.length..).and_then(|free| free.get_mut(..bytes.len()));
        for (place, &byte) in free.ok_or(too_small)?.iter_mut().zip(bytes) {
            *place = byte;
        }
        self.length += bytes.len();
        Ok(())
    }

    /// Not inlined, as the table is large too.
    #[inline(never)]
    fn put_stream_with_table(&mut self, header: &Header, text: &[u8]) -> Result<(), EncodeError> {
        if text.is_empty() {
            return self.put(&Header::empty().to_bytes());
        }
        let mut model = StaticModel(frequencies_of(text));
        let mut table = [0; TABLE_LENGTH];
        let length = write_table(&model.0, &mut table);
        let table = table.get(..length);
        self.put_stream(&mut model, *header, table, text)
    }

    /// Encodes all blocks behind a place for the beginning, which is known when the first block is.
    fn put_stream<C: Coder>(
        &mut self,
        coder: &mut C,
        mut header: Header,
        table: Option<&[u8]>,
        text: &[u8],
    ) -> Result<(), EncodeError> {
        let size = header.block_size().max(1) as usize;
        if text.len() <= size {
            return self.put_one(coder, header, table, text);
        }
        let table = table.unwrap_or_default();
        // The header's length does not depend on its tag.
        let start = header.to_bytes().len() + table.len();
        self.put_zeros(start)?;
        for (number, text) in (0..).zip(text.chunks(size)) {
            let block =
                encode_block(coder, &mut header, number, text, self.free()).map_err(|error| self.sized(error))?;
            self.length += block.stream_length() as usize;
        }
        let end = core::mem::take(&mut self.length);
        self.put(&header.to_bytes())?;
        self.put(table)?;
        self.length = end;
        self.put_end(&header, start)
    }

    /// The stream of one block: its payload is moved behind the header, whose length it decides.
    fn put_one<C: Coder>(
        &mut self,
        coder: &mut C,
        mut header: Header,
        table: Option<&[u8]>,
        text: &[u8],
    ) -> Result<(), EncodeError> {
        let block = encode_block(coder, &mut header, 0, text, self.free()).map_err(|error| self.sized(error))?;
        let one = header.of_one(&block);
        let table = table.filter(|_| one.method == Method::StaticAc).unwrap_or_default();
        let stored = header.of_one(&BlockHeader::stored(0, text)).to_bytes();
        if one.to_bytes().len() + table.len() + block.payload_length as usize >= stored.len() + text.len() {
            // The model's identity, or the frequencies, of a short text take more than they save.
            self.put(&stored)?;
            return self.put(text);
        }
        let start = one.to_bytes().len() + table.len();
        let payload = BlockHeader::LENGTH..BlockHeader::LENGTH + block.payload_length as usize;
        let found = self.buffer.len();
        if start + payload.len() > found {
            return Err(EncodeError::OutputTooSmall { found });
        }
        let length = payload.len();
        move_within(self.buffer, payload, start);
        self.put(&one.to_bytes())?;
        self.put(table)?;
        self.length += length;
        Ok(())
    }

    fn free(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.length..).unwrap_or_default()
    }

    /// An error about this buffer.
    fn sized(&self, error: EncodeError) -> EncodeError {
        match error {
            EncodeError::OutputTooSmall { .. } => EncodeError::OutputTooSmall { found: self.buffer.len() },
            other => other,
        }
    }

    fn put_zeros(&mut self, length: usize) -> Result<(), EncodeError> {
        (0..length).try_for_each(|_| self.put(&[0]))
    }

    /// The end of the stream. Reads the headers of the blocks again, for whose entries there was no place before.
    fn put_end(&mut self, header: &Header, start: usize) -> Result<(), EncodeError> {
        let first_bytes = self.buffer.get(..start).unwrap_or_default();
        let mut blocks = IndexBuilder::new(header, first_bytes);
        let blocks_end = self.length;
        self.put(&END_MARKER)?;
        for at in 0..start {
            let byte = self.buffer.get(at).copied().unwrap_or(0);
            self.put(&[byte])?;
        }
        while (blocks.offset() as usize) < blocks_end {
            let rest = self.buffer.get(blocks.offset() as usize..).unwrap_or_default();
            let Ok(block) = BlockHeader::parse(rest, header, blocks.blocks()) else { break };
            blocks.add(&block);
            self.put(&IndexEntry::to_bytes(&block))?;
        }
        self.put(&blocks.trailer().to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_like_copy_within() {
        for start in 0..=12 {
            for end in start..=12 {
                for to in 0..=12 - (end - start) {
                    let mut found: [u8; 12] = core::array::from_fn(|byte| byte as u8);
                    let mut expected = found;
                    move_within(&mut found, start..end, to);
                    expected.copy_within(start..end, to);
                    assert_eq!(found, expected, "{start}..{end} to {to}");
                }
            }
        }
    }
}
