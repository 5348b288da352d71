//! [`Decoder`]: decodes a stream front to back, through buffers of any size.
//!
//! Invariant: nothing is buffered but headers. Each byte of text is delivered as soon as the code for it has arrived,
//! and the text of each block is checked at its end.

use super::block::{BlockDecoder, BlockHeader};
use super::error::{DecodeError, StreamPart};
use super::header::{Header, Layout, Method, ModelIdentity};
use super::index::{END_MARKER, IndexBuilder, Trailer};
use super::table::TableReader;
use crate::byte_model::StaticModel;
use crate::checksum::Checksum;
use crate::mix::Coder;
use crate::progress::Progress;

/// Decodes a stream as it arrives.
///
/// Text is delivered before its checksum is known: after an error, the text of the block named may be wrong, and all
/// text before it is intact. All further calls return the same error.
///
/// ```
/// use equalinfo_codec::container::{Decoder, Header, Method, ModelIdentity, encode_stream};
/// use equalinfo_codec::{Progress, Uniform};
///
/// let header = Header::new(Method::StaticAc, ModelIdentity::default(), Default::default(), 4096);
/// let mut stream = [0; 200];
/// let length = encode_stream(&mut Uniform, &header, b"ababababab", &mut stream)?;
///
/// let mut decoder = Decoder::new(Uniform, header.model);
/// let (mut text, mut place) = (Vec::new(), [0; 4]);
/// for byte in stream[..length].chunks(1) {
///     let mut input = byte;
///     loop {
///         let progress = decoder.decode(input, &mut place)?;
///         if progress == Progress::default() {
///             break;
///         }
///         input = &input[progress.consumed..];
///         text.extend_from_slice(&place[..progress.written]);
///     }
/// }
/// decoder.finish()?;
/// assert_eq!(text, b"ababababab");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder<C> {
    coder: C,
    identity: ModelIdentity,
    stage: Stage,
    /// As much of the header of the stream or a block, or of the trailer, as has arrived.
    gathered: [u8; Header::LONGEST],
    length: usize,
    /// Known once the header has been read.
    stream: Option<(Header, IndexBuilder)>,
    /// The checksum of header and table so far.
    start: Checksum,
    /// The checksum of what precedes the tag.
    before_tag: Checksum,
    table: Table,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Without an allocator there is no smaller place.
enum Stage {
    Header,
    Table,
    BlockHeader,
    Block(BlockDecoder),
    /// Counts the bytes of the header and the table that have not arrived again.
    Start {
        left: u64,
        checksum: Checksum,
    },
    /// Counts the bytes of the index that have not arrived.
    Index {
        left: u64,
        start: u32,
        checksum: Checksum,
    },
    Trailer {
        start: u32,
        checksum: Checksum,
    },
    Done,
    Failed(DecodeError),
}

/// The frequencies of a `static-ac` stream.
#[derive(Clone, Debug)]
enum Table {
    Reading(TableReader),
    Ready(StaticModel),
}

impl<C: Coder> Decoder<C> {
    /// A decoder of streams written with `coder`, whose model's identity is `identity`. For methods without a model any
    /// will do.
    pub fn new(coder: C, identity: ModelIdentity) -> Self {
        Self {
            coder,
            identity,
            stage: Stage::Header,
            gathered: [0; Header::LONGEST],
            length: 0,
            stream: None,
            start: Checksum::new(),
            before_tag: Checksum::new(),
            table: Table::Reading(TableReader::new()),
        }
    }

    /// The stream's header, once it has been read.
    pub fn header(&self) -> Option<&Header> {
        self.stream.as_ref().map(|(header, _)| header)
    }

    /// The number of blocks begun, and of bytes and windows in them, once the header has been read.
    pub fn totals(&self) -> Option<&IndexBuilder> {
        self.stream.as_ref().map(|(_, index)| index)
    }

    /// Whether the stream is complete and intact. Input after its end is not consumed.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Whether all that is missing is room for text whose code has been read.
    pub(super) fn wants_only_room(&self) -> bool {
        matches!(&self.stage, Stage::Block(decoder) if decoder.has_read_all())
    }

    /// Goes on with another stream, whose text follows that of the stream that is done. False if none is done. To be
    /// called only if there is more input: from then on [`Self::finish`] expects a whole stream.
    pub fn next_stream(&mut self) -> bool {
        let is_done = self.is_done();
        if is_done {
            (self.stage, self.length, self.stream) = (Stage::Header, 0, None);
            (self.start, self.table) = (Checksum::new(), Table::Reading(TableReader::new()));
        }
        is_done
    }

