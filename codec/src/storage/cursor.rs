//! [`Cursor`]: a range of storage, read in order through a buffer.
//!
//! Invariant: no byte outside of the range is read, and none twice unless the cursor goes back.

use super::Storage;
use core::ops::Range;

/// Reads storage in order, `BUFFER` bytes at a time.
#[derive(Clone, Debug)]
pub struct Cursor<S, const BUFFER: usize> {
    storage: S,
    /// Where the buffer's contents end in the storage, and where the range does.
    next: u32,
    end: u32,
    buffer: [u8; BUFFER],
    /// What of the buffer has not been consumed: `start..filled`.
    start: usize,
    filled: usize,
}

impl<S: Storage, const BUFFER: usize> Cursor<S, BUFFER> {
    /// A cursor at the start of a range of the storage.
    pub fn new(storage: S, range: Range<u32>) -> Self {
        const { assert!(BUFFER > 0, "the buffer must hold at least one byte") };
        Self { storage, next: range.start, end: range.end, buffer: [0; BUFFER], start: 0, filled: 0 }
    }

    /// Goes to the start of another range. Nothing is read before it is asked for, and everything is read anew.
    pub fn seek(&mut self, range: Range<u32>) {
        (self.next, self.end, self.start, self.filled) = (range.start, range.end, 0, 0);
    }

    /// The offset in the storage of the byte that is next.
    pub fn position(&self) -> u32 {
        self.next.wrapping_sub((self.filled - self.start) as u32)
    }

    /// The storage.
    pub fn storage(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Returns the storage.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Whether the range has been consumed.
    pub fn is_at_end(&self) -> bool {
        self.start == self.filled && self.next >= self.end
    }

    /// The bytes that are next, of which some are read if none is in the buffer; empty at the end of the range.
    ///
    /// # Errors
    /// The storage fails.
    pub fn fill(&mut self) -> Result<&[u8], S::Error> {
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
            let left = self.end.saturating_sub(self.next) as usize;
            let place = self.buffer.get_mut(..left.min(BUFFER)).unwrap_or_default();
            if !place.is_empty() {
                self.storage.read(self.next, place)?;
                self.filled = place.len();
                self.next = self.next.wrapping_add(place.len() as u32);
            }
        }
        Ok(self.buffer.get(self.start..self.filled).unwrap_or_default())
    }

    /// Takes so many of the bytes that [`Self::fill`] gave.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.filled);
    }

    /// The next byte; `None` at the end of the range.
    ///
    /// # Errors
    /// The storage fails.
    pub fn byte(&mut self) -> Result<Option<u8>, S::Error> {
        let byte = self.fill()?.first().copied();
        self.consume(1);
        Ok(byte)
    }

    /// Fills the start of `bytes` as far as the range goes, and returns the part filled.
    ///
    /// # Errors
    /// The storage fails.
    pub fn take<'b>(&mut self, bytes: &'b mut [u8]) -> Result<&'b [u8], S::Error> {
        let mut count = 0;
        for place in &mut *bytes {
            let Some(byte) = self.byte()? else { break };
            *place = byte;
            count += 1;
        }
        Ok(bytes.get(..count).unwrap_or_default())
    }

    /// Passes all bytes that are left of the range to `out`, in pieces.
    ///
    /// # Errors
    /// The storage fails.
    pub fn for_each_piece(&mut self, mut out: impl FnMut(&[u8])) -> Result<(), S::Error> {
        loop {
            let piece = self.fill()?;
            let count = piece.len();
            if count == 0 {
                return Ok(());
            }
            out(piece);
            self.consume(count);
        }
    }
}
