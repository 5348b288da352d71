//! The blocks of a stream in order, and what is missing between them.
//!
//! Invariant: block numbers only grow, and every block has the tag of the stream. After damage, reading goes on at the
//! next block that the index names, where the index could be read beforehand, and otherwise at the next intact header
//! of a block of this stream, looked for from the payload of the block before the damage on.

use std::io::Read;

use equalinfo_codec::container::{BlockHeader, END_MARKER, IndexBuilder, IndexEntry, Layout, Trailer};
use equalinfo_codec::container::{DecodeError, StreamPart};

use super::error::StreamError;
use super::map::{MappedStream, Start};
use super::restored::Loss;
use super::source::Source;

/// What comes next in a stream.
pub enum Event {
    /// A block with an intact header.
    Block {
        block: BlockHeader,
        payload: Vec<u8>,
        /// Where its text begins in that of the stream, if that is known.
        text_offset: Option<u64>,
        /// Where the block ends in the input.
        position: u64,
    },
    /// Damage.
    Loss(Loss),
}

impl Event {
    /// A block's header and payload.
    pub fn block(&self) -> Option<(&BlockHeader, &[u8])> {
        match self {
            Self::Block { block, payload, .. } => Some((block, payload)),
            Self::Loss(_) => None,
        }
    }
}

/// Reads the blocks of one stream.
pub struct BlockReader<'a, R> {
    source: &'a mut Source<R>,
    start: &'a Start,
    map: Option<&'a MappedStream>,
    /// Describes the blocks so far, unless one was lost.
    index: Option<IndexBuilder>,
    entries: Vec<u8>,
    /// The number of the next block.
    next: u32,
    /// Where its text begins; unknown after a loss of unknown length.
    text_offset: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Blocks,
    /// The end was found where it belongs.
    Complete,
    /// The input ended first, or cannot be made sense of.
    Broken,
}

impl<'a, R: Read> BlockReader<'a, R> {
    /// The blocks of a stream, whose beginning has been read or, where `is_displaced`, has not been found.
    pub fn new(source: &'a mut Source<R>, start: &'a Start, is_displaced: bool, map: Option<&'a MappedStream>) -> Self {
        let index = (!is_displaced).then(|| IndexBuilder::new(&start.header, &start.to_bytes()));
        Self { source, start, map, index, entries: Vec::new(), next: 0, text_offset: Some(0), state: State::Blocks }
    }

    /// Whether the stream's end was found, so that the input may go on with another stream.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// The blocks that were found or are known to be missing.
    pub fn blocks(&self) -> u32 {
        self.next
    }

    fn read(&mut self) -> Result<Option<Event>, StreamError> {
        if let Layout::One { .. } = self.start.header.layout {
            return self.read_only_block();
        }
        let ahead = self.source.peek(BlockHeader::LENGTH).map_err(StreamError::input("read"))?.to_vec();
        if ahead.is_empty() {
            return Ok(Some(self.ended(DecodeError::Truncated { part: StreamPart::BlockHeader, block: self.next })));
        }
        if ahead.starts_with(&END_MARKER) {
            return self.read_end();
        }
        match self.credible(&ahead, self.next) {
            Ok(block) => self.read_block(block).map(Some),
            Err(cause) => self.go_around(cause).map(Some),
        }
    }

    /// The header of block `expected`, as the index, where it is known, has it.
    fn credible(&self, bytes: &[u8], expected: u32) -> Result<BlockHeader, DecodeError> {
        let block = BlockHeader::parse(bytes, &self.start.header, expected)?;
        self.start.header.check_tag(&block)?;
        match self.map.and_then(|map| map.entries.get(expected as usize)) {
            Some(entry) if entry.block != block => Err(DecodeError::IndexContents),
            _ => Ok(block),
        }
    }

    fn read_only_block(&mut self) -> Result<Option<Event>, StreamError> {
        self.state = State::Complete;
        let Some(block) = self.start.header.only_block() else { return Ok(None) };
        self.next = 1;
        let payload = self.source.take(block.payload_length as usize).map_err(StreamError::input("read"))?;
        if payload.len() < block.payload_length as usize {
            self.state = State::Broken;
            let cause = DecodeError::Truncated { part: StreamPart::Payload, block: 0 };
            return Ok(Some(Event::Loss(Loss { blocks: 0..1, ..self.loss(Some(block.text_length.into()), cause) })));
        }
        Ok(Some(Event::Block { block, payload, text_offset: Some(0), position: self.source.position() }))
    }

