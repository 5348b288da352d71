//! The blocks of a stream in order, and what is missing between them.
//!
//! Invariant: block numbers only grow. After damage, reading goes on at the next block that the index names, where
//! the index could be read beforehand, and otherwise at the next intact block header that is found.

use std::io::Read;

use anyhow::{Context, Result};
use equalinfo_codec::container::{BlockHeader, END_MARKER, Header, Index, IndexBuilder, IndexEntry, Trailer};
use equalinfo_codec::error::{DecodeError, Part};

use super::index_map::IndexMap;
use super::read::Loss;
use super::source::Source;

/// What comes next in a stream.
pub enum Event {
    /// A block with an intact header.
    Block {
        block: BlockHeader,
        payload: Vec<u8>,
        /// Where its text begins, if that is known.
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
    header: Header,
    map: Option<IndexMap>,
    /// Describes the blocks so far, unless one was lost.
    index: Option<IndexBuilder>,
    entries: Vec<IndexEntry>,
    start: usize,
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
    /// The blocks that follow `start` bytes of header and table.
    pub fn new(source: &'a mut Source<R>, header: &Header, start: usize, map: Option<IndexMap>) -> Self {
        Self {
            source,
            header: *header,
            map,
            index: Some(IndexBuilder::new(header, start)),
            entries: Vec::new(),
            start,
            next: 0,
            text_offset: Some(0),
            state: State::Blocks,
        }
    }

    /// Whether the stream's end was found, so that the input may go on with another stream.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    fn read(&mut self) -> Result<Option<Event>> {
        let ahead = self.source.peek(BlockHeader::LENGTH).context("cannot read")?;
        if ahead.starts_with(&END_MARKER) {
            return self.read_end();
        }
        match BlockHeader::parse(ahead, &self.header, self.next) {
            Ok(block) => self.read_block(block).map(Some),
            Err(cause) => self.go_around(cause).map(Some),
        }
    }

    fn read_block(&mut self, block: BlockHeader) -> Result<Event> {
        self.source.take(BlockHeader::LENGTH).context("cannot read")?;
        let payload = self.source.take(block.payload_length as usize).context("cannot read")?;
        let text_offset = self.text_offset;
        self.next = block.number + 1;
        self.text_offset = text_offset.map(|offset| offset + u64::from(block.text_length));
        if payload.len() < block.payload_length as usize {
            self.state = State::Broken;
            return Ok(Event::Loss(Loss {
                blocks: block.number..self.next,
                text_offset,
                length: Some(u64::from(block.text_length)),
                cause: DecodeError::Truncated { part: Part::Payload, block: block.number },
            }));
        }
        if let Some(index) = &mut self.index {
            self.entries.push(index.add(&block));
        }
        Ok(Event::Block { block, payload, text_offset, position: self.source.position() })
    }

    /// Reports what is wrong here and goes to the next block that can be read.
    fn go_around(&mut self, cause: DecodeError) -> Result<Event> {
        let (first, from) = (self.next, self.text_offset);
        self.index = None;
        if let Some(map) = &self.map {
            let here = self.source.position();
            let (number, offset) = map.next_block(here + 1);
            if offset <= here {
                // All blocks have been read and the end marker is not what stands here.
                self.state = State::Broken;
            }
            self.source.skip_to(offset).context("cannot read")?;
            self.text_offset = Some(map.text_offset(number));
            self.next = number.max(first);
        } else {
            match self.source.find_block(&self.header).context("cannot read")? {
                Ok(block) if block.number < first => {
                    // A block from elsewhere: passing over its header is enough to find the next one behind it.
                    self.source.take(BlockHeader::LENGTH).context("cannot read")?;
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
                    self.text_offset = trailer.map(|trailer| trailer.text_length);
                    self.next =
                        trailer.map_or(first.saturating_add(u32::from(!tail.is_empty())), |trailer| trailer.blocks);
                }
            }
        }
        let length = self.text_offset.zip(from).and_then(|(to, from)| to.checked_sub(from));
        Ok(Event::Loss(Loss { blocks: first..self.next, text_offset: from, length, cause }))
    }

    /// Reads the index and compares it with the blocks.
    fn read_end(&mut self) -> Result<Option<Event>> {
        self.source.take(END_MARKER.len()).context("cannot read")?;
        let length = self.next.saturating_sub(1) as usize * IndexEntry::LENGTH + Trailer::LENGTH;
        let end = self.source.take(length).context("cannot read")?;
        self.state = State::Complete;
        let cause = match self.check_end(&end, length) {
            Ok(()) => return Ok(None),
            Err(cause) => cause,
        };
        self.state = State::Broken;
        // Blocks that an intact index counts and that did not come are lost; otherwise only the index is damaged.
        let rest = self.source.take(LONGEST_REST).context("cannot read")?;
        let end = [end, rest].concat();
        let index = Index::parse(&end, self.start).ok().filter(|index| index.blocks() > self.next);
        let blocks = self.next..index.map_or(self.next, |index| index.blocks());
        let length = match index {
            Some(index) => self.text_offset.and_then(|offset| index.text_length().checked_sub(offset)),
            None => Some(0),
        };
        let cause = index.map_or(cause, |index| DecodeError::BlockCount { expected: index.blocks(), found: self.next });
        Ok(Some(Event::Loss(Loss { blocks, text_offset: self.text_offset, length, cause })))
    }

    fn check_end(&self, end: &[u8], length: usize) -> Result<(), DecodeError> {
        if end.len() < length {
            return Err(DecodeError::Truncated { part: Part::Index, block: self.next });
        }
        let index = Index::parse(end, self.start)?;
        if index.blocks() != self.next {
            return Err(DecodeError::BlockCount { expected: index.blocks(), found: self.next });
        }
        // After a loss there is nothing to compare with: the loss has been reported.
        if let Some(built) = &self.index {
            if index.text_length() != built.text_length() {
                let (expected, found) = (index.text_length(), built.text_length());
                return Err(DecodeError::TextLength { expected, found });
            }
            if !index.entries().eq(self.entries.iter().copied()) {
                return Err(DecodeError::IndexContents);
            }
        }
        Ok(())
    }
}

/// How much is read behind a damaged end in search of the trailer.
const LONGEST_REST: usize = 1 << 26;

impl<R: Read> Iterator for BlockReader<'_, R> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Blocks { self.read().transpose() } else { None }
    }
}
