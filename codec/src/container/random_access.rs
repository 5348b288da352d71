//! [`Stream`]: any block or window of a complete stream in memory, in flash or in a mapped file.
//!
//! Invariant: opening a stream reads both of its ends and nothing between them. The index is checked then, and a block
//! when it is asked for.

use super::block::{BlockHeader, decode_block};
use super::error::{DecodeError, StreamPart};
use super::header::{Header, Layout, Method};
use super::index::{Index, IndexEntry};
use super::table::parse_table;
use crate::byte_model::{ByteModel, StaticModel};
use crate::frequencies::Frequencies;
use crate::mix::Coder;
use crate::window::decode_window;
use core::cmp::Ordering;

/// A complete stream, opened from its end.
///
/// ```
/// use equalinfo_codec::container::{Header, Method, ModelIdentity, Stream, encode_stream};
/// use equalinfo_codec::Uniform;
///
/// let header = Header::new(Method::StaticAc, ModelIdentity::default(), Default::default(), 8);
/// let mut stream = [0; 400];
/// let length = encode_stream(&mut Uniform, &header, b"block 0\nblock 1\nblock 2\n", &mut stream)?;
///
/// let stream = Stream::open(&stream[..length])?;
/// assert_eq!((stream.index().blocks(), stream.index().text_length()), (3, 24));
/// let mut text = [0; 8];
/// stream.decode_block(&mut Uniform, 1, &mut text)?;
/// assert_eq!(&text, b"block 1\n");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    bytes: &'a [u8],
    header: Header,
    index: Index<'a>,
}

impl<'a> Stream<'a> {
    /// Reads the header and the index.
    ///
    /// # Errors
    /// Either of them is damaged, the stream is not complete, or something follows it.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, length) = Header::parse_with_length(bytes)?;
        let index = match header.layout {
            Layout::Blocks { .. } => {
                let index = Index::parse(bytes)?;
                if let Some(table) = index.table() {
                    let (found, _) = parse_table(bytes.get(length..).unwrap_or_default())?;
                    if found != *table {
                        return Err(DecodeError::IndexContents);
                    }
                }
                index
            }
            Layout::One { .. } if header.method == Method::StaticAc => {
                let (table, table_length) = parse_table(bytes.get(length..).unwrap_or_default())?;
                Index::of_one(&header, Some(table), length + table_length)?
            }
            Layout::One { .. } => Index::of_one(&header, None, length)?,
        };
        if *index.header() != header {
            return Err(DecodeError::IndexContents);
        }
        match index.stream_length().cmp(&(bytes.len() as u64)) {
            Ordering::Equal => Ok(Self { bytes, header, index }),
            Ordering::Greater => Err(DecodeError::Truncated { part: StreamPart::Payload, block: index.blocks() }),
            Ordering::Less if matches!(header.layout, Layout::One { .. }) => Err(DecodeError::Surplus),
            Ordering::Less => Err(DecodeError::IndexContents),
        }
    }

    /// The header of the stream.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frequencies of a stream of method `static-ac`.
    pub fn table(&self) -> Option<&Frequencies> {
        self.index.table()
    }

    /// The index of its blocks.
    pub fn index(&self) -> &Index<'a> {
        &self.index
    }

    /// The header and the payload of a block.
    ///
    /// # Errors
    /// There is no such block, or its header is damaged.
    pub fn block(&self, number: u32) -> Result<(BlockHeader, &'a [u8]), DecodeError> {
        let expected = self.index.blocks();
        let entry = self.index.entry(number).ok_or(DecodeError::NoSuchBlock { expected, found: number })?;
        self.block_of(&entry)
    }

    fn block_of(&self, entry: &IndexEntry) -> Result<(BlockHeader, &'a [u8]), DecodeError> {
        let number = entry.block.number;
        let from = |offset: u64| usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        if matches!(self.header.layout, Layout::Blocks { .. })
            && BlockHeader::parse(from(entry.offset).unwrap_or_default(), &self.header, number)? != entry.block
        {
            return Err(DecodeError::IndexContents);
        }
        let payload =
            from(self.index.payload_offset(entry)).and_then(|rest| rest.get(..entry.block.payload_length as usize));
        let payload = payload.ok_or(DecodeError::Truncated { part: StreamPart::Payload, block: number })?;
        Ok((entry.block, payload))
    }

    /// Decodes a block to the start of `output`, and returns the length of its text. `coder` must be the one that the
    /// header identifies.
    ///
    /// # Errors
    /// There is no such block, or it is damaged, or its text does not fit `output`.
    pub fn decode_block<C: Coder>(&self, coder: &mut C, number: u32, output: &mut [u8]) -> Result<usize, DecodeError> {
        let (block, payload) = self.block(number)?;
        match self.table() {
            Some(table) => decode_block(&mut StaticModel(table.clone()), &self.header, &block, payload, output),
            None => decode_block(coder, &self.header, &block, payload, output),
        }?;
        Ok(block.text_length as usize)
    }

    /// The value of a window, by its number in the stream. Stored blocks have no windows.
    ///
    /// # Errors
    /// There is no such window, or the header of its block is damaged.
    pub fn window(&self, number: u64) -> Result<u128, DecodeError> {
        let none = DecodeError::NoSuchWindow { found: number };
        let Method::EqualInfo { bits, .. } = self.header.method else { return Err(none) };
        let entry = self.index.block_of_window(number).ok_or(none)?;
        let (_, payload) = self.block_of(&entry)?;
        let offset =
            number.checked_sub(entry.first_window).and_then(|windows| windows.checked_mul(bits.bytes() as u64));
        let window = offset.and_then(|offset| bits.read(payload.get(usize::try_from(offset).ok()?..)?));
        window.ok_or(none)
    }

    /// Decodes one window, by its number in the stream, passes its text to `out` byte by byte, and returns the length
    /// of the text.
    ///
    /// # Errors
    /// There is no such window, or the header of its block is damaged.
    pub fn decode_window<M: ByteModel>(
        &self,
        model: &mut M,
        number: u64,
        out: impl FnMut(u8),
    ) -> Result<usize, DecodeError> {
        let none = DecodeError::NoSuchWindow { found: number };
        let Method::EqualInfo { bits, code } = self.header.method else { return Err(none) };
        let context = usize::from(self.header.model.context);
        decode_window(model, bits, code, context, self.window(number)?, out).ok_or(none)
    }
}
