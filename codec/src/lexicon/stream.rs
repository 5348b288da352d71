//! [`StreamText`]: a whole stream in memory or flash to its text, with a lexicon and without a buffer.

use super::image::Lexicon;
use super::payload::BlockText;
use crate::container::checksum::Checksum;
use crate::container::{BlockHeader, END_MARKER, Header, IndexBuilder, Trailer};
use crate::error::{DecodeError, Part};

/// The text of a stream. The last item is an error unless every block, the index and the end are intact; bytes of
/// blocks before the one that it names are.
#[derive(Clone, Debug)]
pub struct StreamText<'l, 'a, 's> {
    lexicon: &'l Lexicon<'a>,
    block_size: u32,
    rest: &'s [u8],
    index: IndexBuilder,
    block: Option<BlockText<'l, 'a, 's>>,
    ended: bool,
}

impl<'a> Lexicon<'a> {
    /// The text of a stream, byte by byte.
    ///
    /// # Errors
    /// The header is damaged or is that of a stream of something else, as [`Lexicon::check_stream`] says.
    pub fn stream<'l, 's>(&'l self, stream: &'s [u8]) -> Result<StreamText<'l, 'a, 's>, DecodeError> {
        let header = Header::parse(stream)?;
        self.check_stream(&header)?;
        Ok(StreamText {
            lexicon: self,
            block_size: header.block_size,
            rest: stream.get(Header::LENGTH..).unwrap_or_default(),
            index: IndexBuilder::new(&header, Header::LENGTH),
            block: None,
            ended: false,
        })
    }
}

impl<'s> StreamText<'_, '_, 's> {
    /// What follows the part of the stream that has been read: after the text, what follows the stream.
    pub fn rest(&self) -> &'s [u8] {
        self.rest
    }

    /// Begins the next block. `false`: the stream has ended, intact.
    fn begin_block(&mut self) -> Result<bool, DecodeError> {
        if self.rest.starts_with(&END_MARKER) {
            self.check_end()?;
            return Ok(false);
        }
        let number = self.index.blocks();
        let block = BlockHeader::parse_sized(self.rest, self.block_size, number)?;
        let payload = self.rest.get(BlockHeader::LENGTH..).unwrap_or_default();
        self.block = Some(self.lexicon.block(&block, payload)?);
        self.rest = payload.get(block.payload_length as usize..).unwrap_or_default();
        self.index.add(&block);
        Ok(true)
    }

    /// Compares the index and the trailer with the blocks.
    fn check_end(&mut self) -> Result<(), DecodeError> {
        let truncated = DecodeError::Truncated { part: Part::Index, block: self.index.blocks() };
        let found = self.index.trailer();
        let length = usize::try_from(found.index_length()).map_err(|_| truncated)?;
        let end = self.rest.get(END_MARKER.len()..).unwrap_or_default();
        let (entries, end) = end.split_at_checked(length).ok_or(truncated)?;
        let (trailer, rest) = end.split_at_checked(Trailer::LENGTH).ok_or(truncated)?;
        let trailer = Trailer::parse(trailer)?;
        let mut checksum = Checksum::new();
        checksum.update(entries);
        trailer.verify(checksum)?;
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
