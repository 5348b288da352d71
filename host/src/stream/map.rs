//! Where the streams of a file and their blocks are, read from their ends.

use std::io::{Read, Seek, SeekFrom};

use equalinfo_codec::Frequencies;
use equalinfo_codec::container::{
    BlockHeader, END_MARKER, Header, Index, IndexEntry, Layout, Method, TABLE_LENGTH, Trailer, parse_table, write_table,
};

use super::error::StreamError;

/// What a stream begins with: its header, the frequencies of method `static-ac`, and the length of both in bytes.
#[derive(Debug, Clone)]
pub struct Start {
    /// The header.
    pub header: Header,
    /// The frequencies of method `static-ac`.
    pub table: Option<Frequencies>,
    /// The length of both in bytes.
    pub length: u64,
}

impl Start {
    /// The most bytes that it takes.
    pub const LONGEST: usize = Header::LONGEST + TABLE_LENGTH;

    /// Reads it at the beginning of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, equalinfo_codec::container::DecodeError> {
        let (header, length) = Header::parse_with_length(bytes)?;
        let (table, table_length) = match header.method {
            Method::StaticAc => parse_table(&bytes[length..]).map(|(table, length)| (Some(table), length))?,
            _ => (None, 0),
        };
        Ok(Self { header, table, length: (length + table_length) as u64 })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        start_bytes(&self.header, self.table.as_ref())
    }
}

/// What a stream begins with; frequencies count for method `static-ac` alone.
pub fn start_bytes(header: &Header, table: Option<&Frequencies>) -> Vec<u8> {
    let mut bytes = header.to_bytes().to_vec();
    if let Some(frequencies) = table.filter(|_| header.method == Method::StaticAc) {
        let mut table = [0; TABLE_LENGTH];
        let length = write_table(frequencies, &mut table);
        bytes.extend_from_slice(&table[..length]);
    }
    bytes
}

/// A stream of a file.
#[derive(Debug, Clone)]
pub struct MappedStream {
    /// Where it begins in the file.
    pub offset: u64,
    /// What it begins with.
    pub start: Start,
    /// Its blocks, whose offsets count from the stream's beginning.
    pub entries: Vec<IndexEntry>,
    /// Where its end begins, from its beginning.
    pub blocks_end: u64,
    /// Bytes of stream.
    pub length: u64,
    /// Bytes of text.
    pub text_length: u64,
    /// Windows.
    pub windows: u64,
}

impl MappedStream {
    fn new(offset: u64, index: &Index<'_>) -> Self {
        let start = Start { header: *index.header(), table: index.table().cloned(), length: index.start() };
        Self {
            offset,
            start,
            entries: index.entries().collect(),
            blocks_end: index.blocks_end(),
            length: index.stream_length(),
            text_length: index.text_length(),
            windows: index.windows(),
        }
    }

    /// Where it ends in the file.
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// The length of a block's header, which the only block of a stream does not have.
    pub fn block_header_length(&self) -> u64 {
        match self.start.header.layout {
            Layout::One { .. } => 0,
            Layout::Blocks { .. } => BlockHeader::LENGTH as u64,
        }
    }

    /// The first block that begins at or after a position in the file, and where; the end of the blocks if there is
    /// none.
    pub fn next_block(&self, position: u64) -> (u32, u64) {
        let number = self.entries.partition_point(|entry| self.offset + entry.offset < position);
        (number as u32, self.offset + self.entries.get(number).map_or(self.blocks_end, |entry| entry.offset))
    }

    /// Where the text of a block begins; of the block after the last, where the text ends.
    pub fn text_offset(&self, number: u32) -> u64 {
        self.entries.get(number as usize).map_or(self.text_length, |entry| entry.text_offset)
    }
}

/// The streams of a file, one after the other.
#[derive(Debug, Clone, Default)]
pub struct FileMap {
    /// In the order of the file. Between them, or after them, may be what is no intact stream.
    pub streams: Vec<MappedStream>,
    /// The end of a stream whose beginning is not where the end says: bytes have been lost or inserted.
    pub displaced: Option<MappedStream>,
    /// Whether the streams fill the file.
    pub is_complete: bool,
}