    /// Checks that the stream is complete. To be called at the end of the input.
    ///
    /// # Errors
    /// The stream is cut short, or decoding failed before.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let part = match &self.stage {
            Stage::Header => return Header::parse(self.gathered()).map(|_| ()),
            Stage::Table => StreamPart::Table,
            Stage::BlockHeader => StreamPart::BlockHeader,
            Stage::Block(_) => StreamPart::Payload,
            Stage::Start { .. } | Stage::Index { .. } | Stage::Trailer { .. } => StreamPart::Index,
            Stage::Done => return Ok(()),
            Stage::Failed(error) => return Err(*error),
        };
        let blocks = self.totals().map_or(0, IndexBuilder::blocks);
        // A block is counted once its header has been read.
        let block = if part == StreamPart::Payload { blocks.wrapping_sub(1) } else { blocks };
        Err(DecodeError::Truncated { part, block })
    }

    /// Returns what decodes the blocks.
    pub fn into_coder(self) -> C {
        self.coder
    }

    /// Decodes as far as the buffers allow. If there is no progress, more input is needed, or more room.
    ///
    /// # Errors
    /// The stream is damaged, or was written with a different model.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let mut total = Progress::default();
        loop {
            let rest = input.get(total.consumed..).unwrap_or_default();
            let room = output.get_mut(total.written..).unwrap_or_default();
            let progress = match self.advance(rest, room) {
                Ok(progress) => progress,
                Err(error) => {
                    self.stage = Stage::Failed(error);
                    // Text decoded before is delivered first; the next call returns the error.
                    return if total.written > 0 { Ok(total) } else { Err(error) };
                }
            };
            if progress == Progress::default() {
                return Ok(total);
            }
            total.consumed += progress.consumed;
            total.written += progress.written;
        }
    }

    /// Takes one step. Every step that changes the stage also makes progress.
    fn advance(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let consumed = match &mut self.stage {
            Stage::Header => self.read_header(input)?,
            Stage::Table => self.read_table(input)?,
            Stage::BlockHeader => self.read_block_header(input)?,
            Stage::Block(decoder) => {
                let progress = match &mut self.table {
                    Table::Ready(table) => decoder.decode(table, input, output),
                    Table::Reading(_) => decoder.decode(&mut self.coder, input, output),
                }?;
                if decoder.is_done() {
                    let in_blocks = self.header().is_some_and(|header| matches!(header.layout, Layout::Blocks { .. }));
                    self.stage = if in_blocks { Stage::BlockHeader } else { Stage::Done };
                }
                return Ok(progress);
            }
            Stage::Start { left, checksum } => {
                let taken = take(left, checksum, input);
                if *left == 0 {
                    let index = self.stream.as_ref().map(|(_, index)| index);
                    let (left, start) = (index.map_or(0, |index| index.trailer().index_length()), checksum.value());
                    self.stage = Stage::Index { left, start, checksum: Checksum::new() };
                }
                taken
            }
            Stage::Index { left, start, checksum } => {
                let taken = take(left, checksum, input);
                if *left == 0 {
                    self.stage = Stage::Trailer { start: *start, checksum: checksum.clone() };
                }
                taken
            }
            Stage::Trailer { start, checksum } => {
                let (start, checksum) = (*start, checksum.clone());
                self.read_trailer(input, start, checksum)?
            }
            Stage::Done => 0,
            Stage::Failed(error) => return Err(*error),
        };
        Ok(Progress { consumed, written: 0 })
    }

    fn gathered(&self) -> &[u8] {
        self.gathered.get(..self.length).unwrap_or_default()
    }

    /// Takes input until `wanted` bytes are gathered, and returns the number of bytes taken.
    fn gather(&mut self, input: &[u8], wanted: usize) -> usize {
        let before = self.length;
        let places = self.gathered.iter_mut().take(wanted).skip(before);
        for (place, &byte) in places.zip(input) {
            *place = byte;
            self.length += 1;
        }
        self.length - before
    }

    fn read_header(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        // As many bytes as an error shows, then byte by byte, as each may tell that more follow.
        let mut consumed = self.gather(input, 4);
        if self.length < 4 {
            return Ok(consumed);
        }
        loop {
            match Header::parse(self.gathered()) {
                Err(DecodeError::Truncated { .. }) => {
                    let rest = input.get(consumed..).unwrap_or_default();
                    match self.gather(rest, self.length + 1) {
                        0 => return Ok(consumed),
                        taken => consumed += taken,
                    }
                }
                Err(error) => return Err(error),
                Ok(header) => {
                    header.check_model(self.identity)?;
                    self.before_tag = Header::before_tag(self.gathered());
                    self.start.update(self.gathered.get(..self.length).unwrap_or_default());
                    let start = self.start.value();
                    self.stream = Some((header, IndexBuilder::with_start_checksum(&header, self.length, start)));
                    if header.method == Method::StaticAc {
                        self.stage = Stage::Table;
                    } else {
                        self.begin_blocks(&header)?;
                    }
                    self.length = 0;
                    return Ok(consumed);
                }
            }
        }
    }

    /// After header and table.
    fn begin_blocks(&mut self, header: &Header) -> Result<(), DecodeError> {
        self.stage = match (header.layout, header.only_block()) {
            (Layout::Blocks { .. }, _) => Stage::BlockHeader,
            (Layout::One { .. }, None) => Stage::Done,
            (Layout::One { .. }, Some(block)) => {
                if let Some((_, index)) = &mut self.stream {
                    index.add(&block);
                }
                Stage::Block(BlockDecoder::new(header, &block)?)
            }
        };
        Ok(())
    }

    /// Not inlined: its values are large, and would take up stack during all other steps.
    #[inline(never)]
    fn read_table(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let Table::Reading(reader) = &mut self.table else { return Ok(0) };
        for (consumed, &byte) in (1..).zip(input) {
            self.length += 1;
            self.start.update(&[byte]);
            if let Some(frequencies) = reader.feed(byte)? {
                self.table = Table::Ready(StaticModel(frequencies));
                if let Some((header, index)) = &mut self.stream {
                    let (header, start) = (*header, index.offset() as usize + self.length);
                    *index = IndexBuilder::with_start_checksum(&header, start, self.start.value());
                    self.begin_blocks(&header)?;
                }
                self.length = 0;
                return Ok(consumed);
            }
        }
        Ok(input.len())
    }

    /// Reads the marker of a block or of the end, and after the marker of a block the rest of its header.
    fn read_block_header(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let mut consumed = self.gather(input, END_MARKER.len());
        let Some(&marker) = self.gathered().first_chunk() else { return Ok(consumed) };
        let Some((header, index)) = &mut self.stream else { return Ok(consumed) };
        if marker == END_MARKER && index.blocks() > 0 {
            let left = u64::from(index.trailer().start);
            self.length = 0;
            self.stage = Stage::Start { left, checksum: Checksum::new() };
            return Ok(consumed);
        }
        BlockHeader::check_marker(marker, index.blocks())?;
        let (header, expected) = (*header, index.blocks());
        consumed += self.gather(input.get(consumed..).unwrap_or_default(), BlockHeader::LENGTH);
        if self.length == BlockHeader::LENGTH {
            let block = BlockHeader::parse(self.gathered(), &header, expected)?;
            header.check_tag_after(self.before_tag.clone(), &block)?;
            let decoder = BlockDecoder::new(&header, &block)?;
            if let Some((_, index)) = &mut self.stream {
                index.add(&block);
            }
            self.length = 0;
            self.stage = Stage::Block(decoder);
        }
        Ok(consumed)
    }

    fn read_trailer(&mut self, input: &[u8], start: u32, checksum: Checksum) -> Result<usize, DecodeError> {
        let consumed = self.gather(input, Trailer::LENGTH);
        if self.length < Trailer::LENGTH {
            return Ok(consumed);
        }
        let trailer = Trailer::parse(self.gathered())?;
        trailer.verify(checksum, start)?;
        if let Some((_, index)) = &self.stream {
            trailer.agrees_with(&index.trailer())?;
        }
        self.length = 0;
        self.stage = Stage::Done;
        Ok(consumed)
    }
}

/// Takes input up to what is left of a part that only its checksum is made of, and returns the number of bytes taken.
fn take(left: &mut u64, checksum: &mut Checksum, input: &[u8]) -> usize {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let taken = input.get(..wanted).unwrap_or(input);
    checksum.update(taken);
    *left -= taken.len() as u64;
    taken.len()
}
