//! [`Compressor`]: text to a stream.

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::thread;

use equalinfo_codec::container::{
    BlockHeader, BlockKind, DEFAULT_BLOCK_SIZE, END_MARKER, Header, IndexBuilder, IndexEntry, MAXIMUM_BLOCK_SIZE,
    Method, ModelName,
};
use equalinfo_codec::lexicon::payload::METHOD as LEXICON_METHOD;
use equalinfo_codec::{Frequencies, WindowBits, WindowCode};

use super::error::StreamError;
use super::map::start_bytes;
use crate::coding::{CodingError, CodingModel};
use crate::error::LoadError;
use crate::level::Level;
use crate::plan::lockstep::group;
use crate::plan::mixed::Coded;
use crate::plan::noise::is_noise;
use crate::plan::{Job, Plan, Worker, Workers, padded};
use crate::windows::{Encoding, Segmentation};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of text.
    pub text: u64,
    /// Bytes of stream.
    pub stream: u64,
    /// Blocks.
    pub blocks: u32,
    /// Windows, for `equal-info`.
    pub windows: u64,
}

/// Compresses texts to streams, with a model, byte frequencies or a lexicon, and options that have defaults.
///
/// ```
/// use equalinfo::{Compressor, Decompressor, Model, WindowBits};
///
/// let text = b"It was the best of times, it was the worst of times, it was the age of wisdom.";
/// let model = Model::shipped("micro")?;
/// let mut stream = Vec::new();
/// let written = Compressor::new(&model).compress(&text[..], &mut stream)?;
/// assert_eq!((written.text, written.stream), (78, stream.len() as u64));
/// assert_eq!(Decompressor::new().decompress_to_vec(&stream)?, text);
///
/// // Windows of 32 bits that decode alone, in blocks of 4 KiB.
/// let windows = Compressor::new(&model).window_bits(WindowBits::B32).block_size(4096);
/// assert_eq!(Decompressor::new().decompress_to_vec(&windows.compress_to_vec(text)?)?, text);
/// # Ok::<(), equalinfo::StreamError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Compressor {
    model: CodingModel,
    method: Method,
    context: usize,
    /// `None`: what suits the method.
    block_size: Option<u64>,
    flexible: bool,
    threads: usize,
}

impl Compressor {
    /// A compressor with this model, lexicon or these byte frequencies, and what suits them: a model mixed with tables
    /// (method `mix`) with its whole context, byte frequencies' arithmetic coding (`static-ac`), a lexicon's flexible
    /// windows of 16 bits (`equal-info`); a thread per core.
    pub fn new(model: impl Into<CodingModel>) -> Self {
        let model = model.into();
        let method = match &model {
            CodingModel::Model(_) => Method::Mix(Level::DEFAULT.class()),
            CodingModel::Frequencies(_) => Method::StaticAc,
            CodingModel::Lexicon(_) => LEXICON_METHOD,
            CodingModel::None => Level::FASTEST.method(),
        };
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let context = model.context();
        Self { model, method, context, block_size: None, flexible: true, threads }
    }

    /// A compressor that takes as much time as a level says.
    ///
    /// # Errors
    /// As [`Model::shipped`](crate::Model::shipped).
    pub fn at(level: Level) -> Result<Self, LoadError> {
        Ok(Self::new(level.model()?).method(level.method()).block_size(level.block_size()))
    }

    /// How text is coded.
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Method `equal-info`: windows of this width, in the default code unless [`Self::code`] says otherwise.
    pub fn window_bits(self, bits: WindowBits) -> Self {
        let code = match self.method {
            Method::EqualInfo { code, .. } => code,
            _ => WindowCode::Default,
        };
        self.method(Method::EqualInfo { bits, code })
    }

    /// Method `equal-info` in this code; its windows have 64 bits unless [`Self::window_bits`] says otherwise.
    pub fn code(self, code: WindowCode) -> Self {
        let bits = match self.method {
            Method::EqualInfo { bits, .. } => bits,
            _ => WindowBits::B64,
        };
        self.method(Method::EqualInfo { bits, code })
    }

    /// Whether windows of the default code are closed where the next one reaches furthest (the default), which makes up
    /// to 3% fewer of them, or hold as much as fits, which takes less time. Accelerators, and other codes, have the
    /// latter alone.
    pub fn flexible(self, flexible: bool) -> Self {
        Self { flexible, ..self }
    }

    /// Bytes of text in a block: blocks are coded in parallel, checked and decoded alone, and tables learn within one.
    /// Otherwise 4 MiB with tables, and 64 KiB without.
    pub fn block_size(self, block_size: u64) -> Self {
        Self { block_size: Some(block_size), ..self }
    }

    /// Bytes of context, at most the model's. A decoder needs memory for as many.
    pub fn context(self, context: usize) -> Self {
        Self { context, ..self }
    }

