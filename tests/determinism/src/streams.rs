//! Whole streams in a buffer of fixed size, written and read back.
//!
//! The functions are kept apart for the stack's sake: it then holds what one of them needs, not the sum.

use equalinfo_codec::container::{
    BlockHeader, BlockKind, Decoder, END_MARKER, Header, IndexBuilder, TABLE_LENGTH, encode_block, write_table,
};
use equalinfo_codec::{ByteModel, Frequencies};

use super::Failure;

/// Blocks of a stream of the suite, at most.
const BLOCKS: usize = 8;

/// A buffer that is written front to back.
struct Output<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let place = self.buffer.get_mut(self.length..self.length + bytes.len()).ok_or(Failure::Room)?;
        place.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }
}

/// What a stream holds.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    /// Bytes of stream.
    pub(crate) length: usize,
    /// Blocks that the method made smaller.
    pub(crate) coded: usize,
}

/// Writes `text` as a stream; `table` are the frequencies of method `static-ac`.
#[inline(never)]
pub(crate) fn write(
    model: &mut impl ByteModel,
    header: &Header,
    table: Option<&Frequencies>,
    text: &[u8],
    buffer: &mut [u8],
) -> Result<Written, Failure> {
    let mut output = Output { buffer, length: 0 };
    output.put(&header.to_bytes())?;
    if let Some(table) = table {
        put_table(&mut output, table)?;
    }
    let mut index = IndexBuilder::new(header, output.length);
    let mut entries = [None; BLOCKS];
    let mut coded = 0;
    let blocks = text.chunks(header.block_size as usize);
    if blocks.len() > BLOCKS {
        return Err(Failure::Room);
    }
    for ((number, text), entry) in (0..).zip(blocks).zip(&mut entries) {
        let room = output.buffer.get_mut(output.length..).ok_or(Failure::Room)?;
        let block = encode_block(model, header, number, text, room)?;
        output.length += BlockHeader::LENGTH + block.payload_length as usize;
        coded += usize::from(block.kind == BlockKind::Coded);
        *entry = Some(index.add(&block));
    }
    output.put(&END_MARKER)?;
    // The index leaves out the first block, which is where the stream's header ends.
    for entry in entries.iter().skip(1).flatten() {
        output.put(&entry.to_bytes())?;
    }
    output.put(&index.trailer().to_bytes())?;
    Ok(Written { length: output.length, coded })
}

#[inline(never)]
fn put_table(output: &mut Output, table: &Frequencies) -> Result<(), Failure> {
    let mut bytes = [0; TABLE_LENGTH];
    let length = write_table(table, &mut bytes);
    output.put(&bytes[..length])
}

/// Reads a stream in pieces, through smaller ones than any part of it, and compares its text.
#[inline(never)]
pub(crate) fn read(model: impl ByteModel, header: &Header, stream: &[u8], text: &[u8]) -> Result<(), Failure> {
    let mut decoder = Decoder::new(model, header.model);
    let (mut rest, mut expected) = (stream, text);
    let mut output = [0; 5];
    loop {
        let progress = decoder.decode(rest.get(..7).unwrap_or(rest), &mut output)?;
        expected = expected.strip_prefix(&output[..progress.written]).ok_or(Failure::RoundTrip)?;
        rest = &rest[progress.consumed..];
        if progress.consumed == 0 && progress.written == 0 {
            break;
        }
    }
    decoder.finish()?;
    if rest.is_empty() && expected.is_empty() { Ok(()) } else { Err(Failure::RoundTrip) }
}
