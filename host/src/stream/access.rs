//! [`StreamFile`]: any block, window or range of a file of streams, without reading the rest.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;

use equalinfo_codec::container::{BlockHeader, DecodeError, Header, IndexEntry, Method};

use super::error::StreamError;
use super::map::{FileMap, MappedStream, Start};
use super::models::Models;
use crate::plan::{CpuWorker, Job};

/// A file of one stream, or of several one after the other, whose texts are then one.
///
/// ```
/// use std::io::Cursor;
/// use equalinfo::{Compressor, Model, StreamFile, WindowBits};
///
/// let text = b"It was the best of times, it was the worst of times. ".repeat(40);
/// let windows = Compressor::new(&Model::shipped("nano")?).window_bits(WindowBits::B64).block_size(500);
/// let mut file = StreamFile::open(Cursor::new(windows.compress_to_vec(&text)?))?;
/// assert_eq!(file.blocks(), 5);
/// assert_eq!(file.text(1)?, text[500..1000]);
/// assert_eq!(file.range(990..1010)?, text[990..1010]);
/// assert!(text.starts_with(&file.window(0)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StreamFile<R> {
    input: R,
    map: FileMap,
    length: u64,
    models: Models<'static>,
    /// What decodes, once it was needed, and for which stream.
    worker: Option<(usize, CpuWorker)>,
}

/// A block of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBlock {
    /// The stream that it is in, counted from 0.
    pub stream: usize,
    /// Its number in the file, counted from 0.
    pub number: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// Where its payload begins in the file.
    pub payload_offset: u64,
    /// Where its text begins in the text of the file.
    pub text_offset: u64,
    /// The windows before it.
    pub first_window: u64,
    /// Its header, with its number in the stream.
    pub header: BlockHeader,
}

impl<R: Read + Seek> StreamFile<R> {
    /// Reads where the streams and their blocks are.
    ///
    /// # Errors
    /// The input cannot be read, or is not complete streams and nothing else.
    pub fn open(mut input: R) -> Result<Self, StreamError> {
        let length = input.seek(SeekFrom::End(0)).map_err(StreamError::input("seek"))?;
        input.rewind().map_err(StreamError::input("seek"))?;
        let map = FileMap::read(&mut input)?.unwrap_or_default();
        if !map.is_complete {
            return Err(incomplete(&mut input, &map)?);
        }
        Ok(Self { input, map, length, models: Models::new(), worker: None })
    }

    /// Takes the streams' models from here.
    pub fn models(self, models: Models<'static>) -> Self {
        Self { models, worker: None, ..self }
    }

    /// How the blocks of the first stream are coded.
    pub fn header(&self) -> &Header {
        &self.map.streams[0].start.header
    }

    /// The streams, in the order of the file.
    pub fn streams(&self) -> &[MappedStream] {
        &self.map.streams
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of blocks.
    pub fn blocks(&self) -> u32 {
        self.map.streams.iter().map(|stream| stream.entries.len() as u32).sum()
    }

    /// The length of the whole text in bytes.
    pub fn text_length(&self) -> u64 {
        self.map.streams.iter().map(|stream| stream.text_length).sum()
    }

    /// All blocks, in order.
    pub fn entries(&self) -> impl Iterator<Item = FileBlock> + '_ {
        let (mut number, mut text, mut window) = (0, 0, 0);
        self.map.streams.iter().enumerate().flat_map(move |(index, stream)| {
            let (first, text_before, windows_before) = (number, text, window);
            number += stream.entries.len() as u32;
            text += stream.text_length;
            window += stream.windows;
            (first..).zip(&stream.entries).map(move |(number, entry): (u32, &IndexEntry)| FileBlock {
                stream: index,
                number,
                offset: stream.offset + entry.offset,
                payload_offset: stream.offset + entry.offset + stream.block_header_length(),
                text_offset: text_before + entry.text_offset,
                first_window: windows_before + entry.first_window,
                header: entry.block,
            })
        })
    }

    /// A block and its payload.
    ///
    /// # Errors
    /// There is no such block, its header is damaged or not the one in the index, or the input cannot be read.
    pub fn block(&mut self, number: u32) -> Result<(FileBlock, Vec<u8>), StreamError> {
        let blocks = self.blocks();
        let block = self.entries().nth(number as usize).ok_or(StreamError::NoBlock { number, blocks })?;
        let payload = self.payload(&block)?;
        Ok((block, payload))
    }

    /// The payload of a block.
    ///
    /// # Errors
    /// As [`Self::block`].
    pub fn payload(&mut self, block: &FileBlock) -> Result<Vec<u8>, StreamError> {
        let header = self.map.streams[block.stream].start.header;
        self.input.seek(SeekFrom::Start(block.offset)).map_err(StreamError::input("seek"))?;
        if block.payload_offset > block.offset {
            let bytes = read_some(&mut self.input, BlockHeader::LENGTH as u64)?;
            if BlockHeader::parse(&bytes, &header, block.header.number)? != block.header {
                return Err(DecodeError::IndexContents.into());
            }
        }
        read_some(&mut self.input, block.header.payload_length.into())
    }

