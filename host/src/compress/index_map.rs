//! The index of a stream in a file, read before the blocks, as a map for going around damage.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use anyhow::Result;
use equalinfo_codec::container::IndexEntry;

use super::access::StreamFile;

/// Where every block of a stream is.
#[derive(Debug, Clone)]
pub struct IndexMap {
    entries: Vec<IndexEntry>,
    text_length: u64,
    /// Where the end marker stands.
    end: u64,
}

impl IndexMap {
    /// The map of the stream that fills `file`; `None` if the file does not end in an index that fits its blocks,
    /// as when it is damaged there, when bytes have been lost or inserted, or when several streams follow each other.
    /// Leaves the file at its start.
    ///
    /// # Errors
    /// The file cannot go back to its start.
    pub fn read(file: &mut File) -> Result<Option<Self>> {
        let map = file.try_clone().ok().and_then(|file| Self::of(file).ok());
        file.seek(SeekFrom::Start(0))?;
        Ok(map)
    }

    fn of(file: File) -> Result<Self> {
        let mut stream = StreamFile::open(file)?;
        let index = stream.index()?;
        let (text_length, blocks) = (index.text_length(), index.blocks());
        let entries: Vec<IndexEntry> = index.entries().collect();
        let end = stream.end();
        if let Some(last) = blocks.checked_sub(1) {
            // If the last block ends where the end begins, the offsets are those of this file.
            let (entry, block) = stream.block_header(last)?;
            anyhow::ensure!(entry.offset + block.stream_length() == end, "the index is another stream's");
        }
        Ok(Self { entries, text_length, end })
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The first block that begins at or after `position`, and where; the end of the blocks if there is none.
    pub fn next_block(&self, position: u64) -> (u32, u64) {
        let number = self.entries.partition_point(|entry| entry.offset < position);
        (number as u32, self.entries.get(number).map_or(self.end, |entry| entry.offset))
    }

    /// Where the text of a block begins; of the block after the last, where the text ends.
    pub fn text_offset(&self, number: u32) -> u64 {
        self.entries.get(number as usize).map_or(self.text_length, |entry| entry.text_offset)
    }
}
