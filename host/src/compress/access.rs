//! Any block, window or range of a stream in a file, without reading the rest.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result};
use equalinfo_codec::Frequencies;
use equalinfo_codec::container::{
    BlockHeader, END_MARKER, Header, Index, IndexEntry, Method, TABLE_LENGTH, Trailer, parse_table,
};

use super::coder::Coder;

/// A stream in a file, opened from its end.
pub struct StreamFile {
    file: File,
    header: Header,
    table: Option<Frequencies>,
    /// Where the first block begins.
    start: usize,
    /// The index and the trailer.
    end: Vec<u8>,
    length: u64,
}

impl StreamFile {
    /// Reads header and index.
    ///
    /// # Errors
    /// The file cannot be read, or is not a complete stream.
    pub fn open(mut file: File) -> Result<Self> {
        let length = file.metadata().context("cannot read the size")?.len();
        file.seek(SeekFrom::Start(0)).context("cannot seek")?;
        let mut beginning = Vec::new();
        (&mut file).take((Header::LENGTH + TABLE_LENGTH) as u64).read_to_end(&mut beginning).context("cannot read")?;
        let header = Header::parse(&beginning)?;
        let (mut start, mut table) = (Header::LENGTH, None);
        if header.method == Method::StaticAc {
            let (frequencies, table_length) = parse_table(&beginning[start..])?;
            start += table_length;
            table = Some(frequencies);
        }
        let trailer = Trailer::parse(&read_end(&mut file, length, Trailer::LENGTH as u64)?)?;
        let end = read_end(&mut file, length, trailer.index_length() + Trailer::LENGTH as u64)?;
        Index::parse(&end, start)?;
        Ok(Self { file, header, table, start, end, length })
    }

    /// How the blocks are coded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frequencies of a stream of method `static-ac`.
    pub fn table(&self) -> Option<&Frequencies> {
        self.table.as_ref()
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where the end marker stands, after the last block.
    pub fn end(&self) -> u64 {
        self.length.saturating_sub((self.end.len() + END_MARKER.len()) as u64)
    }

    /// Where the blocks are.
    ///
    /// # Errors
    /// None: the index was read when the file was opened.
    pub fn index(&self) -> Result<Index<'_>> {
        Ok(Index::parse(&self.end, self.start)?)
    }

    /// The header of a block, and where it is.
    ///
    /// # Errors
    /// There is no such block, or its header is damaged.
    pub fn block_header(&mut self, number: u32) -> Result<(IndexEntry, BlockHeader)> {
        let index = self.index()?;
        let blocks = index.blocks();
        let entry = index
            .entry(number)
            .with_context(|| format!("there is no block {number}; the stream has {blocks} blocks, counted from 0"))?;
        self.file.seek(SeekFrom::Start(entry.offset)).context("cannot seek")?;
        let mut bytes = Vec::new();
        (&mut self.file).take(BlockHeader::LENGTH as u64).read_to_end(&mut bytes).context("cannot read")?;
        Ok((entry, BlockHeader::parse(&bytes, &self.header, number)?))
    }

    /// The header and the payload of a block, and where it is.
    ///
    /// # Errors
    /// As [`Self::block_header`], or the file ends within the payload.
    pub fn block(&mut self, number: u32) -> Result<(IndexEntry, BlockHeader, Vec<u8>)> {
        let (entry, block) = self.block_header(number)?;
        let mut payload = Vec::new();
        (&mut self.file).take(u64::from(block.payload_length)).read_to_end(&mut payload).context("cannot read")?;
        Ok((entry, block, payload))
    }

    /// The text of a block.
    ///
    /// # Errors
    /// As [`Self::block`], or the payload is damaged.
    pub fn text(&mut self, coder: &mut Coder, number: u32) -> Result<(IndexEntry, Vec<u8>)> {
        let (entry, block, payload) = self.block(number)?;
        let mut text = vec![0; block.text_length as usize];
        coder.decode_block(&self.header, &block, &payload, &mut text)?;
        Ok((entry, text))
    }
}

fn read_end(file: &mut File, length: u64, wanted: u64) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(length.saturating_sub(wanted))).context("cannot seek")?;
    let mut end = Vec::new();
    file.take(wanted).read_to_end(&mut end).context("cannot read")?;
    Ok(end)
}
