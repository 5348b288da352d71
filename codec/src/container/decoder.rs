//! [`Decoder`]: a stream, front to back, through buffers of any size.

use super::block::{BlockDecoder, BlockHeader};
use super::checksum::Checksum;
use super::header::{Header, Method, ModelIdentity};
use super::index::{END_MARKER, IndexBuilder, Trailer};
use super::table::TableReader;
use crate::byte_model::{ByteModel, StaticModel};
use crate::error::{DecodeError, Part};
use crate::progress::Progress;

/// Decodes a stream as it arrives. Nothing is buffered but headers: every byte of text is delivered as soon as the
/// code that it needs has come, and each block's text is checked at its end.
///
/// After an error, that error is all that further calls return.
#[derive(Clone, Debug)]
pub struct Decoder<M> {
    model: M,
    identity: ModelIdentity,
    stage: Stage,
    /// The header of a stream or block, the trailer or an index entry, as far as it has come.
    gathered: [u8; Header::LENGTH],
    length: usize,
    /// Known from the header on.
    stream: Option<(Header, IndexBuilder)>,
    table: Table,
}

#[derive(Clone, Debug)]
enum Stage {
    Header,
    Table,
    BlockHeader,
    Block(BlockDecoder),
    /// Bytes of index before the trailer still to come.
    Index {
        left: u64,
        checksum: Checksum,
    },
    Trailer {
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

impl<M: ByteModel> Decoder<M> {
    /// A decoder of the streams that were written with `model`. Streams of method `static-ac` need none: then any
    /// model will do.
    pub fn new(model: M, identity: ModelIdentity) -> Self {
        Self {
            model,
            identity,
            stage: Stage::Header,
            gathered: [0; Header::LENGTH],
            length: 0,
            stream: None,
            table: Table::Reading(TableReader::new()),
        }
    }

    /// The stream's header, once it has been read.
    pub fn header(&self) -> Option<&Header> {
        self.stream.as_ref().map(|(header, _)| header)
    }

    /// Blocks decoded, bytes of text and windows in them, once the header has been read.
    pub fn totals(&self) -> Option<&IndexBuilder> {
        self.stream.as_ref().map(|(_, index)| index)
    }

    /// Whether the stream is complete and intact. Input that follows it is not consumed.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// To be called at the end of the input: fails if the stream is not complete.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let part = match &self.stage {
            Stage::Header => return Header::parse(self.gathered()).map(|_| ()),
            Stage::Table => Part::Table,
            Stage::BlockHeader => Part::BlockHeader,
            Stage::Block(_) => Part::Payload,
            Stage::Index { .. } | Stage::Trailer { .. } => Part::Index,
            Stage::Done => return Ok(()),
            Stage::Failed(error) => return Err(*error),
        };
        let blocks = self.totals().map_or(0, IndexBuilder::blocks);
        // A block counts from its header on.
        let block = if part == Part::Payload { blocks.wrapping_sub(1) } else { blocks };
        Err(DecodeError::Truncated { part, block })
    }

