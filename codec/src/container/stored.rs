//! [`StoredStream`]: a stream in storage, opened from its end, and [`Decoder::read`], which reads one from its start.
//!
//! Invariant: every text and every error is the one that [`Stream`](super::Stream) would give for the same bytes.

use super::block::{BlockDecoder, BlockHeader};
use super::decoder::Decoder;
use super::error::{DecodeError, StreamPart};
use super::header::{Header, Layout, Method};
use super::index::{END_MARKER, IndexBuilder, IndexEntry, Trailer};
use super::table::TableReader;
use crate::byte_model::{ByteModel, StaticModel};
use crate::checksum::Checksum;
use crate::frequencies::Frequencies;
use crate::mix::Coder;
use crate::progress::Progress;
use crate::raw::PayloadError;
use crate::storage::{Cursor, Storage, StorageError};
use crate::window::decode_window;
use core::cmp::Ordering;

/// What goes wrong with a stream in storage.
type Failure<S> = StorageError<<S as Storage>::Error, DecodeError>;

/// A complete stream in storage, opened from its end, of which at most `BUFFER` bytes are in memory.
///
/// Opening reads the start, and the end twice or, in a stream of one block, not at all. Each lookup reads the index up
/// to its block: 12 bytes for each before. A block is read once, in `payload / BUFFER` calls of [`Storage::read`].
///
/// ```
/// use equalinfo_codec::container::{Header, Method, ModelIdentity, StoredStream, encode_stream};
/// use equalinfo_codec::Uniform;
///
/// let header = Header::new(Method::StaticAc, ModelIdentity::default(), Default::default(), 8);
/// let mut flash = [0; 400];
/// let length = encode_stream(&mut Uniform, &header, b"block 0\nblock 1\nblock 2\n", &mut flash)?;
///
/// // `flash` is anything that is `Storage`, in which the stream begins at offset 0.
/// let mut stream = StoredStream::<_, 32>::open(&flash[..], 0, length as u32)?;
/// assert_eq!((stream.blocks(), stream.text_length()), (3, 24));
/// let mut text = [0; 8];
/// stream.decode_block(&mut Uniform, 1, &mut text)?;
/// assert_eq!(&text, b"block 1\n");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoredStream<S, const BUFFER: usize> {
    bytes: Bytes<S, BUFFER>,
    header: Header,
    table: Option<StaticModel>,
    /// The length of header and table, and their checksum.
    start: u32,
    start_checksum: u32,
    /// Where the index begins; a stream of one block has none.
    index: u32,
    blocks: u32,
    text_length: u64,
}

/// The bytes of a stream.
#[derive(Clone, Debug)]
struct Bytes<S, const BUFFER: usize> {
    cursor: Cursor<S, BUFFER>,
    /// Where the stream is in the storage.
    offset: u32,
    length: u32,
}

impl<S: Storage, const BUFFER: usize> Bytes<S, BUFFER> {
    /// Goes to a range of the stream, as far as the stream goes.
    fn seek(&mut self, from: u64, to: u64) {
        let within = |at: u64| self.offset.saturating_add(u32::try_from(at).unwrap_or(u32::MAX).min(self.length));
        self.cursor.seek(within(from)..within(to));
    }

    /// The bytes of a range that has no more than `N`, as far as the stream goes.
    fn take<'b, const N: usize>(&mut self, from: u64, to: u64, bytes: &'b mut [u8; N]) -> Result<&'b [u8], Failure<S>> {
        self.seek(from, to);
        self.cursor.take(bytes).map_err(StorageError::Storage)
    }

    /// The header in a range, and its length.
    fn header(&mut self, from: u64, to: u64) -> Result<(Header, usize), Failure<S>> {
        let mut bytes = [0; Header::LONGEST];
        Ok(Header::parse_with_length(self.take(from, to, &mut bytes)?)?)
    }

    /// The frequencies in a range, and the length of their table.
    fn table(&mut self, from: u64, to: u64) -> Result<(Frequencies, usize), Failure<S>> {
        self.seek(from, to);
        let mut reader = TableReader::new();
        let mut length = 0;
        while let Some(byte) = self.cursor.byte().map_err(StorageError::Storage)? {
            length += 1;
            if let Some(frequencies) = reader.feed(byte)? {
                return Ok((frequencies, length));
            }
        }
        Err(DecodeError::Truncated { part: StreamPart::Table, block: 0 }.into())
    }

    /// The checksum of a range.
    fn checksum(&mut self, from: u64, to: u64) -> Result<Checksum, Failure<S>> {
        self.seek(from, to);
        let mut checksum = Checksum::new();
        self.cursor.for_each_piece(|piece| checksum.update(piece)).map_err(StorageError::Storage)?;
        Ok(checksum)
    }
}

