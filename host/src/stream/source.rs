//! A stream's bytes as they arrive, with as much look-ahead as a search for the next intact block needs.

use std::io::{self, Read};

use equalinfo_codec::container::{BlockHeader, Header, find_block};

/// Bytes read at a time while searching.
const SEARCH: usize = 1 << 16;

/// A reader with look-ahead that knows its position.
pub struct Source<R> {
    reader: R,
    ahead: Vec<u8>,
    position: u64,
}

impl<R: Read> Source<R> {
    /// At the start of a stream.
    pub fn new(reader: R) -> Self {
        Self { reader, ahead: Vec::new(), position: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next `length` bytes, or fewer at the end of the input, without consuming them.
    pub fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        if let Some(missing) = length.checked_sub(self.ahead.len()) {
            (&mut self.reader).take(missing as u64).read_to_end(&mut self.ahead)?;
        }
        Ok(&self.ahead[..length.min(self.ahead.len())])
    }

    /// Consumes and returns the next `length` bytes, or fewer at the end of the input.
    pub fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.peek(length)?;
        let rest = self.ahead.split_off(length.min(self.ahead.len()));
        let taken = std::mem::replace(&mut self.ahead, rest);
        self.position += taken.len() as u64;
        Ok(taken)
    }

    /// Gives back the bytes that were taken last.
    pub fn give_back(&mut self, mut bytes: Vec<u8>) {
        self.position -= bytes.len() as u64;
        bytes.append(&mut self.ahead);
        self.ahead = bytes;
    }

    /// Goes to `position`, which is not behind.
    pub fn skip_to(&mut self, position: u64) -> io::Result<()> {
        while self.position < position {
            let step = (position - self.position).min(SEARCH as u64) as usize;
            if self.take(step)?.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Goes to the next intact header of a block of this stream, this position included; at the end of the input there
    /// is none, and the last bytes are returned, in which a trailer may stand.
    pub fn find_block(&mut self, header: &Header) -> io::Result<Result<BlockHeader, Vec<u8>>> {
        loop {
            let ahead = self.peek(SEARCH)?;
            let at_end = ahead.len() < SEARCH;
            if let Some((offset, block)) = find_block(ahead, header, 0) {
                self.take(offset)?;
                return Ok(Ok(block));
            }
            if at_end {
                return self.take(SEARCH).map(Err);
            }
            self.take(SEARCH - (BlockHeader::LENGTH - 1))?;
        }
    }
}
