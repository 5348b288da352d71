//! Streams, decoded block by block and output window by window.

use std::collections::VecDeque;

use equalinfo_codec::container::{
    BlockDecoder, BlockHeader, BlockKind, DecodeError, END_MARKER, Header, Index, IndexEntry, Layout, Method,
    ModelIdentity, Stream, StreamPart, Trailer, find_block, parse_table,
};
use equalinfo_codec::m1::{Aligned, M1, Model};
use equalinfo_codec::mix::{AnyTables, Class, Coder};
use equalinfo_codec::{ByteModel, StaticModel, Uniform, WindowCode};

use crate::Step;

/// The models that the page can decode with.
const IMAGES: [&[u8]; 3] = [
    equalinfo_determinism::PICO,
    &Aligned(*include_bytes!("../../models/nano.m1q")).0,
    &Aligned(*include_bytes!("../../models/micro.m1q")).0,
];

/// Bytes of text per step, for methods without windows.
const PIECE: usize = 64;

/// The longest text of a window.
const LONGEST: usize = 256;

/// One or more streams being decoded.
///
/// Invariant: text is output only once its whole block has been decoded and matches the block's checksum.
pub struct Session {
    stream: Vec<u8>,
    header: Header,
    coders: Coders,
    /// The start of the present stream, and its first block.
    start: usize,
    blocks: usize,
    /// Where it continues.
    position: usize,
    /// The number of the next block.
    number: u32,
    /// The windows before this stream, and in it so far, if known.
    before: u64,
    windows: Option<u64>,
    /// Decoded but not yet output.
    ready: VecDeque<(Step, Vec<u8>)>,
    ended: bool,
}

/// What the streams so far were decoded with, in memory that is never freed.
#[derive(Default)]
struct Coders {
    models: Vec<(ModelIdentity, M1<'static, 'static>, &'static str)>,
    tables: Vec<(Class, AnyTables<'static>)>,
    /// The frequencies of the present stream.
    frequencies: Option<StaticModel>,
    nothing: Uniform,
}

/// What decodes a block.
struct BlockCoder<'c> {
    model: &'c mut dyn ByteModel,
    tables: Option<&'c mut AnyTables<'static>>,
}

impl<'c> Coder for BlockCoder<'c> {
    type Model = &'c mut dyn ByteModel;
    type Tables = AnyTables<'static>;

    fn parts(&mut self) -> (&mut Self::Model, Option<&mut Self::Tables>) {
        (&mut self.model, self.tables.as_deref_mut())
    }
}

impl Coders {
    /// Prepares for the stream at the start of `bytes`, and returns its header and the length of header and table. An
    /// error is a sentence for the user.
    fn begin(&mut self, bytes: &[u8]) -> Result<(Header, usize), String> {
        let sentence = |error: DecodeError| format!("This cannot be decoded: {error}.");
        let (header, mut length) = Header::parse_with_length(bytes).map_err(sentence)?;
        self.frequencies = None;
        if header.method == Method::StaticAc {
            let (frequencies, table) = parse_table(&bytes[length..]).map_err(sentence)?;
            self.frequencies = Some(StaticModel(frequencies));
            length += table;
        }
        if header.method.has_model() && !self.models.iter().any(|(known, ..)| *known == header.model) {
            self.models.push(load(&header)?);
        }
        if let Some(class) = header.method.class()
            && !self.tables.iter().any(|(known, _)| *known == class)
        {
            self.tables.push((class, AnyTables::Memory(vec![0; class.words()].leak())));
        }
        Ok((header, length))
    }

    fn name(&self, header: &Header) -> &'static str {
        match header.method {
            Method::StaticAc => "its own byte frequencies",
            method if method.has_model() => {
                self.models.iter().find(|(known, ..)| *known == header.model).map_or("", |(.., name)| name)
            }
            _ => "none",
        }
    }

    fn of(&mut self, header: &Header) -> BlockCoder<'_> {
        let tables = self.tables.iter_mut().find(|(class, _)| header.method.class() == Some(*class));
        let m1 = self.models.iter_mut().find(|(known, ..)| *known == header.model && header.method.has_model());
        let model: &mut dyn ByteModel = match (&mut self.frequencies, m1) {
            (Some(frequencies), _) => frequencies,
            (None, Some((_, m1, _))) => m1,
            (None, None) => &mut self.nothing,
        };
        BlockCoder { model, tables: tables.map(|(_, tables)| tables) }
    }
}