impl<S: Storage, const BUFFER: usize> StoredStream<S, BUFFER> {
    /// Reads the header and the index of the stream that begins at `offset` and has `length` bytes.
    ///
    /// # Errors
    /// Either of them is damaged, the stream is not complete, something follows it, or the storage fails.
    pub fn open(mut storage: S, offset: u32, length: u32) -> Result<Self, Failure<S>> {
        let available = storage.length().map_err(StorageError::Storage)?.saturating_sub(offset);
        let length = length.min(available);
        let mut bytes = Bytes { cursor: Cursor::new(storage, 0..0), offset, length };
        let whole = u64::from(length);
        let (header, header_length) = bytes.header(0, whole)?;
        let Layout::One { text_length, .. } = header.layout else {
            return Self::open_blocks(bytes, header, header_length);
        };
        let (mut table, mut start) = (None, header_length);
        if header.method == Method::StaticAc {
            let (frequencies, table_length) = bytes.table(start as u64, whole)?;
            (table, start) = (Some(StaticModel(frequencies)), start + table_length);
        }
        let block = header.only_block();
        let blocks = u32::from(block.is_some());
        let end = start as u64 + block.map_or(0, |block| u64::from(block.payload_length));
        match end.cmp(&whole) {
            Ordering::Equal => {}
            Ordering::Greater => {
                return Err(DecodeError::Truncated { part: StreamPart::Payload, block: blocks }.into());
            }
            Ordering::Less => return Err(DecodeError::Surplus.into()),
        }
        let (start, text_length) = (start as u32, text_length.into());
        Ok(Self { bytes, header, table, start, start_checksum: 0, index: 0, blocks, text_length })
    }

    /// Reads the end of a stream of blocks, in the order in which [`Index::parse`](super::Index::parse) does.
    fn open_blocks(mut bytes: Bytes<S, BUFFER>, header: Header, header_length: usize) -> Result<Self, Failure<S>> {
        let whole = u64::from(bytes.length);
        let mut end = [0; Trailer::LENGTH];
        let trailer = Trailer::parse(bytes.take(whole.saturating_sub(end.len() as u64), whole, &mut end)?)?;
        let blocks = trailer.blocks;
        let from = whole.checked_sub(trailer.end_length());
        let from = from.ok_or(DecodeError::Truncated { part: StreamPart::Index, block: blocks })?;
        let again = from + END_MARKER.len() as u64;
        let index = again + u64::from(trailer.start);
        let mut found = [0; END_MARKER.len()];
        bytes.take(from, again, &mut found)?;
        if found != END_MARKER {
            return Err(DecodeError::BlockMarker { block: blocks, found }.into());
        }
        let start_checksum = bytes.checksum(again, index)?.value();
        trailer.verify(bytes.checksum(index, index + trailer.index_length())?, start_checksum)?;
        let (header_again, length_again) = bytes.header(again, index)?;
        let (mut table, mut start) = (None, length_again);
        if header_again.method == Method::StaticAc {
            let (frequencies, table_length) = bytes.table(again + length_again as u64, index)?;
            (table, start) = (Some(StaticModel(frequencies)), start + table_length);
        }
        let mut stream = Self {
            bytes,
            header: header_again,
            table,
            start: trailer.start,
            start_checksum,
            index: index as u32,
            blocks,
            text_length: trailer.text_length,
        };
        let mut last = None;
        stream.find(|entry| {
            last = Some(*entry);
            false
        })?;
        let ends = last.map(|last| (last.block.number, last.text_offset + u64::from(last.block.text_length)));
        let is_whole = ends == blocks.checked_sub(1).map(|number| (number, trailer.text_length));
        let in_blocks = matches!(header_again.layout, Layout::Blocks { .. });
        if !is_whole || blocks == 0 || start != trailer.start as usize || !in_blocks {
            return Err(DecodeError::IndexContents.into());
        }
        if let Some(first) = stream.find(|_| true)? {
            header_again.check_tag(&first.block)?;
        }
        if let Some(StaticModel(table)) = &stream.table
            && stream.bytes.table(header_length as u64, whole)?.0 != *table
        {
            return Err(DecodeError::IndexContents.into());
        }
        let end = last.map_or(0, |last| last.offset + last.block.stream_length()) + trailer.end_length();
        match end.cmp(&whole) {
            _ if header != header_again => Err(DecodeError::IndexContents.into()),
            Ordering::Equal => Ok(stream),
            Ordering::Greater => Err(DecodeError::Truncated { part: StreamPart::Payload, block: blocks }.into()),
            Ordering::Less => Err(DecodeError::IndexContents.into()),
        }
    }

