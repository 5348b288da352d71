//! The end of a stream: its header again, an index of its blocks, and the length of its text.
//!
//! Invariant: the end is a function of the header and the block headers alone. Writers and readers compute it with the
//! same [`IndexBuilder`], so a reader that has seen the blocks knows every bit of it.

use super::block::{BlockHeader, BlockKind};
use super::error::{DecodeError, StreamPart};
use super::header::{Header, Layout, Method};
use super::table::parse_table;
use crate::checksum::{Checksum, checksum};
use crate::frequencies::Frequencies;

/// The marker that follows the last block, in place of a block's.
pub const END_MARKER: [u8; 4] = *b"\xfeEQE";

const END_MAGIC: [u8; 4] = *b"IQE\x93";

/// A block, as the index knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct IndexEntry {
    /// The offset of its header from the start of the stream.
    pub offset: u64,
    /// The offset of its text in the text of the stream.
    pub text_offset: u64,
    /// The number of windows before it, which is the number of its first one.
    pub first_window: u64,
    /// Its header.
    pub block: BlockHeader,
}

/// The bits of a text's length in an index; those above are the block's kind.
const LENGTH_BITS: u32 = 29;

impl IndexEntry {
    /// Its length in a stream.
    pub const LENGTH: usize = 12;

    /// The bytes of a block in an index.
    pub fn to_bytes(block: &BlockHeader) -> [u8; Self::LENGTH] {
        let kind = BlockKind::ALL.iter().position(|&kind| kind == block.kind).unwrap_or(0) as u32;
        let [p0, p1, p2, p3] = block.payload_length.to_le_bytes();
        let [t0, t1, t2, t3] = (block.text_length | kind << LENGTH_BITS).to_le_bytes();
        let [c0, c1, c2, c3] = block.text_checksum.to_le_bytes();
        [p0, p1, p2, p3, t0, t1, t2, t3, c0, c1, c2, c3]
    }

    pub(super) fn block(number: u32, bytes: &[u8; Self::LENGTH]) -> Option<BlockHeader> {
        let &[p0, p1, p2, p3, t0, t1, t2, t3, c0, c1, c2, c3] = bytes;
        let text = u32::from_le_bytes([t0, t1, t2, t3]);
        Some(BlockHeader {
            number,
            kind: *BlockKind::ALL.get((text >> LENGTH_BITS) as usize)?,
            text_length: text & ((1 << LENGTH_BITS) - 1),
            payload_length: u32::from_le_bytes([p0, p1, p2, p3]),
            text_checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }
}

/// Where a block begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    text_offset: u64,
    window: u64,
}

impl Place {
    /// The entry of the block that begins here.
    fn entry(self, block: BlockHeader) -> IndexEntry {
        IndexEntry { offset: self.offset, text_offset: self.text_offset, first_window: self.window, block }
    }

    /// Where the next block begins.
    fn after(self, block: &BlockHeader, method: Method) -> Self {
        Self {
            offset: self.offset.wrapping_add(block.stream_length()),
            text_offset: self.text_offset.wrapping_add(u64::from(block.text_length)),
            window: self.window.wrapping_add(u64::from(block.windows(method))),
        }
    }
}

/// Computes the end of a stream while its blocks are written or read.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    method: Method,
    start: u32,
    start_checksum: u32,
    next: Place,
    blocks: u32,
    checksum: Checksum,
}

impl IndexBuilder {
    /// The builder for a stream that begins with these bytes, header and table.
    pub fn new(header: &Header, start: &[u8]) -> Self {
        Self::with_start_checksum(header, start.len(), checksum(start))
    }

    pub(crate) fn with_start_checksum(header: &Header, start: usize, start_checksum: u32) -> Self {
        let next = Place { offset: start as u64, text_offset: 0, window: 0 };
        Self { method: header.method, start: start as u32, start_checksum, next, blocks: 0, checksum: Checksum::new() }
    }

    /// Adds the next block, and returns its entry.
    pub fn add(&mut self, block: &BlockHeader) -> IndexEntry {
        let entry = self.next.entry(*block);
        self.checksum.update(&IndexEntry::to_bytes(block));
        self.next = self.next.after(block, self.method);
        self.blocks = self.blocks.wrapping_add(1);
        entry
    }

    /// The number of blocks so far, which is the number of the next one.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The length of the text so far, in bytes.
    pub fn text_length(&self) -> u64 {
        self.next.text_offset
    }

    /// The number of windows so far.
    pub fn windows(&self) -> u64 {
        self.next.window
    }

    /// The length of the stream so far, in bytes: the offset of the next block or of the end.
    pub fn offset(&self) -> u64 {
        self.next.offset
    }

    /// The trailer that ends the stream.
    pub fn trailer(&self) -> Trailer {
        let (start, blocks, text_length) = (self.start, self.blocks, self.next.text_offset);
        let mut trailer = Trailer { start, blocks, text_length, checksum: 0 };
        trailer.checksum = trailer.checked(self.checksum.clone(), self.start_checksum);
        trailer
    }
}