/// The model that a stream names, if it is one of the page's.
fn load(header: &Header) -> Result<(ModelIdentity, M1<'static, 'static>, &'static str), String> {
    let identity = header.model;
    let is_named = |model: &Model| ModelIdentity::new(model.id(), identity.context.into()) == identity;
    let Some(model) = IMAGES.into_iter().filter_map(|image| Model::load(image).ok()).find(is_named) else {
        let name = header.name.as_str();
        let separator = if name.is_empty() { "" } else { " " };
        return Err(format!("It needs model {name}{separator}{:08x}, which is not part of this page.", identity.id));
    };
    let (config, context) = (model.config(), usize::from(identity.context));
    let bytes = vec![0; config.byte_buffer(context)].leak();
    let words = vec![0; config.word_buffer(context)].leak();
    let m1 = M1::new(&model, context, bytes, words).map_err(|error| error.to_string())?;
    Ok((identity, m1, model.name()))
}

impl Session {
    /// Reads the header; an error is a sentence for the user.
    pub fn open(stream: Vec<u8>) -> Result<Self, String> {
        let mut coders = Coders::default();
        let (header, blocks) = coders.begin(&stream)?;
        Ok(Self {
            stream,
            header,
            coders,
            start: 0,
            blocks,
            position: blocks,
            number: 0,
            before: 0,
            windows: Some(0),
            ready: VecDeque::new(),
            ended: false,
        })
    }

    /// A JSON object with the contents of the header.
    pub fn describe(&self) -> String {
        let (method, bits, code) = match self.header.method {
            Method::EqualInfo { bits, code } => {
                ("equal-info".to_owned(), bits.bits(), if code == WindowCode::Delay { "delay" } else { "default" })
            }
            method => (method.to_string(), 0, ""),
        };
        format!(
            r#"{{"method":"{method}","bits":{bits},"code":"{code}","model":"{}","context":{},"bytes":{}}}"#,
            self.coders.name(&self.header),
            self.header.model.context,
            self.stream.len()
        )
    }

    /// Decodes a little more into `output`.
    pub fn next(&mut self, output: &mut Vec<u8>) -> Step {
        loop {
            if let Some((step, bytes)) = self.ready.pop_front() {
                output.extend(bytes);
                return step;
            }
            if self.ended {
                return Step::End;
            }
            if let Err(error) = self.read() {
                // The part of the block that could be decoded is not known to be its text.
                self.ready.clear();
                self.ready.push_back((Step::Damage, error.to_string().into_bytes()));
                self.go_around();
            }
        }
    }

    /// Decodes the next block, or continues with the next stream.
    fn read(&mut self) -> Result<(), DecodeError> {
        let rest = self.stream.get(self.position..).unwrap_or_default();
        let block = match self.header.layout {
            Layout::One { .. } => match self.header.only_block() {
                Some(block) if self.number == 0 => block,
                _ => {
                    self.begin_stream();
                    return Ok(());
                }
            },
            Layout::Blocks { .. } => {
                if rest.starts_with(&END_MARKER) && self.number > 0 {
                    return self.end();
                }
                let block = BlockHeader::parse(rest, &self.header, self.number)?;
                self.header.check_tag(&block)?;
                self.position += BlockHeader::LENGTH;
                block
            }
        };
        self.number += 1;
        let first = self.windows.map_or_else(String::new, |windows| (self.before + windows).to_string());
        self.ready.push_back((Step::Block, first.into_bytes()));
        self.windows = self.windows.map(|windows| windows + u64::from(block.windows(self.header.method)));
        self.decode(&block)
    }

    fn decode(&mut self, header: &BlockHeader) -> Result<(), DecodeError> {
        let mut block = BlockDecoder::new(&self.header, header)?;
        let end = (self.position + header.payload_length as usize).min(self.stream.len());
        let (size, step) = match self.header.method {
            _ if header.kind == BlockKind::Stored => (PIECE, Step::Stored),
            Method::EqualInfo { bits, .. } => (bits.bytes(), Step::Window),
            _ => (PIECE, Step::Text),
        };
        // A window's text is all that fits between two windows; elsewhere any size will do.
        let room = if step == Step::Window { LONGEST } else { PIECE };
        let mut payload = &self.stream[self.position..end];
        let mut text = [0; LONGEST];
        let mut coder = self.coders.of(&self.header);
        while !block.is_done() {
            let input = payload.get(..size).unwrap_or(payload);
            let progress = block.decode(&mut coder, input, &mut text[..room])?;
            if progress.consumed == 0 && progress.written == 0 {
                return Err(DecodeError::Truncated { part: StreamPart::Payload, block: header.number });
            }
            let mut bytes = if step == Step::Window { input.to_vec() } else { Vec::new() };
            bytes.extend(&text[..progress.written]);
            self.ready.push_back((step, bytes));
            payload = &payload[progress.consumed..];
        }
        self.position = end;
        Ok(())
    }