    /// Threads. Each codes a block; where there are fewer blocks, several run a block's model ahead of the one that
    /// codes. The stream does not depend on their number.
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// What it codes with.
    pub fn model(&self) -> &CodingModel {
        &self.model
    }

    /// What its streams say of themselves.
    ///
    /// # Errors
    /// Options that do not go together, or that the model or the format does not have.
    pub fn header(&self) -> Result<Header, StreamError> {
        let method = match (&self.model, self.method) {
            (_, Method::EqualInfo { code: WindowCode::Paper, .. }) => return Err(StreamError::NotDecodable),
            (_, Method::Tables(_)) | (CodingModel::Frequencies(_), _) => None,
            (CodingModel::Model(_), Method::Ac | Method::Mix(_) | Method::EqualInfo { .. }) => None,
            (CodingModel::Lexicon(_), method) if method == LEXICON_METHOD => None,
            (_, Method::Ac) => Some("ac"),
            (_, Method::Mix(_)) => Some("mix"),
            (_, Method::StaticAc) => Some("static-ac"),
            _ => Some("equal-info with this width and code"),
        };
        if let Some(method) = method {
            return Err(StreamError::Method { name: self.model.name().to_owned(), method });
        }
        let by_method =
            if self.method.class().is_some() { Level::DEFAULT.block_size() } else { DEFAULT_BLOCK_SIZE.into() };
        let block_size = self.block_size.unwrap_or(by_method);
        if !(1..=u64::from(MAXIMUM_BLOCK_SIZE)).contains(&block_size) {
            return Err(StreamError::BlockSize { found: block_size });
        }
        let expected = self.model.context();
        let is_fixed = matches!(self.model, CodingModel::Lexicon(_)) && self.context != expected;
        if is_fixed || !(1..=expected).contains(&self.context) {
            let name = self.model.name().to_owned();
            return Err(StreamError::Context { name, expected, found: self.context });
        }
        let (model, name) = match self.method {
            // A lexicon writes the same stream, and knows its model by the id alone.
            method if method == LEXICON_METHOD => (self.model.identity(self.context), ModelName::NONE),
            method if method.has_model() => (self.model.identity(self.context), self.model.stream_name()),
            _ => Default::default(),
        };
        Ok(Header::new(self.method, model, name, block_size as u32))
    }

    /// Compresses a text.
    ///
    /// # Errors
    /// As [`Self::header`]; or the text cannot be read, or the stream cannot be written.
    pub fn compress(&self, text: impl Read, stream: impl Write) -> Result<Written, StreamError> {
        self.compress_by(Workers::Threads(self.threads), text, stream, |_, _| ())
    }

    /// Compresses a text in memory.
    ///
    /// # Errors
    /// As [`Self::header`].
    pub fn compress_to_vec(&self, text: &[u8]) -> Result<Vec<u8>, StreamError> {
        let mut stream = Vec::new();
        self.compress(text, &mut stream)?;
        Ok(stream)
    }

    /// Compresses a text by these workers; `progress` is told the bytes of text and of stream so far.
    ///
    /// # Errors
    /// As [`Self::compress`], or the accelerator does not have this code or fails.
    pub fn compress_by(
        &self,
        workers: Workers,
        mut text: impl Read,
        mut stream: impl Write,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Written, StreamError> {
        let header = self.header()?;
        let job = match header.method {
            Method::EqualInfo { bits, code } => {
                let is_flexible = self.flexible && code == WindowCode::Default;
                let encoding = if is_flexible { Encoding::Flexible } else { Encoding::Greedy(code) };
                Job::Cut(Segmentation::new(bits, encoding, self.context))
            }
            Method::Mix(class) | Method::Tables(class) => Job::Mix(class),
            _ => Job::RangeEncode,
        };
        // What was read to know how long the text is.
        let mut ahead = Vec::new();
        let mut read_ahead = |bytes: usize| {
            let missing = bytes.saturating_sub(ahead.len()) as u64;
            (&mut text).take(missing).read_to_end(&mut ahead).map_err(StreamError::input("read"))?;
            Ok::<_, StreamError>(ahead.len() >= bytes)
        };
        let is_one = !read_ahead(header.block_size() as usize + 1)?;
        let model = if header.method.has_model() || header.method == Method::StaticAc {
            &self.model
        } else {
            &CodingModel::None
        };
        let plan = Plan::new(model, self.context, job, workers, group(header.block_size()), &mut read_ahead)?;
        // Threads that would have no block help with the others'.
        let size = header.block_size() as usize;
        let is_shared = plan.shared() > 0 && !read_ahead(plan.shared() * size + 1)?;
        let plan = if is_shared { plan.of_texts(ahead.len().div_ceil(size)) } else { plan };
        if ahead.is_empty() {
            let bytes = Header::empty().to_bytes();
            stream.write_all(&bytes).map_err(StreamError::Output)?;
            return Ok(Written { text: 0, stream: bytes.len() as u64, blocks: 0, windows: 0 });
        }
        let blocks = Blocks { text: ahead.as_slice().chain(text), size, number: 0 };
        let table = match &self.model {
            CodingModel::Frequencies(counts) => Some(counts.frequencies()),
            _ => None,
        };
        let mut writer =
            Writer { stream: &mut stream, header, table, is_one, index: None, entries: Vec::new(), length: 0 };
        plan.run(
            blocks,
            |(_, text)| text.len(),
            |worker, blocks| Ok(encode(worker, job, is_one.then_some((&header, table)), &blocks)?),
            |(block, payload)| {
                writer.block(&block, &payload)?;
                let (text, stream) = (writer.index.as_ref().map_or(0, IndexBuilder::text_length), writer.length);
                progress(text, stream);
                Ok(())
            },
        )?;
        writer.end()
    }
}

/// Writes the parts of a stream, whose beginning is known with the first block.
struct Writer<'a, W> {
    stream: W,
    header: Header,
    table: Option<&'a Frequencies>,
    /// Whether the first block is the only one.
    is_one: bool,
    index: Option<IndexBuilder>,
    entries: Vec<u8>,
    length: u64,
}