/// The last bytes of a stream in blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Trailer {
    /// The length of header and table in bytes, which stand between the end marker and the index again.
    pub start: u32,
    /// The number of blocks.
    pub blocks: u32,
    /// The length of the whole text in bytes.
    pub text_length: u64,
    /// The checksum of the index, the fields above, and the checksum of header and table.
    pub checksum: u32,
}

impl Trailer {
    /// Its length in a stream.
    pub const LENGTH: usize = 22;

    /// The bytes at the end of a stream.
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let [s0, s1, ..] = self.start.to_le_bytes();
        let [b0, b1, b2, b3] = self.blocks.to_le_bytes();
        let [l0, l1, l2, l3, l4, l5, l6, l7] = self.text_length.to_le_bytes();
        let [c0, c1, c2, c3] = self.checksum.to_le_bytes();
        let [m0, m1, m2, m3] = END_MAGIC;
        [s0, s1, b0, b1, b2, b3, l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3, m0, m1, m2, m3]
    }

    /// Reads the trailer at the end of a stream, whatever precedes it. Its checksum is compared when the index is read.
    ///
    /// # Errors
    /// The bytes are not the end of a complete stream in blocks.
    pub fn parse(end: &[u8]) -> Result<Self, DecodeError> {
        let truncated = DecodeError::Truncated { part: StreamPart::Index, block: 0 };
        let bytes: &[u8; Self::LENGTH] = end.last_chunk().ok_or(truncated)?;
        let &[s0, s1, b0, b1, b2, b3, l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3, m0, m1, m2, m3] = bytes;
        if [m0, m1, m2, m3] != END_MAGIC {
            return Err(DecodeError::EndMagic { found: [m0, m1, m2, m3] });
        }
        Ok(Self {
            start: u32::from(u16::from_le_bytes([s0, s1])),
            blocks: u32::from_le_bytes([b0, b1, b2, b3]),
            text_length: u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }

    /// The length of the index before it, in bytes.
    pub fn index_length(&self) -> u64 {
        u64::from(self.blocks) * IndexEntry::LENGTH as u64
    }

    /// The length of the whole end in bytes: marker, header and table, index and trailer.
    pub fn end_length(&self) -> u64 {
        (END_MARKER.len() + Self::LENGTH) as u64 + u64::from(self.start) + self.index_length()
    }

    /// Compares this trailer with the one computed from the blocks.
    pub(crate) fn agrees_with(&self, found: &Self) -> Result<(), DecodeError> {
        if self.blocks != found.blocks {
            return Err(DecodeError::BlockCount { expected: self.blocks, found: found.blocks });
        }
        if self.text_length != found.text_length {
            return Err(DecodeError::TextLength { expected: self.text_length, found: found.text_length });
        }
        if self.start != found.start || self.checksum != found.checksum {
            return Err(DecodeError::IndexContents);
        }
        Ok(())
    }

    /// The checksum of an index, this trailer's fields, and the checksum of the start.
    fn checked(&self, mut index: Checksum, start_checksum: u32) -> u32 {
        let [s0, s1, ..] = self.start.to_le_bytes();
        index.update(&[s0, s1]);
        index.update(&self.blocks.to_le_bytes());
        index.update(&self.text_length.to_le_bytes());
        index.update(&start_checksum.to_le_bytes());
        index.value()
    }

    /// Compares the checksum with that of the index and the start read.
    pub(crate) fn verify(&self, index: Checksum, start_checksum: u32) -> Result<(), DecodeError> {
        let found = self.checked(index, start_checksum);
        if self.checksum == found { Ok(()) } else { Err(DecodeError::IndexChecksum { expected: self.checksum, found }) }
    }
}

/// The end of a complete stream: what its beginning says, and its blocks.
///
/// Looking up a block adds up the lengths of all before it: with entries of 12 bytes, a million blocks take some
/// milliseconds on a computer.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    entries: Entries<'a>,
    header: Header,
    table: Option<Frequencies>,
    trailer: Trailer,
}

#[derive(Clone, Copy, Debug)]
enum Entries<'a> {
    /// As they stand in a stream.
    Written(&'a [u8]),
    /// Of a stream of one block or none.
    One(Option<BlockHeader>),
}