    /// Resumes at the next intact block after damage, else behind the end of the stream, else at the next stream, or
    /// gives up. Whatever failed, the position is after the header of every block that was begun, so none is begun
    /// twice.
    fn go_around(&mut self) {
        if let Layout::One { payload_length, .. } = self.header.layout {
            // What follows, if the lengths are right, and otherwise whatever looks like it.
            self.skip_to(self.blocks + payload_length as usize);
            return self.begin_stream();
        }
        match find_block(&self.stream, &self.header, self.position) {
            Some((position, block)) if block.number >= self.number => {
                if block.number > self.number {
                    self.windows = self.windows_before(block.number, position);
                }
                (self.position, self.number) = (position, block.number);
            }
            _ => {
                if let Some(end) = self.find_end() {
                    (self.position, self.windows) = end;
                }
                self.begin_stream();
            }
        }
    }

    /// Goes to where a stream begins or the file ends; stays if neither is true of this position.
    fn skip_to(&mut self, position: usize) {
        if position == self.stream.len() || self.stream.get(position..).is_some_and(|rest| Header::parse(rest).is_ok())
        {
            self.position = position;
        }
    }

    /// Where this stream ends, found by the copy of its start, and the number of its windows, if all of its end is
    /// intact.
    fn find_end(&self) -> Option<(usize, Option<u64>)> {
        let start = self.stream.get(self.start..self.blocks)?;
        let rest = self.stream.get(self.position..)?;
        let copy = self.position + rest.windows(start.len()).position(|bytes| bytes == start)?;
        let index = copy + start.len();
        let longest = self.stream.len().checked_sub(index + Trailer::LENGTH)? / IndexEntry::LENGTH;
        // The end is as long as the number of blocks that it states.
        (1..=longest).find_map(|blocks| {
            let after = index + blocks * IndexEntry::LENGTH + Trailer::LENGTH;
            let stated = Trailer::parse(self.stream.get(..after)?).ok()?.blocks;
            let end = self.stream.get(copy.checked_sub(END_MARKER.len())?..after)?;
            (stated as usize == blocks).then(|| (after, Index::parse(end).ok().map(|index| index.windows())))
        })
    }

    /// The number of windows before a block, if this is the last stream and its index is intact.
    fn windows_before(&self, number: u32, position: usize) -> Option<u64> {
        let entry = Stream::open(self.stream.get(self.start..)?).ok()?.index().entry(number)?;
        (entry.offset == (position - self.start) as u64).then_some(entry.first_window)
    }

    /// Compares the end with what was seen, and starts the stream after it.
    fn end(&mut self) -> Result<(), DecodeError> {
        let index = self.position + END_MARKER.len() + (self.blocks - self.start);
        let after = index + self.number as usize * IndexEntry::LENGTH + Trailer::LENGTH;
        // Another number of blocks implies another length: only the end of the file can tell then.
        let truncated = DecodeError::Truncated { part: StreamPart::Index, block: self.number };
        let end = self.stream.get(self.position..after).ok_or(truncated);
        let checked = end.and_then(Index::parse).map(|index| (*index.header(), index.blocks()));
        self.position = index.min(self.stream.len());
        self.skip_to(after);
        let (header, blocks) = match checked {
            Ok(found) => found,
            Err(error) => {
                let opened = Stream::open(&self.stream[self.start..]).map_err(|_| error)?;
                (*opened.header(), opened.index().blocks())
            }
        };
        if header != self.header {
            return Err(DecodeError::IndexContents);
        }
        if blocks != self.number {
            return Err(DecodeError::BlockCount { expected: blocks, found: self.number });
        }
        self.position = after;
        self.begin_stream();
        Ok(())
    }

    /// Starts the next stream in the file, if there is one.
    fn begin_stream(&mut self) {
        let mut ahead = self.position..self.stream.len();
        let Some(start) = ahead.find(|&at| Header::parse(&self.stream[at..]).is_ok()) else {
            if self.ready.is_empty() && self.position < self.stream.len() {
                let surplus = self.stream.len() - self.position;
                let words = format!("{surplus} bytes follow that belong to no stream");
                self.ready.push_back((Step::Damage, words.into_bytes()));
            }
            self.ended = true;
            return;
        };
        self.before += self.windows.unwrap_or(0);
        match self.coders.begin(&self.stream[start..]) {
            Ok((header, length)) => {
                self.header = header;
                (self.start, self.blocks, self.position) = (start, start + length, start + length);
                (self.number, self.windows) = (0, Some(0));
                self.ready.push_back((Step::Stream, self.describe().into_bytes()));
            }
            Err(sentence) => {
                self.ready.push_back((Step::Damage, sentence.into_bytes()));
                self.ended = true;
            }
        }
    }
}
