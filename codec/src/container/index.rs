//! The end of a stream: where its blocks are, and how much there was.
//!
//! Invariant: the index follows from the header and the block headers alone. Writers and readers compute it with the
//! same [`IndexBuilder`], so a reader that has seen the blocks knows every bit of it.

use super::block::BlockHeader;
use super::checksum::Checksum;
use super::header::{Header, Method};
use crate::error::{DecodeError, Part};

/// What stands in the place of a block's marker after the last block.
pub const END_MARKER: [u8; 4] = *b"\xfeEQE";

const END_MAGIC: [u8; 4] = *b"IQE\x93";

/// Where a block is. That of block 0 is not written, as it follows from the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct IndexEntry {
    /// The offset of its header from the start of the stream.
    pub offset: u64,
    /// The offset of its text in the whole text.
    pub text_offset: u64,
    /// The number of its first window: the number of windows before it.
    pub first_window: u64,
}

impl IndexEntry {
    /// Its length in a stream.
    pub const LENGTH: usize = 24;

    /// Its bytes in the index.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let fields = [self.offset, self.text_offset, self.first_window];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            for (place, byte) in place.iter_mut().zip(field.to_le_bytes()) {
                *place = byte;
            }
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let field = |start: usize| {
            bytes.get(start..).and_then(<[u8]>::first_chunk).map_or(0, |&field| u64::from_le_bytes(field))
        };
        Self { offset: field(0), text_offset: field(8), first_window: field(16) }
    }
}

/// Computes the index and the trailer while blocks are written or read.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    method: Method,
    next: IndexEntry,
    blocks: u32,
    checksum: Checksum,
}

impl IndexBuilder {
    /// For a stream whose first block begins after `start` bytes of header and table.
    pub fn new(header: &Header, start: usize) -> Self {
        let next = IndexEntry { offset: start as u64, text_offset: 0, first_window: 0 };
        Self { method: header.method, next, blocks: 0, checksum: Checksum::new() }
    }

    /// Accounts for the next block, and returns where it is. The entries of all blocks but the first are the index,
    /// between the end marker and the trailer.
    pub fn add(&mut self, block: &BlockHeader) -> IndexEntry {
        let entry = self.next;
        if self.blocks > 0 {
            // Field by field: a device with little memory need not hold all of its bytes.
            for field in [entry.offset, entry.text_offset, entry.first_window] {
                self.checksum.update(&field.to_le_bytes());
            }
        }
        self.next = IndexEntry {
            offset: entry.offset.wrapping_add(block.stream_length()),
            text_offset: entry.text_offset.wrapping_add(u64::from(block.text_length)),
            first_window: entry.first_window.wrapping_add(u64::from(block.windows(self.method))),
        };
        self.blocks = self.blocks.wrapping_add(1);
        entry
    }

    /// Blocks so far: the number of the next one.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Bytes of text so far.
    pub fn text_length(&self) -> u64 {
        self.next.text_offset
    }

    /// Windows so far.
    pub fn windows(&self) -> u64 {
        self.next.first_window
    }

    /// Bytes of the stream so far: where the next block or the end begins.
    pub fn offset(&self) -> u64 {
        self.next.offset
    }

    /// The trailer that ends the stream.
    pub fn trailer(&self) -> Trailer {
        let mut trailer = Trailer { blocks: self.blocks, text_length: self.next.text_offset, checksum: 0 };
        trailer.checksum = trailer.checked(self.checksum.clone());
        trailer
    }
}

/// The last bytes of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Trailer {
    /// The number of blocks.
    pub blocks: u32,
    /// Bytes of text in all of them.
    pub text_length: u64,
    /// The checksum of the index and of the two fields above.
    pub checksum: u32,
}

impl Trailer {
    /// Its length in a stream.
    pub const LENGTH: usize = 20;