    fn read_block(&mut self, block: BlockHeader) -> Result<Event, StreamError> {
        self.source.take(BlockHeader::LENGTH).map_err(StreamError::input("read"))?;
        let payload = self.source.take(block.payload_length as usize).map_err(StreamError::input("read"))?;
        if let Some(event) = self.displaced(&block, &payload)? {
            return Ok(event);
        }
        let text_offset = self.text_offset;
        self.next = block.number + 1;
        self.text_offset = text_offset.map(|offset| offset + u64::from(block.text_length));
        if payload.len() < block.payload_length as usize {
            self.state = State::Broken;
            let cause = DecodeError::Truncated { part: StreamPart::Payload, block: block.number };
            let loss = Loss {
                blocks: block.number..self.next,
                text_offset,
                length: Some(u64::from(block.text_length)),
                is_open: true,
                cause,
            };
            return Ok(Event::Loss(loss));
        }
        if let Some(index) = &mut self.index {
            index.add(&block);
            self.entries.extend(IndexEntry::to_bytes(&block));
        }
        Ok(Event::Block { block, payload, text_offset, position: self.source.position() })
    }

    /// Where bytes are missing from a payload, the block behind it begins within what was taken for the payload: gives
    /// the rest back and reports the loss.
    fn displaced(&mut self, block: &BlockHeader, payload: &[u8]) -> Result<Option<Event>, StreamError> {
        let next = self.source.peek(BlockHeader::LENGTH).map_err(StreamError::input("read"))?;
        let follows = next.starts_with(&END_MARKER)
            || BlockHeader::parse(next, &self.start.header, block.number.wrapping_add(1)).is_ok();
        if follows || self.map.is_some() {
            return Ok(None);
        }
        let bytes = [payload, next].concat();
        let found = equalinfo_codec::container::find_block(&bytes, &self.start.header, 0);
        let Some((offset, _)) = found.filter(|(offset, found)| *offset < payload.len() && found.number > block.number)
        else {
            return Ok(None);
        };
        self.source.give_back(payload[offset..].to_vec());
        let text_offset = self.text_offset;
        (self.next, self.index) = (block.number + 1, None);
        self.text_offset = text_offset.map(|offset| offset + u64::from(block.text_length));
        let cause = DecodeError::Truncated { part: StreamPart::Payload, block: block.number };
        Ok(Some(Event::Loss(Loss {
            blocks: block.number..self.next,
            text_offset,
            length: Some(u64::from(block.text_length)),
            is_open: false,
            cause,
        })))
    }

    fn loss(&self, length: Option<u64>, cause: DecodeError) -> Loss {
        Loss { blocks: self.next..self.next, text_offset: self.text_offset, length, is_open: false, cause }
    }

    /// The input is at its end, and the stream is not.
    fn ended(&mut self, cause: DecodeError) -> Event {
        self.state = State::Broken;
        Event::Loss(Loss { is_open: true, ..self.loss(None, cause) })
    }