impl<W: Write> Writer<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.length += bytes.len() as u64;
        self.stream.write_all(bytes).map_err(StreamError::Output)
    }

    fn start(&self) -> Vec<u8> {
        start_bytes(&self.header, self.table)
    }

    fn block(&mut self, block: &BlockHeader, payload: &[u8]) -> Result<(), StreamError> {
        if self.index.is_none() {
            self.header = if self.is_one { self.header.of_one(block) } else { self.header.bound_to(block) };
            let start = self.start();
            self.index = Some(IndexBuilder::new(&self.header, &start));
            self.put(&start)?;
        }
        if !self.is_one {
            self.put(&block.to_bytes(&self.header))?;
            self.entries.extend(IndexEntry::to_bytes(block));
        }
        self.index.iter_mut().for_each(|index| {
            index.add(block);
        });
        self.put(payload)
    }

    fn end(mut self) -> Result<Written, StreamError> {
        let Some(index) = self.index.take() else { return Err(StreamError::Index) };
        if !self.is_one {
            let end = [&END_MARKER[..], &self.start(), &self.entries, &index.trailer().to_bytes()].concat();
            self.put(&end)?;
        }
        let (text, stream, blocks, windows) = (index.text_length(), self.length, index.blocks(), index.windows());
        Ok(Written { text, stream, blocks, windows })
    }
}

/// Cuts the text into numbered blocks.
struct Blocks<R> {
    text: R,
    size: usize,
    number: u32,
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = Result<(u32, Vec<u8>), StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = Vec::new();
        if let Err(error) = (&mut self.text).take(self.size as u64).read_to_end(&mut text) {
            return Some(Err(StreamError::input("read")(error)));
        }
        let number = self.number;
        self.number += 1;
        (!text.is_empty()).then_some(Ok((number, text)))
    }
}

/// Blocks and their payloads. Those that a code would not make shorter are stored; where `one` block is all, with what
/// its header and the frequencies take.
fn encode(
    worker: &mut Worker,
    job: Job,
    one: Option<(&Header, Option<&Frequencies>)>,
    blocks: &[(u32, Vec<u8>)],
) -> Result<Vec<(BlockHeader, Vec<u8>)>, CodingError> {
    let is_coded: Vec<bool> = blocks.iter().map(|(_, text)| matches!(job, Job::Mix(_)) || !is_noise(text)).collect();
    let texts = blocks.iter().zip(&is_coded).filter(|(_, is_coded)| **is_coded);
    let texts: Vec<&[u8]> = texts.map(|((_, text), _)| &text[..]).collect();
    let by_method = |code| Coded { kind: BlockKind::Coded, code };
    let mut codes = match job {
        Job::Cut(_) => worker.cut(usize::MAX, &texts)?.into_iter().map(|windows| by_method(windows.code)).collect(),
        Job::Mix(_) => worker.mix(&texts)?,
        _ => {
            let codes = texts.iter().zip(worker.range_encode(&texts)?);
            codes.map(|(text, code)| by_method(padded(text.len(), code))).collect::<Vec<_>>()
        }
    }
    .into_iter();
    let block = |((number, text), is_coded): (&(u32, Vec<u8>), bool)| {
        let coded = if is_coded { codes.next() } else { None };
        let stored = BlockHeader::stored(*number, text);
        let length = |block: &BlockHeader| {
            let start = one.map_or(0, |(header, frequencies)| start_bytes(&header.of_one(block), frequencies).len());
            start + block.payload_length as usize
        };
        let coded = coded.filter(|coded| coded.code.len() < text.len());
        let coded = coded.map(|coded| (BlockHeader::coded(coded.kind, *number, text, coded.code.len()), coded.code));
        match coded.filter(|(block, _)| length(block) < length(&stored)) {
            Some(coded) => coded,
            None => (stored, text.clone()),
        }
    };
    Ok(blocks.iter().zip(is_coded).map(block).collect())
}