    /// Gives the model back.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Decodes as far as the buffers allow. No progress means that more input is needed, or more room.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let mut total = Progress::default();
        loop {
            let rest = input.get(total.consumed..).unwrap_or_default();
            let room = output.get_mut(total.written..).unwrap_or_default();
            let progress = match self.advance(rest, room) {
                Ok(progress) => progress,
                Err(error) => {
                    self.stage = Stage::Failed(error);
                    // What is known to be good is delivered first; the next call returns the error.
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

    /// One step. Every step that changes the stage also makes progress.
    fn advance(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, DecodeError> {
        let consumed = match &mut self.stage {
            Stage::Header => self.read_header(input)?,
            Stage::Table => self.read_table(input)?,
            Stage::BlockHeader => self.read_block_header(input)?,
            Stage::Block(decoder) => {
                let progress = match &mut self.table {
                    Table::Ready(table) => decoder.decode(table, input, output),
                    Table::Reading(_) => decoder.decode(&mut self.model, input, output),
                }?;
                if decoder.is_done() {
                    self.stage = Stage::BlockHeader;
                }
                return Ok(progress);
            }
            Stage::Index { left, checksum } => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
                let entries = input.get(..wanted).unwrap_or(input);
                checksum.update(entries);
                *left -= entries.len() as u64;
                if *left == 0 {
                    self.stage = Stage::Trailer { checksum: checksum.clone() };
                }
                entries.len()
            }
            Stage::Trailer { checksum } => {
                let checksum = checksum.clone();
                self.read_trailer(input, checksum)?
            }
            Stage::Done => 0,
            Stage::Failed(error) => return Err(*error),
        };
        Ok(Progress { consumed, written: 0 })
    }

    fn gathered(&self) -> &[u8] {
        self.gathered.get(..self.length).unwrap_or_default()
    }

    /// Takes input until `wanted` bytes are gathered, and says how much it took.
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
        let consumed = self.gather(input, Header::LENGTH);
        match Header::parse(self.gathered()) {
            Err(DecodeError::Truncated { .. }) => return Ok(consumed),
            Err(error) => return Err(error),
            Ok(header) => {
                header.check_model(self.identity)?;
                self.length = 0;
                self.stream = Some((header, IndexBuilder::new(&header, Header::LENGTH)));
                self.stage = if header.method == Method::StaticAc { Stage::Table } else { Stage::BlockHeader };
            }
        }
        Ok(consumed)
    }

    /// Not inlined: what it works with is large, and would take up stack while everything else is decoded.
    #[inline(never)]
    fn read_table(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let Table::Reading(reader) = &mut self.table else { return Ok(0) };
        for (consumed, &byte) in (1..).zip(input) {
            self.length += 1;
            if let Some(frequencies) = reader.feed(byte)? {
                if let Some((header, index)) = &mut self.stream {
                    *index = IndexBuilder::new(header, Header::LENGTH + self.length);
                }
                self.length = 0;
                self.table = Table::Ready(StaticModel(frequencies));
                self.stage = Stage::BlockHeader;
                return Ok(consumed);
            }
        }
        Ok(input.len())
    }

    /// Reads the marker of a block or of the end, then the rest of a block's header.
    fn read_block_header(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let mut consumed = self.gather(input, END_MARKER.len());
        let Some(&marker) = self.gathered().first_chunk() else { return Ok(consumed) };
        let Some((header, index)) = &mut self.stream else { return Ok(consumed) };
        if marker == END_MARKER {
            let left = index.trailer().index_length();
            let checksum = Checksum::new();
            self.length = 0;
            self.stage = if left > 0 { Stage::Index { left, checksum } } else { Stage::Trailer { checksum } };
            return Ok(consumed);
        }
        BlockHeader::check_marker(marker, index.blocks())?;
        let (header, expected) = (*header, index.blocks());
        consumed += self.gather(input.get(consumed..).unwrap_or_default(), BlockHeader::LENGTH);
        if self.length == BlockHeader::LENGTH {
            let block = BlockHeader::parse(self.gathered(), &header, expected)?;
            let decoder = BlockDecoder::new(&header, &block)?;
            if let Some((_, index)) = &mut self.stream {
                index.add(&block);
            }
            self.length = 0;
            self.stage = Stage::Block(decoder);
        }
        Ok(consumed)
    }

    fn read_trailer(&mut self, input: &[u8], checksum: Checksum) -> Result<usize, DecodeError> {
        let consumed = self.gather(input, Trailer::LENGTH);
        if self.length < Trailer::LENGTH {
            return Ok(consumed);
        }
        let trailer = Trailer::parse(self.gathered())?;
        trailer.verify(checksum)?;
        if let Some((_, index)) = &self.stream {
            trailer.agrees_with(&index.trailer())?;
        }
        self.length = 0;
        self.stage = Stage::Done;
        Ok(consumed)
    }
}