    /// Reports what is wrong here and goes to the next block that can be read.
    fn go_around(&mut self, cause: DecodeError) -> Result<Event, StreamError> {
        let (first, from) = (self.next, self.text_offset);
        let mut is_open = false;
        self.index = None;
        if let Some(map) = self.map {
            let here = self.source.position();
            let (number, offset) = map.next_block(here + 1);
            if offset <= here {
                // All blocks have been read and the end marker is not what stands here.
                self.state = State::Broken;
            }
            self.source.skip_to(offset).map_err(StreamError::input("read"))?;
            self.text_offset = Some(map.text_offset(number));
            self.next = number.max(first);
        } else {
            match self.source.find_block(&self.start.header).map_err(StreamError::input("read"))? {
                Ok(block) if block.number < first => {
                    // A block that was there before: passing over its header is enough to find the next one behind it.
                    self.source.take(BlockHeader::LENGTH).map_err(StreamError::input("read"))?;
                }
                Ok(block) => {
                    self.next = block.number;
                    if block.number > first {
                        self.text_offset = None;
                    }
                }
                Err(tail) => {
                    self.state = State::Broken;
                    // The trailer, if it can be read, knows how much there was.
                    let trailer = Trailer::parse(&tail).ok().filter(|trailer| trailer.blocks >= first);
                    is_open = trailer.is_none();
                    self.text_offset = trailer.map(|trailer| trailer.text_length);
                    self.next =
                        trailer.map_or(first.saturating_add(u32::from(!tail.is_empty())), |trailer| trailer.blocks);
                }
            }
        }
        let length = self.text_offset.zip(from).and_then(|(to, from)| to.checked_sub(from));
        Ok(Event::Loss(Loss { blocks: first..self.next, text_offset: from, length, is_open, cause }))
    }

    /// Reads the end and compares it with the blocks.
    fn read_end(&mut self) -> Result<Option<Event>, StreamError> {
        let expected = Trailer { start: self.start.length as u32, blocks: self.next, text_length: 0, checksum: 0 };
        let length = expected.end_length() as usize;
        let end = self.source.take(length).map_err(StreamError::input("read"))?;
        let cause = match self.check_end(&end, length) {
            Ok(()) => {
                self.state = State::Complete;
                return Ok(None);
            }
            Err(cause) => cause,
        };
        self.state = State::Broken;
        // Blocks that an intact index counts and that did not come are lost; otherwise only the end is damaged.
        self.source.give_back(end);
        let rest = self.source.peek(LONGEST_END).map_err(StreamError::input("read"))?;
        let known = self.map.map(|map| (map.entries.len() as u32, map.text_length)).or_else(|| end_of(rest));
        let Some((blocks, text_length)) = known.filter(|&(blocks, _)| blocks > self.next) else {
            let is_open = matches!(cause, DecodeError::Truncated { .. });
            let length = if is_open { None } else { Some(0) };
            return Ok(Some(Event::Loss(Loss { is_open, ..self.loss(length, cause) })));
        };
        let (first, from) = (self.next, self.text_offset);
        self.next = blocks;
        let length = from.and_then(|from| text_length.checked_sub(from));
        let cause = DecodeError::BlockCount { expected: blocks, found: first };
        Ok(Some(Event::Loss(Loss { blocks: first..blocks, text_offset: from, length, is_open: false, cause })))
    }

    fn check_end(&self, end: &[u8], length: usize) -> Result<(), DecodeError> {
        if end.len() < length {
            return Err(DecodeError::Truncated { part: StreamPart::Index, block: self.next });
        }
        // After a loss there is nothing to compare with: the loss has been reported.
        let Some(built) = &self.index else { return equalinfo_codec::container::Index::parse(end).map(|_| ()) };
        let trailer = Trailer::parse(end)?;
        let built = built.trailer();
        if trailer.blocks != built.blocks {
            return Err(DecodeError::BlockCount { expected: trailer.blocks, found: built.blocks });
        }
        if trailer.text_length != built.text_length {
            let (expected, found) = (trailer.text_length, built.text_length);
            return Err(DecodeError::TextLength { expected, found });
        }
        let index = equalinfo_codec::container::Index::parse(end)?;
        let same =
            index.entries().flat_map(|entry| IndexEntry::to_bytes(&entry.block)).eq(self.entries.iter().copied());
        if *index.header() == self.start.header && same && trailer == built {
            Ok(())
        } else {
            Err(DecodeError::IndexContents)
        }
    }
}

/// How much is read behind a damaged end in search of the trailer.
const LONGEST_END: usize = 1 << 26;

/// The blocks and the bytes of text that the intact end at the end of these bytes counts.
fn end_of(bytes: &[u8]) -> Option<(u32, u64)> {
    let index = equalinfo_codec::container::Index::parse(bytes).ok()?;
    Some((index.blocks(), index.text_length()))
}

impl<R: Read> Iterator for BlockReader<'_, R> {
    type Item = Result<Event, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Blocks { self.read().transpose() } else { None }
    }
}