    /// The header of the stream.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The length of the whole text in bytes.
    pub fn text_length(&self) -> u64 {
        self.text_length
    }

    /// Returns the storage, for somebody else to read.
    pub fn into_storage(self) -> S {
        self.bytes.cursor.into_storage()
    }

    /// The entry of a block.
    ///
    /// # Errors
    /// There is no such block, or the storage fails.
    pub fn entry(&mut self, number: u32) -> Result<IndexEntry, Failure<S>> {
        let none = DecodeError::NoSuchBlock { expected: self.blocks, found: number };
        Ok(self.find(|entry| entry.block.number == number)?.ok_or(none)?)
    }

    /// The block that contains the byte at `offset` of the text, if there is one.
    ///
    /// # Errors
    /// The storage fails.
    pub fn block_of_text(&mut self, offset: u64) -> Result<Option<IndexEntry>, Failure<S>> {
        self.find(|entry| offset < entry.text_offset + u64::from(entry.block.text_length))
    }

    /// Decodes a block to the start of `output`, and returns the length of its text. `coder` must be the one that the
    /// header identifies.
    ///
    /// # Errors
    /// There is no such block, or it is damaged, or its text does not fit `output`, or the storage fails.
    pub fn decode_block<C: Coder>(
        &mut self,
        coder: &mut C,
        number: u32,
        output: &mut [u8],
    ) -> Result<usize, Failure<S>> {
        let entry = self.entry(number)?;
        let payload = self.payload_of(&entry)?;
        self.bytes.seek(payload, payload + u64::from(entry.block.payload_length));
        let mut decoder = BlockDecoder::new(&self.header, &entry.block)?;
        let (length, found) = (entry.block.text_length as usize, output.len());
        let output = output
            .get_mut(..length)
            .ok_or(DecodeError::Payload { block: number, cause: PayloadError::OutputTooSmall { found } })?;
        let mut written = 0;
        while !decoder.is_done() {
            let input = self.bytes.cursor.fill().map_err(StorageError::Storage)?;
            let room = output.get_mut(written..).unwrap_or_default();
            let progress = match &mut self.table {
                Some(table) => decoder.decode(table, input, room),
                None => decoder.decode(coder, input, room),
            }?;
            if progress == Progress::default() {
                return Err(DecodeError::Truncated { part: StreamPart::Payload, block: number }.into());
            }
            self.bytes.cursor.consume(progress.consumed);
            written += progress.written;
        }
        Ok(length)
    }

    /// The value of a window, by its number in the stream. Stored blocks have no windows.
    ///
    /// # Errors
    /// There is no such window, the header of its block is damaged, or the storage fails.
    pub fn window(&mut self, number: u64) -> Result<u128, Failure<S>> {
        let none = DecodeError::NoSuchWindow { found: number };
        let Method::EqualInfo { bits, .. } = self.header.method else { return Err(none.into()) };
        let method = self.header.method;
        let entry = self.find(|entry| number < entry.first_window + u64::from(entry.block.windows(method)))?;
        let entry = entry.ok_or(none)?;
        let payload = self.payload_of(&entry)?;
        // No more than the index has bytes.
        let start = number.wrapping_sub(entry.first_window).wrapping_mul(bits.bytes() as u64);
        let mut window = [0; 16];
        let (from, end) = (payload.wrapping_add(start), payload.wrapping_add(entry.block.payload_length.into()));
        let window = self.bytes.take(from, end, &mut window)?;
        Ok(bits.read(window).ok_or(none)?)
    }