impl<'a> Index<'a> {
    /// Reads the end of a stream. `end` must hold at least the whole end, whose length is [`Trailer::end_length`].
    ///
    /// # Errors
    /// The end is damaged or cut short.
    pub fn parse(end: &'a [u8]) -> Result<Self, DecodeError> {
        let trailer = Trailer::parse(end)?;
        let truncated = DecodeError::Truncated { part: StreamPart::Index, block: trailer.blocks };
        let from = usize::try_from(trailer.end_length()).ok().and_then(|length| end.len().checked_sub(length));
        let end = from.and_then(|from| end.get(from..)).ok_or(truncated)?;
        let (marker, end) = end.split_first_chunk().ok_or(truncated)?;
        let (start, end) = end.split_at_checked(trailer.start as usize).ok_or(truncated)?;
        let (entries, _) = end.split_at_checked(end.len() - Trailer::LENGTH).ok_or(truncated)?;
        if *marker != END_MARKER {
            return Err(DecodeError::BlockMarker { block: trailer.blocks, found: *marker });
        }
        let mut index_checksum = Checksum::new();
        index_checksum.update(entries);
        trailer.verify(index_checksum, checksum(start))?;
        let (header, length) = Header::parse_with_length(start)?;
        let mut table = None;
        let mut start_length = length;
        if header.method == Method::StaticAc {
            let (frequencies, length) = parse_table(start.get(length..).unwrap_or_default())?;
            table = Some(frequencies);
            start_length += length;
        }
        let index = Self { entries: Entries::Written(entries), header, table, trailer };
        let ends = index
            .entries()
            .last()
            .map(|last| (last.block.number, last.text_offset + u64::from(last.block.text_length)));
        let is_whole = ends == trailer.blocks.checked_sub(1).map(|number| (number, trailer.text_length));
        let in_blocks = matches!(header.layout, Layout::Blocks { .. });
        if !is_whole || trailer.blocks == 0 || start_length != start.len() || !in_blocks {
            return Err(DecodeError::IndexContents);
        }
        index.entry(0).map_or(Ok(()), |first| header.check_tag(&first.block))?;
        Ok(index)
    }

    /// What the index of a stream of one block would be. `start` is the length of header and table.
    ///
    /// # Errors
    /// The stream has blocks.
    pub fn of_one(header: &Header, table: Option<Frequencies>, start: usize) -> Result<Self, DecodeError> {
        let Layout::One { text_length, .. } = header.layout else { return Err(DecodeError::IndexContents) };
        let block = header.only_block();
        let blocks = u32::from(block.is_some());
        let trailer = Trailer { start: start as u32, blocks, text_length: u64::from(text_length), checksum: 0 };
        Ok(Self { entries: Entries::One(block), header: *header, table, trailer })
    }

    /// The header of the stream.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frequencies of a stream of method `static-ac`.
    pub fn table(&self) -> Option<&Frequencies> {
        self.table.as_ref()
    }

    /// The length of the header and the table in bytes.
    pub fn start(&self) -> u64 {
        u64::from(self.trailer.start)
    }

    /// The offset of the end of the last block from the start of the stream.
    pub fn blocks_end(&self) -> u64 {
        let length = |entry: IndexEntry| entry.offset + self.block_length(&entry);
        self.entries().last().map_or(self.start(), length)
    }

    /// The length of the whole stream in bytes.
    pub fn stream_length(&self) -> u64 {
        match self.entries {
            Entries::One(_) => self.blocks_end(),
            Entries::Written(_) => self.blocks_end() + self.trailer.end_length(),
        }
    }

    /// The length of a block with its header, which the only block of a stream does not have.
    pub fn block_length(&self, entry: &IndexEntry) -> u64 {
        match self.entries {
            Entries::One(_) => u64::from(entry.block.payload_length),
            Entries::Written(_) => entry.block.stream_length(),
        }
    }

    /// The offset of a block's payload from the start of the stream.
    pub fn payload_offset(&self, entry: &IndexEntry) -> u64 {
        entry.offset + self.block_length(entry) - u64::from(entry.block.payload_length)
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u32 {
        self.trailer.blocks
    }

    /// The length of the whole text in bytes.
    pub fn text_length(&self) -> u64 {
        self.trailer.text_length
    }

    /// The number of windows.
    pub fn windows(&self) -> u64 {
        let method = self.header.method;
        self.entries().last().map_or(0, |entry| entry.first_window + u64::from(entry.block.windows(method)))
    }

    /// The entry of a block.
    pub fn entry(&self, block: u32) -> Option<IndexEntry> {
        self.entries().nth(block as usize)
    }

    /// The entries of all blocks, in order. Ends early at an entry that no writer would write.
    pub fn entries(&self) -> impl Iterator<Item = IndexEntry> + '_ {
        let mut place = Place { offset: self.start(), text_offset: 0, window: 0 };
        (0..self.trailer.blocks).map_while(move |number| {
            let block = match self.entries {
                Entries::One(block) => block?,
                Entries::Written(bytes) => {
                    let start = (number as usize).checked_mul(IndexEntry::LENGTH)?;
                    IndexEntry::block(number, bytes.get(start..)?.first_chunk()?)?
                }
            };
            if !block.has_possible_lengths(self.header.method, self.header.block_size()) {
                return None;
            }
            let entry = place.entry(block);
            place = place.after(&block, self.header.method);
            Some(entry)
        })
    }

    /// The block that contains the byte at `offset` of the text.
    pub fn block_of_text(&self, offset: u64) -> Option<IndexEntry> {
        self.entries().find(|entry| offset < entry.text_offset + u64::from(entry.block.text_length))
    }

    /// The block that contains a window, if there is one.
    pub fn block_of_window(&self, window: u64) -> Option<IndexEntry> {
        let method = self.header.method;
        self.entries().find(|entry| window < entry.first_window + u64::from(entry.block.windows(method)))
    }
}