    /// The last bytes of a stream.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let [b0, b1, b2, b3] = self.blocks.to_le_bytes();
        let [l0, l1, l2, l3, l4, l5, l6, l7] = self.text_length.to_le_bytes();
        let [c0, c1, c2, c3] = self.checksum.to_le_bytes();
        let [m0, m1, m2, m3] = END_MAGIC;
        [b0, b1, b2, b3, l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3, m0, m1, m2, m3]
    }

    /// Reads the end of a stream, whatever comes before. The checksum is compared when the index is read.
    pub fn parse(end: &[u8]) -> Result<Self, DecodeError> {
        let truncated = DecodeError::Truncated { part: Part::Index, block: 0 };
        let bytes: &[u8; Self::LENGTH] = end.last_chunk().ok_or(truncated)?;
        let &[b0, b1, b2, b3, l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3, m0, m1, m2, m3] = bytes;
        if [m0, m1, m2, m3] != END_MAGIC {
            return Err(DecodeError::NoEnd { found: [m0, m1, m2, m3] });
        }
        Ok(Self {
            blocks: u32::from_le_bytes([b0, b1, b2, b3]),
            text_length: u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// Bytes of index before it.
    pub fn index_length(&self) -> u64 {
        u64::from(self.blocks.saturating_sub(1)) * IndexEntry::LENGTH as u64
    }

    /// Compares what a stream says of itself with what it turned out to be.
    pub(crate) fn agrees_with(&self, found: &Self) -> Result<(), DecodeError> {
        if self.blocks != found.blocks {
            return Err(DecodeError::BlockCount { expected: self.blocks, found: found.blocks });
        }
        if self.text_length != found.text_length {
            return Err(DecodeError::TextLength { expected: self.text_length, found: found.text_length });
        }
        if self.checksum != found.checksum {
            return Err(DecodeError::IndexContents);
        }
        Ok(())
    }

    /// The checksum of an index and this trailer's fields.
    fn checked(&self, mut index: Checksum) -> u32 {
        index.update(&self.blocks.to_le_bytes());
        index.update(&self.text_length.to_le_bytes());
        index.value()
    }

    /// Compares the checksum with that of the index that was read.
    pub(crate) fn verify(&self, index: Checksum) -> Result<(), DecodeError> {
        let found = self.checked(index);
        if self.checksum == found { Ok(()) } else { Err(DecodeError::IndexChecksum { expected: self.checksum, found }) }
    }
}

/// The index of a complete stream.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    entries: &'a [u8],
    first: IndexEntry,
    trailer: Trailer,
}

impl<'a> Index<'a> {
    /// Reads the index from the end of a stream whose first block begins after `start` bytes. `end` holds at least
    /// the index and the trailer; [`Trailer::index_length`] says how long that is.
    pub fn parse(end: &'a [u8], start: usize) -> Result<Self, DecodeError> {
        let trailer = Trailer::parse(end)?;
        let truncated = DecodeError::Truncated { part: Part::Index, block: trailer.blocks };
        let before = end.len() - Trailer::LENGTH;
        let length = usize::try_from(trailer.index_length()).map_err(|_| truncated)?;
        let index_start = before.checked_sub(length).ok_or(truncated)?;
        let entries = end.get(index_start..before).ok_or(truncated)?;
        let mut checksum = Checksum::new();
        checksum.update(entries);
        trailer.verify(checksum)?;
        Ok(Self { entries, first: IndexEntry { offset: start as u64, text_offset: 0, first_window: 0 }, trailer })
    }

    /// Its length in the stream, with the trailer.
    pub fn length(&self) -> u64 {
        self.trailer.index_length() + Trailer::LENGTH as u64
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u32 {
        self.trailer.blocks
    }

    /// Bytes of text in all blocks.
    pub fn text_length(&self) -> u64 {
        self.trailer.text_length
    }

    /// Where a block is.
    pub fn entry(&self, block: u32) -> Option<IndexEntry> {
        if block >= self.trailer.blocks {
            return None;
        }
        let Some(written) = block.checked_sub(1) else { return Some(self.first) };
        let start = (written as usize).checked_mul(IndexEntry::LENGTH)?;
        Some(IndexEntry::from_bytes(self.entries.get(start..)?.first_chunk()?))
    }

    /// Where all blocks are, in order.
    pub fn entries(&self) -> impl Iterator<Item = IndexEntry> + 'a {
        let index = *self;
        (0..index.trailer.blocks).map_while(move |block| index.entry(block))
    }

    /// The block that holds the byte at `offset` of the text.
    pub fn block_of_text(&self, offset: u64) -> Option<u32> {
        if offset < self.trailer.text_length { self.last_block(|entry| entry.text_offset <= offset) } else { None }
    }

    /// The block that holds a window, if any does.
    pub fn block_of_window(&self, window: u64) -> Option<u32> {
        self.last_block(|entry| entry.first_window <= window)
    }

    /// The last block whose entry satisfies `holds`, which is true of all before it.
    fn last_block(&self, holds: impl Fn(&IndexEntry) -> bool) -> Option<u32> {
        let (mut first, mut count) = (0u32, self.trailer.blocks);
        while count > 0 {
            let half = count / 2;
            if self.entry(first + half).is_some_and(|entry| holds(&entry)) {
                first += half + 1;
                count -= half + 1;
            } else {
                count = half;
            }
        }
        first.checked_sub(1)
    }
}