    /// Decodes one window, by its number in the stream, passes its text to `out` byte by byte, and returns the length
    /// of the text.
    ///
    /// # Errors
    /// There is no such window, the header of its block is damaged, or the storage fails.
    pub fn decode_window<M: ByteModel>(
        &mut self,
        model: &mut M,
        number: u64,
        out: impl FnMut(u8),
    ) -> Result<usize, Failure<S>> {
        let none = DecodeError::NoSuchWindow { found: number };
        let Method::EqualInfo { bits, code } = self.header.method else { return Err(none.into()) };
        let context = usize::from(self.header.model.context);
        let window = self.window(number)?;
        Ok(decode_window(model, bits, code, context, window, out).ok_or(none)?)
    }

    /// The first block of which `wanted` says so. Ends early at an entry that no writer would write.
    fn find(&mut self, mut wanted: impl FnMut(&IndexEntry) -> bool) -> Result<Option<IndexEntry>, Failure<S>> {
        let header = self.header;
        let in_blocks = matches!(header.layout, Layout::Blocks { .. });
        let mut builder = IndexBuilder::with_start_checksum(&header, self.start as usize, self.start_checksum);
        if in_blocks {
            let index = u64::from(self.index);
            self.bytes.seek(index, index + u64::from(self.blocks) * IndexEntry::LENGTH as u64);
        }
        for number in 0..self.blocks {
            let block = if in_blocks {
                let mut bytes = [0; IndexEntry::LENGTH];
                let count = self.bytes.cursor.take(&mut bytes).map_err(StorageError::Storage)?.len();
                if count == bytes.len() { IndexEntry::block(number, &bytes) } else { None }
            } else {
                header.only_block()
            };
            let possible = |block: &BlockHeader| block.has_possible_lengths(header.method, header.block_size());
            let Some(block) = block.filter(possible) else { return Ok(None) };
            let entry = builder.add(&block);
            if wanted(&entry) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Checks the header of a block, and returns where its payload begins.
    fn payload_of(&mut self, entry: &IndexEntry) -> Result<u64, Failure<S>> {
        if !matches!(self.header.layout, Layout::Blocks { .. }) {
            return Ok(entry.offset);
        }
        let payload = entry.offset + BlockHeader::LENGTH as u64;
        let mut bytes = [0; BlockHeader::LENGTH];
        let bytes = self.bytes.take(entry.offset, payload, &mut bytes)?;
        if BlockHeader::parse(bytes, &self.header, entry.block.number)? != entry.block {
            return Err(DecodeError::IndexContents.into());
        }
        Ok(payload)
    }
}

impl<C: Coder> Decoder<C> {
    /// Decodes what is in storage from the cursor on, and returns the number of bytes of text written to the start of
    /// `output`: 0 once the stream has turned out to be complete and intact. The cursor's range may go beyond the
    /// stream's end.
    ///
    /// # Errors
    /// The stream is damaged, cut short or written with a different model, or the storage fails; after that, a further
    /// call goes on where reading failed.
    pub fn read<S: Storage, const BUFFER: usize>(
        &mut self,
        cursor: &mut Cursor<S, BUFFER>,
        output: &mut [u8],
    ) -> Result<usize, Failure<S>> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            // Text whose code has been read needs no more input.
            let input = if self.is_done() { &[] } else { cursor.fill().map_err(StorageError::Storage)? };
            let is_end = input.is_empty();
            let progress = self.decode(input, output)?;
            cursor.consume(progress.consumed);
            if progress.written > 0 || self.is_done() {
                return Ok(progress.written);
            }
            if is_end {
                self.finish()?;
                return Ok(0);
            }
        }
    }
}