impl FileMap {
    /// The map of an input; `None` if it cannot seek. Leaves the input at its start.
    ///
    /// # Errors
    /// The input cannot go back to its start, although it could go elsewhere.
    pub fn read(input: &mut (impl Read + Seek)) -> Result<Option<Self>, StreamError> {
        let Ok(length) = input.seek(SeekFrom::End(0)) else { return Ok(None) };
        let map = Self::of(input, length);
        input.rewind().map_err(StreamError::input("seek"))?;
        Ok(Some(map))
    }

    fn of(input: &mut (impl Read + Seek), length: u64) -> Self {
        let mut map = Self::default();
        let mut from_end = Vec::new();
        let mut end = length;
        // An end says how long its stream is, a stream of one block says so at its beginning.
        while end > 0 {
            match before(input, end) {
                Before::Stream(stream) => {
                    end = stream.offset;
                    from_end.push(stream);
                }
                Before::Displaced(stream) => {
                    map.displaced = Some(stream);
                    break;
                }
                Before::Nothing => break,
            }
        }
        let mut position = 0;
        while position < end {
            let Some(stream) = at(input, position, end) else { break };
            position = stream.end();
            map.streams.push(stream);
        }
        map.is_complete = position == end && length > 0;
        map.streams.extend(from_end.into_iter().rev());
        map
    }

    /// The stream that begins here.
    pub fn at(&self, offset: u64) -> Option<&MappedStream> {
        self.streams.iter().find(|stream| stream.offset == offset)
    }

    /// The first stream that begins behind this.
    pub fn behind(&self, offset: u64) -> Option<&MappedStream> {
        self.streams.iter().find(|stream| stream.offset > offset)
    }
}

/// What ends at a position.
enum Before {
    Stream(MappedStream),
    Displaced(MappedStream),
    Nothing,
}

fn before(input: &mut (impl Read + Seek), end: u64) -> Before {
    let found = (|| {
        let trailer = read_before(input, end, Trailer::LENGTH as u64)?;
        let bytes = read_before(input, end, Trailer::parse(&trailer).ok()?.end_length())?;
        let index = Index::parse(&bytes).ok()?;
        let offset = end.checked_sub(index.stream_length());
        let stream = MappedStream::new(offset.unwrap_or(0), &index);
        // Of beginning and first block, one may be damaged.
        let begins = |offset: u64| {
            let start = bytes.get(END_MARKER.len()..)?.get(..index.start() as usize)?;
            let found = read_at(input, offset, (start.len() + BlockHeader::LENGTH) as u64)?;
            let (found, block) = found.split_at_checked(start.len())?;
            Some(found == start || BlockHeader::parse(block, index.header(), 0).is_ok())
        };
        let begins = offset.and_then(begins) == Some(true);
        Some(if begins { Before::Stream(stream) } else { Before::Displaced(stream) })
    })();
    found.unwrap_or(Before::Nothing)
}

/// The intact stream that begins at a position and ends at `limit` or before.
fn at(input: &mut (impl Read + Seek), offset: u64, limit: u64) -> Option<MappedStream> {
    let start = Start::parse(&read_at(input, offset, Start::LONGEST as u64)?).ok()?;
    let stream = match start.header.layout {
        Layout::One { .. } => {
            let index = Index::of_one(&start.header, start.table.clone(), start.length as usize).ok()?;
            MappedStream::new(offset, &index)
        }
        Layout::Blocks { .. } => {
            let (mut position, mut number) = (offset + start.length, 0);
            loop {
                let bytes = read_at(input, position, BlockHeader::LENGTH as u64)?;
                if bytes.starts_with(&END_MARKER) {
                    break;
                }
                position += BlockHeader::parse(&bytes, &start.header, number).ok()?.stream_length();
                number = number.checked_add(1)?;
            }
            let trailer = Trailer { start: start.length as u32, blocks: number, text_length: 0, checksum: 0 };
            let end = read_at(input, position, trailer.end_length())?;
            let stream = MappedStream::new(offset, &Index::parse(&end).ok()?);
            (stream.length == position + trailer.end_length() - offset).then_some(stream)?
        }
    };
    (stream.end() <= limit).then_some(stream)
}

/// Up to `length` bytes.
fn read_at(input: &mut (impl Read + Seek), offset: u64, length: u64) -> Option<Vec<u8>> {
    input.seek(SeekFrom::Start(offset)).ok()?;
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// All of the `length` bytes before a position.
fn read_before(input: &mut (impl Read + Seek), end: u64, length: u64) -> Option<Vec<u8>> {
    read_at(input, end.checked_sub(length)?, length).filter(|bytes| bytes.len() as u64 == length)
}