    /// The text of a block.
    ///
    /// # Errors
    /// As [`Self::block`]; the payload is damaged, or the model is not there.
    pub fn text(&mut self, number: u32) -> Result<Vec<u8>, StreamError> {
        let (block, payload) = self.block(number)?;
        self.text_of(&block, &payload)
    }

    /// The text of a block with this payload.
    ///
    /// # Errors
    /// The payload is damaged, or the model is not there.
    pub fn text_of(&mut self, block: &FileBlock, payload: &[u8]) -> Result<Vec<u8>, StreamError> {
        let header = self.map.streams[block.stream].start.header;
        let text = self.worker(block.stream)?.decode_blocks(&header, &[(&block.header, payload)])?.pop();
        Ok(text.ok_or(StreamError::Index)??)
    }

    /// The text of a window, counted from 0 over the whole file.
    ///
    /// # Errors
    /// The streams have no windows or fewer, the block's header is damaged, or the model is not there. A damaged
    /// payload is not noticed: only blocks have checksums.
    pub fn window(&mut self, number: u64) -> Result<Vec<u8>, StreamError> {
        let method = |block: &FileBlock| self.map.streams[block.stream].start.header.method;
        let windows = |block: &FileBlock| u64::from(block.header.windows(method(block)));
        if !self.map.streams.iter().any(|stream| matches!(stream.start.header.method, Method::EqualInfo { .. })) {
            return Err(StreamError::NoWindows);
        }
        let none = StreamError::NoWindow { number };
        let holds = |block: &FileBlock| number < block.first_window + windows(block);
        let Some(block) = self.entries().find(holds) else { return Err(none) };
        let Method::EqualInfo { bits, .. } = method(&block) else { return Err(none) };
        let payload = self.payload(&block)?;
        let offset = (number - block.first_window) as usize * bits.bytes();
        match payload.get(offset..).and_then(|rest| bits.read(rest)) {
            Some(value) => self.window_text(block.stream, value),
            None => Err(none),
        }
    }

    /// The text that a window of this value stands for in a stream, counted from 0.
    ///
    /// # Errors
    /// The stream has no windows, or the model is not there.
    pub fn window_text(&mut self, stream: usize, value: u128) -> Result<Vec<u8>, StreamError> {
        if !matches!(self.map.streams[stream].start.header.method, Method::EqualInfo { .. }) {
            return Err(StreamError::NoWindows);
        }
        Ok(self.worker(stream)?.decode_window(value)?)
    }

    /// A range of the text; what lies behind its end is left out.
    ///
    /// # Errors
    /// The range starts behind the end of the text, or as [`Self::text`].
    pub fn range(&mut self, range: Range<u64>) -> Result<Vec<u8>, StreamError> {
        let mut text = Vec::new();
        self.write_range(range, &mut text)?;
        Ok(text)
    }

    /// Writes a range of the text, block by block.
    ///
    /// # Errors
    /// As [`Self::range`], or the output cannot be written.
    pub fn write_range(&mut self, range: Range<u64>, mut output: impl Write) -> Result<(), StreamError> {
        let length = self.text_length();
        if range.start > length {
            return Err(StreamError::Range { expected: length, found: range.start });
        }
        let end_of = |block: &FileBlock| block.text_offset + u64::from(block.header.text_length);
        let within: Vec<FileBlock> =
            self.entries().filter(|block| block.text_offset < range.end && end_of(block) > range.start).collect();
        for block in within {
            let payload = self.payload(&block)?;
            let text = self.text_of(&block, &payload)?;
            let from = range.start.saturating_sub(block.text_offset) as usize;
            let to = (range.end - block.text_offset).min(text.len() as u64) as usize;
            let part = text.get(from..to).ok_or(StreamError::Index)?;
            output.write_all(part).map_err(StreamError::Output)?;
        }
        Ok(())
    }

    fn worker(&mut self, stream: usize) -> Result<&mut CpuWorker, StreamError> {
        let worker = match self.worker.take() {
            Some((of, worker)) if of == stream => worker,
            _ => {
                let start = &self.map.streams[stream].start;
                let model = self.models.find(&start.header, start.table.as_ref())?;
                let context = usize::from(start.header.model.context).max(1);
                CpuWorker::new(&model, context, Job::Decode(start.header.method))?
            }
        };
        Ok(&mut self.worker.insert((stream, worker)).1)
    }
}

/// Why a file is not complete streams and nothing else: what is wrong at the end of those that it begins with.
fn incomplete(input: &mut (impl Read + Seek), map: &FileMap) -> Result<StreamError, StreamError> {
    let mut position = 0;
    while let Some(stream) = map.at(position) {
        position = stream.end();
    }
    input.seek(SeekFrom::Start(position)).map_err(StreamError::input("seek"))?;
    let beginning = read_some(input, Start::LONGEST as u64)?;
    Ok(match Start::parse(&beginning) {
        Err(error) => error.into(),
        Ok(_) => StreamError::Incomplete,
    })
}

fn read_some(input: &mut impl Read, length: u64) -> Result<Vec<u8>, StreamError> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes).map_err(StreamError::input("read"))?;
    Ok(bytes)
}
