//! [`StreamText`]: the text of a whole stream in memory or flash, by a lexicon and without a buffer.
//!
//! Invariant: unless its last item is an error, every block, the index and the end of the stream were intact.

use super::image::Lexicon;
use super::payload::BlockText;
use crate::checksum::Checksum;
use crate::container::{BlockHeader, DecodeError, END_MARKER, Header, IndexBuilder, Layout, StreamPart, Trailer};

/// The text of a stream, byte by byte. The last item is an error unless every block, the index and the end are intact.
/// The text before the block that the error names is intact.
#[derive(Clone, Debug)]
pub struct StreamText<'l, 'a, 's> {
    lexicon: &'l Lexicon<'a>,
    header: Header,
    start: &'s [u8],
    rest: &'s [u8],
    index: IndexBuilder,
    block: Option<BlockText<'l, 'a, 's>>,
    ended: bool,
}

impl<'a> Lexicon<'a> {
    /// An iterator over the text of a stream.
    ///
    /// # Errors
    /// The header of the stream is damaged, or [`Lexicon::check_stream`] refuses it.
    pub fn stream<'l, 's>(&'l self, stream: &'s [u8]) -> Result<StreamText<'l, 'a, 's>, DecodeError> {
        let (header, length) = Header::parse_with_length(stream)?;
        self.check_stream(&header)?;
        let (start, rest) = stream.split_at_checked(length).unwrap_or_default();
        let index = IndexBuilder::new(&header, start);
        Ok(StreamText { lexicon: self, header, start, rest, index, block: None, ended: false })
    }
}

impl<'s> StreamText<'_, '_, 's> {
    /// The bytes after the part of the stream that has been read; at the end of the text, those after the stream.
    pub fn rest(&self) -> &'s [u8] {
        self.rest
    }

    /// Begins the next block. `false` if the stream has ended and is intact.
    fn begin_block(&mut self) -> Result<bool, DecodeError> {
        let number = self.index.blocks();
        let (block, payload) = if let Layout::One { .. } = self.header.layout {
            match self.header.only_block() {
                Some(block) if number == 0 => (block, self.rest),
                _ => return Ok(false),
            }
        } else {
            if self.rest.starts_with(&END_MARKER) && number > 0 {
                self.check_end()?;
                return Ok(false);
            }
            let block = BlockHeader::parse(self.rest, &self.header, number)?;
            self.header.check_tag_after(Header::before_tag(self.start), &block)?;
            (block, self.rest.get(BlockHeader::LENGTH..).unwrap_or_default())
        };
        self.block = Some(self.lexicon.block(&block, payload)?);
        self.rest = payload.get(block.payload_length as usize..).unwrap_or_default();
        self.index.add(&block);
        Ok(true)
    }

    /// Compares the index and the trailer with the blocks.
    fn check_end(&mut self) -> Result<(), DecodeError> {
        let truncated = DecodeError::Truncated { part: StreamPart::Index, block: self.index.blocks() };
        let found = self.index.trailer();
        let length = usize::try_from(found.index_length()).map_err(|_| truncated)?;
        let end = self.rest.get(END_MARKER.len()..).unwrap_or_default();
        let (start, end) = end.split_at_checked(self.start.len()).ok_or(truncated)?;
        let (entries, end) = end.split_at_checked(length).ok_or(truncated)?;
        let (trailer, rest) = end.split_at_checked(Trailer::LENGTH).ok_or(truncated)?;
        let trailer = Trailer::parse(trailer)?;
        let mut checksum = Checksum::new();
        checksum.update(entries);
        trailer.verify(checksum, crate::checksum::checksum(start))?;
        trailer.agrees_with(&found)?;
        self.rest = rest;
        Ok(())
    }
}

impl Iterator for StreamText<'_, '_, '_> {
    type Item = Result<u8, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            if let Some(item) = self.block.as_mut().and_then(Iterator::next) {
                self.ended = item.is_err();
                return Some(item);
            }
            match self.begin_block() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
